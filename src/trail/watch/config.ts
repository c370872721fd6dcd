/**
 * How a log is watched: `watch.json` in its directory. Every member may be missing, unknown ones are refused, and what is
 * missing has the value below. docs/findings.md says what each one means.
 */
import { readFile } from 'node:fs/promises';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { SEVERITIES, type Severity } from '../finding.ts';

const MAX_LISTED = 200;
const MAX_PRODUCER_SETTINGS = 10_000;
const MAX_SECONDS = 366 * 86_400;
const MAX_CLOCK_SERVERS = 8;

const closed = { additionalProperties: false } as const;
const seconds = (minimum: number) => Type.Optional(Type.Number({ minimum, maximum: MAX_SECONDS }));
const milliseconds = () => Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_SECONDS * 1000 }));
const whole = (minimum: number) => Type.Optional(Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER }));
const words = () => Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: MAX_LISTED }));
const group = <T extends Record<string, TSchema>>(members: T) => Type.Optional(Type.Object(members, closed));
const TimeOfDay = Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$' });
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const oneOf = <T extends string>(values: readonly T[]) => Type.Union(values.map((value) => Type.Literal(value)));

const WatchFile = Type.Object(
  {
    heartbeat_seconds: seconds(0),
    window_seconds: seconds(1),
    sequence: group({ settle_ms: milliseconds() }),
    silence: group({ after_seconds: seconds(1), learn: Type.Optional(Type.Boolean()) }),
    skew: group({ limit_ms: milliseconds(), late_after_seconds: seconds(1) }),
    correlation: group({
      timeout_seconds: seconds(1),
      budget: whole(1),
      start_words: words(),
      outcome_words: words(),
    }),
    mass_export: group({ actions: words(), events: whole(1), records: whole(1), record_members: words() }),
    off_hours: group({
      timezone: Type.String({ minLength: 1, maxLength: 64 }),
      days: Type.Optional(Type.Array(oneOf(WEEKDAYS), { maxItems: 7 })),
      from: Type.Optional(TimeOfDay),
      to: Type.Optional(TimeOfDay),
      actions: words(),
      actor_types: words(),
    }),
    privilege: group({ actions: words(), roles: words() }),
    producers: Type.Optional(
      Type.Record(
        Type.String({ maxLength: 256 }),
        Type.Object(
          {
            silent_after_seconds: Type.Optional(
              Type.Union([Type.Number({ minimum: 1, maximum: MAX_SECONDS }), Type.Null()]),
            ),
            skew_limit_ms: milliseconds(),
            historic: Type.Optional(Type.Boolean()),
          },
          closed,
        ),
        { maxProperties: MAX_PRODUCER_SETTINGS },
      ),
    ),
    clock: group({
      servers: Type.Optional(
        Type.Array(Type.String({ minLength: 1, maxLength: 260 }), { maxItems: MAX_CLOCK_SERVERS }),
      ),
      chrony: Type.Optional(Type.Boolean()),
      check_seconds: seconds(1),
      max_offset_ms: Type.Optional(Type.Number({ minimum: 0.001, maximum: 3_600_000 })),
      refuse_unsynchronised: Type.Optional(Type.Boolean()),
    }),
    alerts: group({
      url: Type.String({ pattern: '^https?://', maxLength: 2_048 }),
      secret_file: Type.String({ minLength: 1, maxLength: 4_096 }),
      min_severity: Type.Optional(oneOf(SEVERITIES)),
    }),
  },
  closed,
);

export type Weekday = (typeof WEEKDAYS)[number];

export interface ProducerSettings {
  /** Exactly this long; null: silence of this producer is nothing to find. Undefined: as for all. */
  readonly silentAfterUs?: number | null;
  readonly skewLimitUs?: number;
  /** Its events happened long before they are submitted: nothing about their times is a finding. */
  readonly historic: boolean;
}

/** The configuration with every value in place. Times are microseconds unless the name says otherwise. */
export interface WatchConfig {
  /** 0: no heartbeats; then time stands still while no event comes. */
  readonly heartbeatMs: number;
  /** For what is reported once a window. */
  readonly windowUs: number;
  readonly settleUs: number;
  /** `learn`: at least `afterUs`, and longer for producers that are known to make longer pauses. */
  readonly silence: { readonly afterUs: number; readonly learn: boolean };
  readonly skew: { readonly limitUs: number; readonly lateAfterUs: number };
  readonly correlation: {
    readonly timeoutUs: number;
    readonly budget: number;
    readonly startWords: readonly string[];
    readonly outcomeWords: readonly string[];
  };
  readonly massExport: {
    readonly actions: readonly string[];
    readonly events: number;
    readonly records: number;
    readonly recordMembers: readonly string[];
  };
  /** Null: nobody said what the hours are. */
  readonly offHours: OffHoursConfig | null;
  readonly privilege: { readonly actions: readonly string[]; readonly roles: readonly string[] };
  readonly producers: ReadonlyMap<string, ProducerSettings>;
  readonly clock: ClockConfig;
  readonly alerts: AlertConfig | null;
}

export interface OffHoursConfig {
  readonly timezone: string;
  readonly days: readonly Weekday[];
  /** Minutes of the local day: work is from the first, inclusive, to the second, exclusive. */
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly actions: readonly string[];
  readonly actorTypes: readonly string[];
}

export interface ClockConfig {
  /** `host` or `host:port`. */
  readonly servers: readonly string[];
  /** Ask the chrony of this machine. */
  readonly chrony: boolean;
  readonly checkMs: number;
  readonly maxOffsetUs: number;
  readonly refuseUnsynchronised: boolean;
}

