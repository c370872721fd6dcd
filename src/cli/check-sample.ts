/**
 * Whether the log committed to what the auditor asked for. A report proves what follows from its commit, and the log wrote
 * that: only the auditor knows what it was to say.
 */
import { readFile } from 'node:fs/promises';
import { linesOf, parseProvenEvent, RELATED_FILE, SAMPLE_FILE } from '../../proofs/bundle.ts';
import { base64Encode } from '../../proofs/bytes.ts';
import { canonicalJson } from '../../proofs/canonical-json.ts';
import { type BundleFilter, filterJson } from '../../proofs/filter.ts';
import { checkOpenedEvent } from '../../proofs/opened-event.ts';
import { readSampleCommit, type SampleCommit } from '../../proofs/sample-entries.ts';
import { parseSampleReport } from '../../proofs/sample-report.ts';
import { designJson } from '../../proofs/sample-size.ts';
import { readBundleZip } from '../evidence/read-zip.ts';
import { type EventQuery, pairOf, parsePairs, queryOf } from '../trail/query.ts';
import { CliError } from './errors.ts';
import type { SampleFile } from './sample-file.ts';

/** Throws CliError `unexpected-answer` that names the difference. That the report holds is for its verification to say. */
export async function checkAsked({ asked, published = 0 }: SampleFile, reportFile: string): Promise<void> {
  const commit = await readCommit(reportFile);
  const question = questionIn(asked);
  const { fromUs, toUs } = commit.query;
  const same = (what: string, one: unknown, other: unknown): void => {
    if (canonicalJson(jsonOf(one)) !== canonicalJson(jsonOf(other))) throw otherwise(what);
  };
  const { filters, occurred } = commit.query;
  same('question', filterJson({ filters, ...(occurred && { occurred }) }), filterJson(timelessPart(question)));
  same('size', designJson(commit.design), asked['design']);
  same('strata', commit.strata, asked['strata']);
  same('drand round', commit.drandRound, asked['drand_round']);
  same('nonce', base64Encode(commit.nonceHash), asked['nonce_hash']);
  if (asked['delay'] !== undefined) same('delay', commit.delay, asked['delay']);
  same('beginning', fromUs, question.fromUs);
  // Without an end, or with one to come, it ends at the commit: what was published before must be in it.
  if (toUs !== question.toUs && (commit.range.end < published || (toUs ?? 0) > (question.toUs ?? Number.MAX_VALUE))) {
    throw otherwise('end');
  }
}

async function readCommit(file: string): Promise<SampleCommit> {
  const files = readBundleZip(await readFile(file));
  const nothing = new Uint8Array(0);
  const { commit } = parseSampleReport(files.get(SAMPLE_FILE) ?? nothing);
  for (const line of linesOf(files.get(RELATED_FILE) ?? nothing, RELATED_FILE)) {
    const { opened } = parseProvenEvent(line);
    if (opened.index === commit) return readSampleCommit(checkOpenedEvent(opened).event);
  }
  throw otherwise('commit');
}

function questionIn(asked: SampleFile['asked']): EventQuery {
  const text = (name: string): string | undefined => (typeof asked[name] === 'string' ? asked[name] : undefined);
  const [query = '', from, to] = [text('query'), text('from'), text('to')];
  return queryOf([
    ...parsePairs(query),
    ...(from === undefined ? [] : [pairOf('from', from, from, 'from')]),
    ...(to === undefined ? [] : [pairOf('to', to, to, 'to')]),
  ]);
}

function timelessPart({ filters, occurred }: EventQuery): BundleFilter {
  const sorted = [...filters].map(([name, values]) => [name, [...new Set(values)].sort()] as const);
  return { filters: new Map(sorted), ...(occurred !== undefined && { occurred }) };
}

/** What was asked is what was sent: a member that was left out is null. */
function jsonOf(value: unknown): Parameters<typeof canonicalJson>[0] {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}

function otherwise(what: string): CliError {
  return new CliError(
    'unexpected-answer',
    `the log committed to another ${what} than you asked for`,
    'Do not rely on this sample; the commit is an entry and shows it.',
    'With a token whose scope is a range of time, ask for that range with --from and --to.',
  );
}
