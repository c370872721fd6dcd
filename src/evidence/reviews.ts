/**
 * Periodic reviews on the side of the log: what the schedule asks for, and the entries that say what was done. An auditor runs a
 * review over a sample (samples.ts) and makes the report; here it becomes an entry, once it is held against the schedule.
 */
import { base64Encode } from '../../proofs/bytes.ts';
import type { Log } from '../log/types.ts';
import type { Principal } from '../trail/access.ts';
import { followOwnEvents } from '../trail/own-events.ts';
import { COMPLETE_REVIEW, type CompletedReview, completedReview, reviewContext } from '../trail/review-entries.ts';
import type { ReviewResult } from '../trail/review-report.ts';
import { isSampleOf, type ReviewSchedule } from '../trail/review-schedule.ts';
import { formatTimeUs } from '../trail/time.ts';
import { type Trail, tokenActor } from '../trail/trail.ts';
import { EvidenceError } from './error.ts';
import type { Samples } from './samples.ts';
import { seedInLog } from './write-sample.ts';

/** What whoever ran a review says came of it. */
export interface FinishedReview {
  /** SHA-256 of the definition and of the report, base64. */
  readonly definition: string;
  readonly report: string;
  /** Index of the sample's commit. */
  readonly sample: number;
  readonly drawn: number;
  readonly exceptions: number;
  readonly result: ReviewResult;
}

export interface Reviews {
  readonly schedules: readonly ReviewSchedule[];
  /** Those of a review, or all of them, oldest first. */
  completed(name?: string): readonly CompletedReview[];
  /** Durable when it resolves; the same report again is answered with its first entry. Throws EvidenceError or LogError. */
  complete(name: string, finished: FinishedReview, who: Principal): Promise<CompletedReview>;
  close(): void;
}

export interface ReviewsOptions {
  readonly log: Log;
  readonly trail: Pick<Trail, 'recorder'>;
  readonly samples: Samples;
  readonly schedules: readonly ReviewSchedule[];
}

export async function openReviews({ log, trail, samples, schedules }: ReviewsOptions): Promise<Reviews> {
  const all: CompletedReview[] = [];
  const stop = await followOwnEvents(log, [COMPLETE_REVIEW], (entry) => {
    const review = completedReview(entry);
    if (review !== undefined) all.push(review);
  });
  const completed = (name?: string) => all.filter((review) => name === undefined || review.name === name);
  return {
    schedules,
    completed,
    complete: async (name, finished, who) => {
      const known = completed(name).find(({ report }) => report === finished.report);
      if (known !== undefined) return known;
      const schedule = scheduleOf(schedules, name);
      if (schedule.digest !== finished.definition) {
        throw new EvidenceError(
          'review-mismatch',
          `The review ${name} is defined otherwise here: take its definition.`,
        );
      }
      const { index: commitIndex, commit, reveal } = samples.find(finished.sample, who);
      if (reveal === null) throw new EvidenceError('sample-not-revealed', 'The sample of the review was not drawn.');
      if (!isSampleOf(schedule, commit)) {
        throw new EvidenceError('review-mismatch', `The sample of entry ${commitIndex} is not one of this review.`);
      }
      const before = completed(name).at(-1);
      if (commit.range.start > (before?.end ?? 0)) {
        const detail = `The sample begins at index ${commit.range.start}, and the review before it ended at ${before?.end ?? 0}.`;
        throw new EvidenceError('review-mismatch', `${detail} What lies between would never be reviewed.`);
      }
      const until = formatTimeUs(commit.query.toUs ?? 0);
      const seed = await seedInLog(log, { commitIndex, commit, reveal: reveal.opened });
      const { index } = await trail.recorder.record({
        action: COMPLETE_REVIEW,
        actor: tokenActor(who),
        target: { type: 'review', id: name },
        outcome: { result: 'success' },
        context: reviewContext({ ...finished, ...commit.range, until, seed: base64Encode(seed) }),
      });
      const recorded = all.find((review) => review.index === index);
      if (recorded === undefined) throw new Error('a completed review was recorded and cannot be read');
      return recorded;
    },
    close: stop,
  };
}

function scheduleOf(schedules: readonly ReviewSchedule[], name: string): ReviewSchedule {
  const schedule = schedules.find((one) => one.name === name);
  if (schedule !== undefined) return schedule;
  throw new EvidenceError('unknown-review', `reviews.json of this log has no review ${name}.`);
}