export interface AlertConfig {
  readonly url: string;
  readonly secretFile: string;
  readonly minSeverity: Severity;
}

export class WatchConfigError extends Error {
  readonly code = 'invalid-watch-config';

  constructor(message: string) {
    super(message);
    this.name = 'WatchConfigError';
  }
}

/** Reads `watch.json`; a file that does not exist says nothing. Throws WatchConfigError that names the member. */
export async function readWatchConfig(file: string): Promise<WatchConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return watchConfig({});
    throw new WatchConfigError(`${file} cannot be read`);
  }
  try {
    return watchConfig(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof WatchConfigError ? error.message : 'it is not JSON';
    throw new WatchConfigError(`${file}: ${reason}`);
  }
}

/** What the file says, with every missing value in place. Throws WatchConfigError. */
export function watchConfig(file: unknown): WatchConfig {
  if (!Value.Check(WatchFile, file)) {
    const first = Value.Errors(WatchFile, file).First();
    throw new WatchConfigError(`${first?.path === '' ? 'it' : first?.path}: ${first?.message}`);
  }
  const { silence = {}, skew = {}, correlation = {}, mass_export: massExport = {}, privilege = {} } = file;
  const config: WatchConfig = {
    heartbeatMs: (file.heartbeat_seconds ?? 60) * 1_000,
    windowUs: toUs(file.window_seconds ?? 3_600),
    settleUs: (file.sequence?.settle_ms ?? 2_000) * 1_000,
    silence: {
      afterUs: toUs(silence.after_seconds ?? 900),
      learn: silence.learn ?? silence.after_seconds === undefined,
    },
    skew: { limitUs: (skew.limit_ms ?? 2_000) * 1_000, lateAfterUs: toUs(skew.late_after_seconds ?? 86_400) },
    correlation: {
      timeoutUs: toUs(correlation.timeout_seconds ?? 600),
      budget: correlation.budget ?? 3,
      startWords: correlation.start_words ?? ['start', 'started', 'begin', 'attempt', 'request', 'requested', 'entry'],
      outcomeWords: correlation.outcome_words ?? [
        'end',
        'ended',
        'finish',
        'finished',
        'complete',
        'completed',
        'outcome',
      ],
    },
    massExport: {
      actions: massExport.actions ?? ['export.*', '*.export', '*.export.*', '*.download', '*.bulk_read'],
      events: massExport.events ?? 100,
      records: massExport.records ?? 10_000,
      recordMembers: massExport.record_members ?? ['records', 'record_count', 'row_count', 'rows'],
    },
    offHours: offHoursConfig(file.off_hours),
    privilege: {
      actions: privilege.actions ?? [
        'role.grant',
        'role.assign',
        'permission.grant',
        '*.role.grant',
        '*.permission.grant',
      ],
      roles: privilege.roles ?? [
        'admin',
        'administrator',
        'owner',
        'root',
        'superuser',
        'superadmin',
        '*_admin',
        '*-admin',
      ],
    },
    producers: producerSettings(file.producers ?? {}),
    clock: clockConfig(file.clock ?? {}),
    alerts:
      file.alerts === undefined
        ? null
        : {
            url: file.alerts.url,
            secretFile: file.alerts.secret_file,
            minSeverity: file.alerts.min_severity ?? 'high',
          },
  };
  return config;
}

type File = Static<typeof WatchFile>;

function offHoursConfig(file: File['off_hours']): OffHoursConfig | null {
  if (file === undefined) return null;
  try {
    new Intl.DateTimeFormat('en', { timeZone: file.timezone });
  } catch {
    throw new WatchConfigError('/off_hours/timezone: is not the name of a time zone such as Europe/Berlin');
  }
  const [fromMinute, toMinute] = [minuteOf(file.from ?? '07:00'), minuteOf(file.to ?? '20:00')];
  if (fromMinute >= toMinute) throw new WatchConfigError('/off_hours: from must be before to, within one day');
  return {
    timezone: file.timezone,
    days: file.days ?? ['mon', 'tue', 'wed', 'thu', 'fri'],
    fromMinute,
    toMinute,
    actions: file.actions ?? ['*'],
    actorTypes: file.actor_types ?? ['user'],
  };
}

function clockConfig(file: NonNullable<File['clock']>): ClockConfig {
  const clock: ClockConfig = {
    servers: file.servers ?? [],
    chrony: file.chrony ?? false,
    checkMs: (file.check_seconds ?? 300) * 1_000,
    maxOffsetUs: Math.round((file.max_offset_ms ?? 50) * 1_000),
    refuseUnsynchronised: file.refuse_unsynchronised ?? false,
  };
  if (clock.refuseUnsynchronised && clock.servers.length === 0 && !clock.chrony) {
    throw new WatchConfigError(
      '/clock/refuse_unsynchronised: needs servers or chrony, or every event would be refused',
    );
  }
  return clock;
}

function producerSettings(file: NonNullable<File['producers']>): ReadonlyMap<string, ProducerSettings> {
  return new Map(
    Object.entries(file).map(([id, { silent_after_seconds: silent, skew_limit_ms: skew, historic }]) => [
      id,
      {
        ...(silent === undefined ? {} : { silentAfterUs: silent === null ? null : toUs(silent) }),
        ...(skew === undefined ? {} : { skewLimitUs: skew * 1_000 }),
        historic: historic ?? false,
      },
    ]),
  );
}

function minuteOf(text: string): number {
  const [hours = '0', minutes = '0'] = text.split(':');
  return Number(hours) * 60 + Number(minutes);
}

function toUs(value: number): number {
  return Math.round(value * 1_000_000);
}
