/**
 * Off-hours access (S6): people who act outside the hours that the configuration states, in its time zone. Judged by
 * `occurred_at`, when it happened; what arrived more than a day late is history and not judged.
 */
import type { Finding } from '../finding.ts';
import type { OffHoursConfig, Weekday } from './config.ts';
import type { Detector } from './detector.ts';
import { Episodes, type Report } from './episodes.ts';
import { type Examined, principalOf } from './examined.ts';
import { matcher } from './patterns.ts';
import { subjectOfKey } from './privilege.ts';

const MAX_PRINCIPALS = 10_000;
const DAY_US = 86_400_000_000;
/** Time zones change their offset at multiples of this. */
const QUARTER_US = 900_000_000;
const MINUTE_US = 60_000_000;
const QUARTERS_REMEMBERED = 1_000;

export interface OffHoursDetectorConfig {
  readonly offHours: OffHoursConfig;
  readonly windowUs: number;
}

export function offHoursDetector({ offHours, windowUs }: OffHoursDetectorConfig): Detector {
  const isWatched = matcher(offHours.actions);
  const isOff = offHoursJudge(offHours);
  const episodes = new Episodes({ windowUs, maxEpisodes: MAX_PRINCIPALS, reportFirst: true });
  const toFinding = (report: Report): Finding => offHoursFinding(report, offHours);
  return {
    name: 'off-hours',
    examine: (event) => {
      if (event.isOwn || !isWatched(event.action)) return [];
      const timeUs = judgedTimeUs(event);
      if (timeUs === null || !isOff(timeUs)) return [];
      const principal = principalOf(event);
      if (principal === undefined || !offHours.actorTypes.includes(principal.type)) return [];
      return episodes.note(principal.key, event).map(toFinding);
    },
    dueUs: () => episodes.dueUs,
    tick: (nowUs) => episodes.tick(nowUs).map(toFinding),
    save: () => episodes.save(),
    restore: (state) => episodes.restore(state),
  };
}

function judgedTimeUs({ occurredAtUs, logTimeUs }: Examined): number | null {
  return occurredAtUs !== null && Math.abs(logTimeUs - occurredAtUs) <= DAY_US ? occurredAtUs : null;
}

/** Whether a time lies outside the hours. */
export function offHoursJudge(config: OffHoursConfig): (timeUs: number) => boolean {
  const localQuarter = localQuarters(config.timezone);
  return (timeUs) => {
    const { day, minute } = localQuarter(Math.floor(timeUs / QUARTER_US));
    const now = minute + Math.floor((timeUs % QUARTER_US) / MINUTE_US);
    return !config.days.includes(day) || now < config.fromMinute || now >= config.toMinute;
  };
}

interface LocalTime {
  readonly day: Weekday;
  readonly minute: number;
}

const WEEKDAY_NAMES: Readonly<Record<string, Weekday>> = {
  Mon: 'mon',
  Tue: 'tue',
  Wed: 'wed',
  Thu: 'thu',
  Fri: 'fri',
  Sat: 'sat',
  Sun: 'sun',
};

/** Weekday and minute at which a quarter of an hour begins locally; remembered, because formatting a date is slow. */
function localQuarters(timeZone: string): (quarter: number) => LocalTime {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const known = new Map<number, LocalTime>();
  return (quarter) => {
    const remembered = known.get(quarter);
    if (remembered !== undefined) return remembered;
    const parts = new Map(format.formatToParts((quarter * QUARTER_US) / 1000).map(({ type, value }) => [type, value]));
    const day = WEEKDAY_NAMES[parts.get('weekday') ?? ''];
    if (day === undefined) throw new Error('Intl.DateTimeFormat gave no weekday');
    const local = { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) };
    if (known.size >= QUARTERS_REMEMBERED) known.clear();
    known.set(quarter, local);
    return local;
  };
}

function offHoursFinding(report: Report, { timezone }: OffHoursConfig): Finding {
  const { key, isFirst, firstIndex, lastIndex, firstTimeUs, lastTimeUs, count } = report;
  return {
    kind: 'off-hours-access',
    severity: 'medium',
    subject: subjectOfKey(key),
    firstIndex,
    lastIndex,
    firstTimeUs,
    lastTimeUs,
    count,
    message: isFirst
      ? `Entry ${firstIndex} happened outside the working hours (${timezone}).`
      : `${count} more entries of the same principal happened outside the working hours (${timezone}).`,
    evidence: { timezone },
    discriminator: key,
  };
}
