/**
 * Skew (T2): how far `occurred_at`, the producer's claim, is from log time. Beyond the limit it is a finding; the event
 * stays as it is. Ahead of the log an event can only be by a wrong clock. Behind it, by a wrong clock or because it took
 * long to arrive: the finding says how many events of the same producer were in time, which tells the two apart.
 *
 * What is older than a day on arrival is late, not skewed: an import or a spool that was emptied. That is said once a
 * window, as low; of a producer that the configuration calls historic, never.
 */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import type { Finding } from '../finding.ts';
import type { WatchConfig } from './config.ts';
import { type Detector, earlier } from './detector.ts';
import { Episodes, type Report } from './episodes.ts';
import { objectIn } from './state-values.ts';

const MAX_PRODUCERS = 10_000;

export type SkewConfig = Pick<WatchConfig, 'skew' | 'producers' | 'windowUs'>;

export function skewDetector({ skew, producers, windowUs }: SkewConfig): Detector {
  const ahead = new Episodes({ windowUs, maxEpisodes: MAX_PRODUCERS, reportFirst: true });
  const behind = new Episodes({ windowUs, maxEpisodes: MAX_PRODUCERS, reportFirst: true });
  const late = new Episodes({ windowUs, maxEpisodes: MAX_PRODUCERS, reportFirst: false });
  return {
    name: 'skew',
    examine: (event) => {
      const { producerId, occurredAtUs, logTimeUs } = event;
      const settings = producers.get(producerId);
      if (event.isOwn || occurredAtUs === null || settings?.historic === true) return [];
      const skewUs = occurredAtUs - logTimeUs;
      const limitUs = settings?.skewLimitUs ?? skew.limitUs;
      if (skewUs > limitUs) return ahead.note(producerId, event, skewUs).map(skewFinding);
      if (skewUs < -skew.lateAfterUs) return late.note(producerId, event, skewUs).map(lateFinding);
      if (skewUs < -limitUs) return behind.note(producerId, event, skewUs).map(skewFinding);
      ahead.pass(producerId);
      behind.pass(producerId);
      return [];
    },
    dueUs: () => earlier(ahead.dueUs, earlier(behind.dueUs, late.dueUs)),
    tick: (nowUs) => [
      ...ahead.tick(nowUs).map(skewFinding),
      ...behind.tick(nowUs).map(skewFinding),
      ...late.tick(nowUs).map(lateFinding),
    ],
    save: () => ({ ahead: ahead.save(), behind: behind.save(), late: late.save() }),
    restore: (state: JsonValue) => {
      const saved = objectIn(state, 'skew');
      ahead.restore(saved['ahead'] ?? null);
      behind.restore(saved['behind'] ?? null);
      late.restore(saved['late'] ?? null);
    },
  };
}

function skewFinding(report: Report): Finding {
  const { isFirst, count, least, most, othersCount } = report;
  const isAhead = most > 0;
  const [nearestUs, farthestUs] = isAhead ? [least, most] : [-most, -least];
  const direction = isAhead ? 'ahead of' : 'behind';
  const cause = isAhead ? 'Its clock is wrong.' : 'Its clock is wrong, or its events take long to arrive.';
  const message = isFirst
    ? `An event of this producer claims a time ${secondsText(farthestUs)} s ${direction} the log's. ${cause}`
    : `${count} more events of this producer claim times ${secondsText(nearestUs)} to ${secondsText(farthestUs)} s ` +
      `${direction} the log's; ${othersCount} were within the limit. ${cause}`;
  return {
    ...findingHead(report),
    kind: 'occurred-at-skew',
    severity: 'medium',
    message,
    evidence: {
      direction: isAhead ? 'ahead' : 'behind',
      least_ms: Math.round(nearestUs / 1000),
      most_ms: Math.round(farthestUs / 1000),
      within_limit_count: othersCount,
    },
    discriminator: direction,
  };
}

function lateFinding(report: Report): Finding {
  const { count, least, most } = report;
  return {
    ...findingHead(report),
    kind: 'late-delivery',
    severity: 'low',
    message:
      `${count} events of this producer happened ${hoursText(-most)} to ${hoursText(-least)} hours before they were ` +
      'submitted. An import, or events that waited for long.',
    evidence: { least_hours: hours(-most), most_hours: hours(-least) },
  };
}

function findingHead({ key, firstIndex, lastIndex, firstTimeUs, lastTimeUs, count }: Report) {
  return { subject: { type: 'producer', id: key }, firstIndex, lastIndex, firstTimeUs, lastTimeUs, count };
}

function secondsText(us: number): string {
  return (us / 1_000_000).toFixed(us < 60_000_000 ? 1 : 0);
}

function hours(us: number): number {
  return Math.round(us / 3_600_000_000);
}

function hoursText(us: number): string {
  return `${hours(us)}`;
}
