/**
 * Which reviews are due, how often, over what, and what is checked: `reviews.json` in the directory of a log.
 *
 *   { "reviews": [ { "name": "privileged-access", "title": "Privileged access", "every_days": 90, "since": "2026-01-01",
 *       "query": "class:access", "sample": { "rate_bp": 500 }, "strata": "action",
 *       "checks": [ { "name": "grants-have-a-ticket", "when": "action:role.grant", "has": ["authorization.ticket"] } ] } ] }
 *
 * `sample` is a design of proofs/sample-size.ts; the checks are those of review-checks.ts. The first review is due
 * `every_days` after `since`, the others so long after the one before. docs/reviews.md is for people.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { canonicalJson, type JsonObject } from '../../proofs/canonical-json.ts';
import { ProofError } from '../../proofs/errors.ts';
import { BUNDLE_FILTER_NAMES, type BundleFilter, type BundleFilterName, filterJson } from '../../proofs/filter.ts';
import { isStratum, type SampleCommit } from '../../proofs/sample-entries.ts';
import { designJson, readDesign, type SampleDesign } from '../../proofs/sample-size.ts';
import { parseTimeUs } from '../events/time.ts';
import { QueryError } from './query.ts';
import { CheckDocument, type ReviewCheck, readCheck, timelessFilter } from './review-checks.ts';

const MAX_REVIEWS = 100;
const MAX_CHECKS = 100;
const MAX_DAYS = 3_660;
const DAY_US = 86_400_000_000;

export const ReviewDefinition = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$', description: 'Names the review, in entries too.' }),
    title: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    every_days: Type.Integer({ minimum: 1, maximum: MAX_DAYS }),
    since: Type.String({ description: 'A day; the first review is due every_days after it.' }),
    query: Type.Optional(Type.String({ maxLength: 8_000, description: 'As in a search, without times.' })),
    sample: Type.Object({}, { additionalProperties: true, description: 'As `design` of a sample.' }),
    strata: Type.Optional(Type.String()),
    checks: Type.Array(CheckDocument, { minItems: 1, maxItems: MAX_CHECKS }),
  },
  { $id: 'ReviewDefinition', additionalProperties: false },
);

const ReviewsFile = Type.Object(
  { reviews: Type.Array(ReviewDefinition, { maxItems: MAX_REVIEWS }) },
  { additionalProperties: false },
);

/** One review as it was defined. */
export interface ReviewSchedule {
  readonly name: string;
  readonly title: string;
  readonly everyUs: number;
  readonly sinceUs: number;
  /** Without a time. */
  readonly query: BundleFilter;
  readonly queryText: string;
  readonly design: SampleDesign;
  readonly strata: BundleFilterName | null;
  readonly checks: readonly ReviewCheck[];
  /** As it stands in the file. */
  readonly definition: JsonObject;
  /** SHA-256 of the definition's RFC 8785 text, base64. */
  readonly digest: string;
}

export class ReviewScheduleError extends Error {
  readonly code = 'invalid-review-schedule';

  constructor(message: string) {
    super(message);
    this.name = 'ReviewScheduleError';
  }
}

/** Reads `reviews.json`; a file that does not exist says nothing. Throws ReviewScheduleError that names the fault. */
export async function readReviewSchedules(file: string): Promise<readonly ReviewSchedule[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new ReviewScheduleError(`${file} cannot be read`);
  }
  try {
    return reviewSchedules(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof ReviewScheduleError ? error.message : 'it is not JSON';
    throw new ReviewScheduleError(`${file}: ${reason}`);
  }
}

/** Throws ReviewScheduleError. */
export function reviewSchedules(file: unknown): readonly ReviewSchedule[] {
  if (!Value.Check(ReviewsFile, file)) {
    const first = Value.Errors(ReviewsFile, file).First();
    throw new ReviewScheduleError(`${first?.path === '' ? 'it' : first?.path}: ${first?.message}`);
  }
  const schedules = file.reviews.map(reviewSchedule);
  const twice = schedules.find(({ name }, i) => schedules.findIndex((other) => other.name === name) !== i);
  if (twice !== undefined) throw new ReviewScheduleError(`two reviews are called ${twice.name}`);
  return schedules;
}

/** One review from its definition. Throws ReviewScheduleError. */
export function reviewSchedule(definition: Static<typeof ReviewDefinition>): ReviewSchedule {
  const { name, title = name, every_days: days, since, query: queryText = '', sample, strata, checks } = definition;
  const invalid = (what: string): ReviewScheduleError => new ReviewScheduleError(`review ${name}: ${what}`);
  const sinceUs = /^\d{4}-\d{2}-\d{2}$/.test(since) ? parseTimeUs(`${since}T00:00:00Z`) : undefined;
  if (sinceUs === undefined) throw invalid('since is no day such as 2026-01-01');
  const stratum = BUNDLE_FILTER_NAMES.find((one) => one === strata);
  if (strata !== undefined && (stratum === undefined || !isStratum(stratum))) throw invalid('strata is no member');
  // What was parsed from JSON and checked against the schema is a JSON object.
  const json = definition as JsonObject;
  try {
    return {
      ...{ name, title, everyUs: days * DAY_US, sinceUs, queryText, strata: stratum ?? null, definition: json },
      query: timelessFilter(queryText),
      design: readDesign(sample as JsonObject),
      checks: uniqueChecks(checks.map(readCheck)),
      digest: createHash('sha256').update(canonicalJson(json)).digest('base64'),
    };
  } catch (error) {
    if (error instanceof ProofError || error instanceof QueryError || error instanceof RangeError) {
      throw invalid(error.message);
    }
    throw error;
  }
}

/** Whether a sample was drawn as the review says, from whatever time. */
export function isSampleOf(
  { query, design, strata }: Pick<ReviewSchedule, 'query' | 'design' | 'strata'>,
  commit: Pick<SampleCommit, 'query' | 'design' | 'strata'>,
): boolean {
  const { filters, occurred } = commit.query;
  const asText = (filter: BundleFilter): string => canonicalJson(filterJson(filter));
  return (
    asText({ filters, ...(occurred !== undefined && { occurred }) }) === asText(query) &&
    canonicalJson(designJson(commit.design)) === canonicalJson(designJson(design)) &&
    commit.strata === strata
  );
}

function uniqueChecks(checks: readonly ReviewCheck[]): readonly ReviewCheck[] {
  const names = new Set(checks.map(({ name }) => name));
  if (names.size !== checks.length) throw new RangeError('two checks have one name');
  return checks;
}
