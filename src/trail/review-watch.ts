/**
 * Reviews that did not take place (Q7): a finding when one is due and no entry says that it was completed, and again after each
 * further period; another when a review found exceptions. Time is log time, which heartbeats move on.
 */
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import type { Finding } from './finding.ts';
import { COMPLETE_REVIEW, type CompletedReview, completedReview } from './review-entries.ts';
import type { ReviewSchedule } from './review-schedule.ts';
import { formatTimeUs } from './time.ts';
import { type Detector, earlier } from './watch/detector.ts';
import type { Examined } from './watch/examined.ts';
import { integerIn, integerOrNullIn, objectIn } from './watch/state-values.ts';

type Due = Pick<ReviewSchedule, 'name' | 'title' | 'everyUs' | 'sinceUs'>;

/** What is known of one review. */
interface Track {
  dueUs: number;
  /** Index and log time of the last one that was completed. */
  lastIndex: number | null;
  lastTimeUs: number;
}

export function reviewDetector(schedules: readonly Due[]): Detector {
  const tracks = new Map(schedules.map((one) => [one.name, newTrack(one)]));
  return {
    name: 'reviews',
    examine: (event) => {
      if (!event.isOwn || event.action !== COMPLETE_REVIEW) return [];
      const review = completedReview(ownEntryOf(event));
      const schedule = schedules.find(({ name }) => name === review?.name);
      const track = schedule && tracks.get(schedule.name);
      if (review === undefined || schedule === undefined || track === undefined) return [];
      track.dueUs = event.logTimeUs + schedule.everyUs;
      track.lastIndex = event.index;
      track.lastTimeUs = event.logTimeUs;
      return review.exceptions > 0 ? [exceptionsFinding(schedule, review)] : [];
    },
    dueUs: () => [...tracks.values()].reduce<number | null>((due, track) => earlier(due, track.dueUs), null),
    tick: (nowUs) =>
      schedules.flatMap((schedule) => {
        const track = tracks.get(schedule.name);
        if (track === undefined || track.dueUs > nowUs) return [];
        const finding = missedFinding(schedule, track);
        // However long the log was off, one finding says so; the next one is a whole period away.
        track.dueUs += schedule.everyUs * (Math.floor((nowUs - track.dueUs) / schedule.everyUs) + 1);
        return [finding];
      }),
    save: () => Object.fromEntries([...tracks].map(([name, track]): [string, JsonObject] => [name, { ...track }])),
    restore: (state) => {
      const saved = objectIn(state, 'reviews');
      for (const schedule of schedules) {
        const track = saved[schedule.name];
        if (track !== undefined) tracks.set(schedule.name, restored(track));
      }
    },
  };
}

function newTrack({ sinceUs, everyUs }: Due): Track {
  return { dueUs: sinceUs + everyUs, lastIndex: null, lastTimeUs: sinceUs };
}

function restored(state: JsonValue): Track {
  const saved = objectIn(state, 'a review');
  return {
    dueUs: integerIn(saved['dueUs'], 'a time'),
    lastIndex: integerOrNullIn(saved['lastIndex'], 'an index'),
    lastTimeUs: integerIn(saved['lastTimeUs'], 'a time'),
  };
}

function ownEntryOf(event: Examined): Parameters<typeof completedReview>[0] {
  const [target, context] = [event.field('target'), event.field('context')];
  return {
    ...{ index: event.index, logTime: event.logTimeUs, producerId: event.producerId },
    event: { action: event.action, ...(target !== undefined && { target }), ...(context !== undefined && { context }) },
  };
}

function missedFinding({ name, title, everyUs }: Due, track: Track): Finding {
  const days = Math.round(everyUs / 86_400_000_000);
  const since =
    track.lastIndex === null
      ? `none was completed since ${formatTimeUs(track.lastTimeUs)}`
      : `the last one was completed by entry ${track.lastIndex} (${formatTimeUs(track.lastTimeUs)})`;
  return {
    kind: 'review-missed',
    severity: 'high',
    subject: { type: 'review', id: name },
    firstIndex: track.lastIndex ?? 0,
    lastIndex: track.lastIndex ?? 0,
    firstTimeUs: track.lastTimeUs,
    lastTimeUs: track.lastTimeUs,
    count: 1,
    message: `The review "${title}" is due every ${days} days and was due ${formatTimeUs(track.dueUs)}; ${since}.`,
    evidence: { due: formatTimeUs(track.dueUs), every_days: days, last_review: track.lastIndex },
    discriminator: `${track.dueUs}`,
  };
}

function exceptionsFinding({ name, title }: Due, review: CompletedReview): Finding {
  const { index, completedAtUs, exceptions, drawn, sample, report } = review;
  return {
    kind: 'review-exceptions',
    severity: 'medium',
    subject: { type: 'review', id: name },
    firstIndex: index,
    lastIndex: index,
    firstTimeUs: completedAtUs,
    lastTimeUs: completedAtUs,
    count: exceptions,
    message: `The review "${title}" found ${exceptions} exceptions among the ${drawn} events of its sample.`,
    evidence: { exceptions, drawn, sample, report },
  };
}
