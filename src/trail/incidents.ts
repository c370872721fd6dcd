/**
 * What somebody did that was refused, as entries: submissions that were no events, reads beyond a scope, one event id for
 * two contents, names that nobody knows. Whoever causes them must not be able to flood the log, so that each kind and
 * person has a small budget of entries of their own; beyond it they are counted, and one entry a minute says how many.
 *
 * An incident never holds what was refused: codes, places, ids, and the keyed hash of the input.
 */
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isPassing } from './defer.ts';
import type { OwnEvent, Recorder } from './record.ts';
import { formatTimeUs } from './time.ts';

export type IncidentAction =
  | 'countersign.submission.refused'
  | 'countersign.access.refused'
  | 'countersign.security.event-id-conflict'
  | 'countersign.security.identity-unresolved';

export interface Incident {
  readonly action: IncidentAction;
  readonly actor: OwnEvent['actor'];
  /** What was refused, as the problem document says it; counted by it where incidents are summed up. */
  readonly code: string;
  readonly outcome: 'denied' | 'failure';
  readonly target?: { readonly type: string; readonly id: string };
  /** Small, and nothing of what was refused. */
  readonly context: JsonObject;
  /** How many it stands for; the lines of a batch are one incident. */
  readonly count?: number;
}

export interface Incidents {
  /** Durable when it resolves, as long as the budget lasts; counted otherwise, and whenever the log takes no entries. */
  report(incident: Incident): Promise<void>;
  /** Writes what was only counted so far. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface IncidentOptions {
  readonly recorder: Recorder;
  readonly nowMs: () => number;
  readonly limits?: Partial<IncidentLimits>;
  /** Told when a sum cannot be written for another reason than that the log takes no entries. */
  readonly onFailure?: (error: unknown) => void;
}

export interface IncidentLimits {
  /** Entries of their own that a kind and an actor may have at once … */
  readonly burst: number;
  /** … and how long it takes until one more is allowed. */
  readonly refillMs: number;
  /** How often sums are written. */
  readonly sumIntervalMs: number;
  /** Kinds and actors that are told apart; whoever comes later is counted together. */
  readonly maxTracked: number;
}

export const DEFAULT_INCIDENT_LIMITS: IncidentLimits = {
  burst: 20,
  refillMs: 15_000,
  sumIntervalMs: 60_000,
  maxTracked: 1_000,
};

/** Who stands for everybody beyond `maxTracked`. */
const OTHERS: OwnEvent['actor'] = { type: 'system', id: 'countersign' };
/** Different codes that one sum tells apart. */
const MAX_CODES = 20;
const OTHER_CODES = 'other';

interface Track {
  readonly action: IncidentAction;
  readonly actor: OwnEvent['actor'];
  tokens: number;
  refilledAtMs: number;
  sum: Sum | undefined;
}

interface Sum {
  count: number;
  readonly codes: Map<string, number>;
  outcome: Incident['outcome'];
  readonly firstMs: number;
  lastMs: number;
}

export function createIncidents(options: IncidentOptions): Incidents {
  const limits = { ...DEFAULT_INCIDENT_LIMITS, ...options.limits };
  const { recorder, nowMs } = options;
  const tracks = new Map<string, Track>();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function trackOf({ action, actor }: Incident): Track {
    const key = `${action} ${actor.type} ${actor.id}`;
    const known = tracks.get(key);
    if (known !== undefined) return known;
    if (tracks.size >= limits.maxTracked) forgetIdle();
    const isFull = tracks.size >= limits.maxTracked;
    const track: Track = {
      action,
      actor: isFull ? OTHERS : actor,
      tokens: limits.burst,
      refilledAtMs: nowMs(),
      sum: undefined,
    };
    const place = isFull ? `${action} (others)` : key;
    const shared = tracks.get(place);
    if (shared !== undefined) return shared;
    tracks.set(place, track);
    return track;
  }

  /** A budget that is full again tells nothing any more. */
  function forgetIdle(): void {
    for (const [key, track] of tracks) {
      refill(track);
      if (track.sum === undefined && track.tokens === limits.burst) tracks.delete(key);
    }
  }

  function refill(track: Track): void {
    const gained = Math.floor((nowMs() - track.refilledAtMs) / limits.refillMs);
    if (gained <= 0) return;
    track.tokens = Math.min(limits.burst, track.tokens + gained);
    track.refilledAtMs += gained * limits.refillMs;
  }

  function add(track: Track, { code, outcome, count = 1 }: Incident): void {
    const now = nowMs();
    track.sum ??= { count: 0, codes: new Map(), outcome, firstMs: now, lastMs: now };
    const { sum } = track;
    const name = sum.codes.has(code) || sum.codes.size < MAX_CODES ? code : OTHER_CODES;
    sum.count += count;
    sum.codes.set(name, (sum.codes.get(name) ?? 0) + count);
    sum.lastMs = now;
    timer ??= setTimeout(() => {
      timer = undefined;
      flush().catch((error: unknown) => options.onFailure?.(error));
    }, limits.sumIntervalMs).unref();
  }

  /** What cannot be written now is counted on. */
  async function flush(): Promise<void> {
    for (const track of [...tracks.values()]) {
      const { sum } = track;
      if (sum === undefined) continue;
      track.sum = undefined;
      try {
        await recorder.record(sumEvent(track, sum));
      } catch (error) {
        if (!isPassing(error)) throw error;
        for (const [code, count] of sum.codes) {
          add(track, { ...track, code, count, outcome: sum.outcome, context: {} });
        }
        if (closed) return;
      }
    }
  }

  return {
    report: async (incident) => {
      const track = trackOf(incident);
      refill(track);
      if (track.tokens === 0 || track.actor === OTHERS) return add(track, incident);
      track.tokens--;
      try {
        await recorder.record(incidentEvent(incident));
      } catch (error) {
        if (!isPassing(error)) throw error;
        add(track, incident);
      }
    },
    flush,
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await flush();
      clearTimeout(timer);
    },
  };
}

function incidentEvent({ action, actor, code, outcome, target, context, count }: Incident): OwnEvent {
  return {
    action,
    actor,
    ...(target === undefined ? {} : { target }),
    outcome: { result: outcome, code },
    context: { ...context, ...(count === undefined ? {} : { count }) },
  };
}

function sumEvent({ action, actor }: Track, { count, codes, outcome, firstMs, lastMs }: Sum): OwnEvent {
  const byCode: { readonly [code: string]: JsonValue } = Object.fromEntries(codes);
  return {
    action,
    actor,
    outcome: { result: outcome },
    details: `${count} more of these, which have no entries of their own`,
    context: { count, codes: byCode, first_at: formatTimeUs(firstMs * 1000), last_at: formatTimeUs(lastMs * 1000) },
  };
}
