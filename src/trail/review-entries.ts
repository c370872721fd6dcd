/**
 * The entry of a completed review: who ran it, when, over which sample, and the hash of its report.
 *
 *   countersign.review.complete    target { "type": "review", "id": "privileged-access" }    `context.review`:
 *     { "format": "countersign/review-entry/v1", "definition": "<base64>", "report": "<base64>", "sample": 41,
 *       "seed": "<base64>", "start": 0, "end": 9000, "until": "2026-04-01T00:00:00.000000Z",
 *       "drawn": 41, "exceptions": 1, "result": "exceptions" }
 *
 * `definition` and `report` are SHA-256; `sample` is the index of the sample's commit, `start` and `end` its range, `until` the
 * log time at which that ends and the next review begins.
 */
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isObject, textAt } from '../../proofs/fields.ts';
import type { OwnEntry } from './own-events.ts';
import { REVIEW_RESULTS, type ReviewResult } from './review-report.ts';

export const COMPLETE_REVIEW = 'countersign.review.complete';
const FORMAT = 'countersign/review-entry/v1';

export interface ReviewOutcome {
  /** SHA-256 of the definition and of the report, base64. */
  readonly definition: string;
  readonly report: string;
  /** Index of the sample's commit. */
  readonly sample: number;
  /** Base64. */
  readonly seed: string;
  readonly start: number;
  readonly end: number;
  /** Log time, RFC 3339. */
  readonly until: string;
  readonly drawn: number;
  readonly exceptions: number;
  readonly result: ReviewResult;
}

export interface CompletedReview extends ReviewOutcome {
  readonly name: string;
  readonly index: number;
  /** Log time, in microseconds since the Unix epoch. */
  readonly completedAtUs: number;
  /** Null if it was erased. */
  readonly actorId: string | null;
}

export function reviewContext(outcome: ReviewOutcome): JsonObject {
  return { review: { format: FORMAT, ...outcome } };
}

/** Undefined for an entry whose contents were erased or are of another form. */
export function completedReview({ index, logTime, event }: OwnEntry): CompletedReview | undefined {
  const context = event['context'];
  const json = isObject(context) ? context['review'] : undefined;
  const name = textAt(event, 'target', 'id');
  if (event['action'] !== COMPLETE_REVIEW || name === undefined || !isObject(json) || json['format'] !== FORMAT) {
    return undefined;
  }
  const result = REVIEW_RESULTS.find((one) => one === json['result']);
  const texts = [json['definition'], json['report'], json['seed'], json['until']].filter(isText);
  const [definition, report, seed, until] = texts;
  if (result === undefined || definition === undefined || report === undefined) return undefined;
  if (seed === undefined || until === undefined) return undefined;
  return {
    ...{ name, index, completedAtUs: logTime, actorId: textAt(event, 'actor', 'id') ?? null },
    ...{ definition, report, seed, result, sample: count(json['sample']) },
    ...{ start: count(json['start']), end: count(json['end']), until },
    ...{ drawn: count(json['drawn']), exceptions: count(json['exceptions']) },
  };
}

function count(value: JsonValue | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === 'string';
}
