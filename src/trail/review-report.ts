/**
 * The report of a review: what its checks come to over the events of a sample. RFC 8785 JSON, made of the definition and the
 * sample's report and nothing else, so that whoever has both makes the same bytes; their hash is in the entry.
 *
 *   { "format": "countersign/review/v1", "origin": "log.example/audit", "review": "privileged-access",
 *     "definition": { as in reviews.json }, "sample": { "commit": 41, "reveal": 44, "seed": "<base64>",
 *       "sha256": "<base64 of the zip's>", "verdict": "PASS", "population": 812, "drawn": 41, "start": 0, "end": 9000 },
 *     "checks": [ { "name": "…", "about": 12, "passed": 11, "failed": [17], "cannot": [] } ],
 *     "result": "exceptions" }
 *
 * `result` is `incomplete` if the sample is, or a check could not be made; otherwise `exceptions` if one failed, or `clean`.
 */
import { createHash } from 'node:crypto';
import { base64Encode } from '../../proofs/bytes.ts';
import { canonicalJson, type JsonObject } from '../../proofs/canonical-json.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { CheckedEvent } from '../../proofs/opened-event.ts';
import { COMMIT_SAMPLE, readSampleCommit, type SampleCommit } from '../../proofs/sample-entries.ts';
import { parseSampleReport } from '../../proofs/sample-report.ts';
import { verifyBundle } from '../../proofs/verify-bundle.ts';
import type { CheckResult, ReviewCheck } from './review-checks.ts';
import { evaluateCheck } from './review-checks.ts';
import { isSampleOf, type ReviewSchedule } from './review-schedule.ts';

export const REVIEW_RESULTS = ['clean', 'exceptions', 'incomplete'] as const;

export type ReviewResult = (typeof REVIEW_RESULTS)[number];

export interface ReviewReport {
  readonly text: string;
  /** SHA-256 of the text, base64. */
  readonly sha256: string;
  readonly result: ReviewResult;
  /** Events that failed a check, each counted once. */
  readonly exceptions: number;
  readonly drawn: number;
  /** Index of the sample's commit. */
  readonly sample: number;
  readonly checks: readonly CheckTotals[];
}

export interface CheckTotals {
  readonly name: string;
  readonly title: string;
  readonly about: number;
  readonly passed: number;
  readonly failed: readonly number[];
  readonly cannot: readonly number[];
}

export interface ReviewInput {
  readonly schedule: ReviewSchedule;
  /** The sample's report, and its files. */
  readonly zip: Uint8Array;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly policy: string;
}

/** Throws ProofError `sample-mismatch` for a sample that does not verify, or that is not one of this review. */
export function reviewSample({ schedule, zip, files, policy }: ReviewInput): ReviewReport {
  const totals = schedule.checks.map((check) => ({ check, results: new Map<number, CheckResult>() }));
  const commits = new Map<number, SampleCommit>();
  const verdict = verifyBundle({
    ...{ files, policy },
    onRelated: ({ index, event }) => {
      if (event['action'] === COMMIT_SAMPLE) commits.set(index, readSampleCommit(event));
    },
    onEvent: (event) => {
      for (const { check, results } of totals) results.set(event.index, evaluateCheck(check, filtered(event)));
    },
  });
  const { manifest } = verdict;
  if (verdict.verdict === 'FAIL' || manifest?.mode !== 'sample') {
    throw new ProofError('sample-mismatch', `the sample does not verify: ${verdict.reason}`);
  }
  const { commit, reveal, seed, strata } = parseSampleReport(files.get('sample.json') ?? new Uint8Array(0));
  const asked = commits.get(commit);
  if (asked === undefined || !isSampleOf(schedule, asked)) {
    throw new ProofError('sample-mismatch', `the sample is not one of the review ${schedule.name}`);
  }
  const checks = totals.map(({ check, results }) => totalsOf(check, results));
  const drawn = strata.reduce((sum, stratum) => sum + stratum.drawn.length, 0);
  const isWhole = verdict.verdict === 'PASS' && checks.every(({ cannot }) => cannot.length === 0);
  const exceptions = new Set(checks.flatMap(({ failed }) => failed)).size;
  const result = !isWhole ? 'incomplete' : exceptions > 0 ? 'exceptions' : 'clean';
  const json: JsonObject = {
    ...{ format: 'countersign/review/v1', origin: manifest.origin, review: schedule.name, result },
    definition: schedule.definition,
    sample: {
      ...{ commit, reveal, seed: base64Encode(seed), verdict: verdict.verdict, drawn },
      ...{ population: manifest.counts.matched, start: manifest.range.start, end: manifest.range.end },
      sha256: createHash('sha256').update(zip).digest('base64'),
    },
    checks: checks.map(({ title: _, ...rest }) => rest),
  };
  const text = `${canonicalJson(json)}\n`;
  const sha256 = createHash('sha256').update(text).digest('base64');
  return { text, sha256, result, exceptions, drawn, sample: commit, checks };
}

function filtered({ entry, card, fields, contentsLost }: CheckedEvent): Parameters<typeof evaluateCheck>[1] {
  return { producerId: entry.producerId, card, fields, ...(contentsLost && { contentsLost }) };
}

function totalsOf({ name, title }: ReviewCheck, results: ReadonlyMap<number, CheckResult>): CheckTotals {
  const of = (wanted: CheckResult): number[] => [...results].flatMap(([index, one]) => (one === wanted ? [index] : []));
  const [passed, failed, cannot] = [of('passed').length, of('failed'), of('cannot')];
  return { name, title, about: passed + failed.length + cannot.length, passed, failed, cannot };
}
