/**
 * `countersign review`: the periodic reviews of a log (docs/reviews.md). `run` draws the sample that is due, makes the report,
 * and has its hash recorded; `verify` makes the same report again from the same files, with nothing running.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command } from 'commander';
import { drandRoundAt, drandRoundSeconds } from '../../../proofs/drand.ts';
import { parsePolicy } from '../../../proofs/policy.ts';
import { readBundleZip } from '../../evidence/read-zip.ts';
import { type ReviewReport, type ReviewResult, reviewSample } from '../../trail/review-report.ts';
import {
  ReviewDefinition,
  type ReviewSchedule,
  ReviewScheduleError,
  reviewSchedule,
} from '../../trail/review-schedule.ts';
import { parseTimeoutMs } from '../arguments.ts';
import { parseAnswer, pause, postJson, send, unexpectedAnswer } from '../client.ts';
import { commitSample, drawSample } from '../draw-sample.ts';
import { CliError, EXIT, type ExitCode, messageOf } from '../errors.ts';
import { BUNDLE_TIMEOUT_MS } from '../fetch-bundle.ts';
import { makeDirectory } from '../files.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { addTargetOptions, readPolicyText, resolveTarget, type Target, type TargetOptions } from '../target.ts';

interface ListOptions extends TargetOptions {
  readonly json?: boolean;
}

interface RunOptions extends ListOptions {
  readonly out: string;
  readonly drand?: string;
  readonly timeout: number;
}

const Completed = Type.Object({
  index: Type.Integer(),
  completed_at: Type.String(),
  by: Type.Union([Type.String(), Type.Null()]),
  result: Type.String(),
  sample: Type.Integer(),
  seed: Type.String(),
  report: Type.String(),
  drawn: Type.Integer(),
  exceptions: Type.Integer(),
  start: Type.Integer(),
  end: Type.Integer(),
  until: Type.String(),
});
const ReviewRow = Type.Object({
  definition: ReviewDefinition,
  digest: Type.String(),
  due: Type.String(),
  completed: Type.Array(Completed),
});
const ListAnswer = Type.Object({ reviews: Type.Array(ReviewRow) });
const RecordedAnswer = Type.Object({ index: Type.Integer() });
type ReviewRow = Static<typeof ReviewRow>;

const RETRY_MS = 30_000;
/** How far ahead a round is named, and how long after its time it is asked for. */
const DRAND_LEAD_SECONDS = 12;
const DRAND_LAG_MS = 1_000;
const EXIT_OF: Readonly<Record<ReviewResult, ExitCode>> = {
  clean: EXIT.done,
  exceptions: EXIT.failed,
  incomplete: EXIT.incomplete,
};

export function reviewVerb(io: Io): Command {
  const review = new Command('review').description('periodic reviews of random samples: run one, list, show, verify');
  review.addCommand(
    addTargetOptions(
      new Command('run').description('draw the sample that is due, check it, and record the report').argument('<NAME>'),
      'auditor',
    )
      .requiredOption('--out <DIR>', 'new directory for the sample, its report and the report of the review')
      .option('--policy <FILE>', 'trust policy (default: that of the network file)')
      .option('--drand <URL>', 'mix in a drand round from this server')
      .option('--timeout <SECONDS>', 'how long it may take (default: 600)', parseTimeoutMs, BUNDLE_TIMEOUT_MS)
      .option('--json', 'print JSON')
      .action((name: string, options: RunOptions) => run(io, name, options)),
  );
  review.addCommand(
    addTargetOptions(new Command('list').description('which reviews there are, and when they are due'), 'auditor')
      .option('--json', 'print JSON')
      .action((options: ListOptions) => list(io, options)),
  );
  review.addCommand(
    addTargetOptions(
      new Command('show').description('one review: its checks, and every time it was completed'),
      'auditor',
    )
      .argument('<NAME>')
      .option('--json', 'print JSON')
      .action((name: string, options: ListOptions) => show(io, name, options)),
  );
  review.addCommand(
    new Command('verify')
      .description('make the report again from its sample, offline, and compare')
      .argument('<REPORT.json>')
      .argument('<SAMPLE.zip>')
      .requiredOption('--policy <FILE>', 'the trust policy that you pinned')
      .option('--json', 'print JSON')
      .action((report: string, sample: string, options: ListOptions) => verify(io, report, sample, options)),
  );
  return review;
}

async function run(io: Io, name: string, options: RunOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const { text: policyText } = await readPolicyText(io, options);
  parsePolicy(policyText);
  const row = rowOf(await fetchReviews(io, target), name);
  const schedule = scheduleOf(row.definition);
  const { out, drand, timeout: timeoutMs } = options;
  await makeDirectory(out);
  const [file, zipFile, reportFile] = [`${out}/sample.json`, `${out}/sample.zip`, `${out}/review.json`];
  const { query, sample: design, strata } = row.definition;
  // From where the review before it ended; the first one is of everything.
  const from = row.completed.at(-1)?.until;
  const round = drand === undefined ? undefined : drandRoundAt(io.nowMs() / 1000 + DRAND_LEAD_SECONDS);
  await commitSample(io, target, file, { query, from, design, strata, drand_round: round });
  if (round !== undefined) await pause(drandRoundSeconds(round) * 1000 - io.nowMs() + DRAND_LAG_MS);
  await drawSample(io, target, { file, out: zipFile, policyText, drand, timeoutMs });
  const report = await makeReport(schedule, zipFile, policyText);
  await writeFile(reportFile, report.text);
  const { sha256, sample, drawn, exceptions, result } = report;
  const body = { definition: schedule.digest, report: sha256, sample, drawn, exceptions, result };
  const recorded = await record(io, target, name, body);
  printResult(io, options.json, { ...body, index: recorded.index, directory: out }, [
    ...describe(schedule, report),
    `Entry ${recorded.index} says so, with the hash of ${reportFile}: ${sha256}`,
    `The same without the log: countersign review verify ${reportFile} ${zipFile} --policy POLICY.txt`,
  ]);
  io.exitWith(EXIT_OF[result]);
}

async function list(io: Io, options: ListOptions): Promise<void> {
  const rows = await fetchReviews(io, await resolveTarget(io, options, 'auditor'));
  const now = new Date(io.nowMs()).toISOString();
  printResult(
    io,
    options.json,
    { reviews: rows },
    rows.map(({ definition, due, completed }) => {
      const last = completed.at(-1);
      const state = last === undefined ? 'never completed' : `last ${last.completed_at}: ${last.result}`;
      return `${definition.name}  due ${due}${due < now ? ' OVERDUE' : ''}  ${oneLine(state)}`;
    }),
  );
}

async function show(io: Io, name: string, options: ListOptions): Promise<void> {
  const row = rowOf(await fetchReviews(io, await resolveTarget(io, options, 'auditor')), name);
  const { definition, due, digest, completed } = row;
  printResult(io, options.json, row, [
    `${definition.name}: ${oneLine(definition.title ?? definition.name)}, every ${definition.every_days} days, due ${due}`,
    `  question    ${oneLine(definition.query ?? '') || 'every event'}`,
    ...definition.checks.map((check) => `  check       ${oneLine(JSON.stringify(check))}`),
    `  definition  ${digest}`,
    ...completed.flatMap((one) => [
      `  entry ${one.index}, ${one.completed_at}, by ${oneLine(one.by ?? 'erased')}: ${one.result}, ${one.exceptions} exceptions`,
      `    sample ${one.sample}, ${one.drawn} events of [${one.start}, ${one.end}), seed ${oneLine(one.seed)}`,
      `    report ${oneLine(one.report)}`,
    ]),
  ]);
}

async function verify(io: Io, reportFile: string, sampleFile: string, options: ListOptions): Promise<void> {
  const { text: policyText } = await readPolicyText(io, options);
  parsePolicy(policyText);
  const given = await readFile(reportFile, 'utf8').catch((error: unknown) => {
    throw new CliError('unreadable-input', `cannot read ${reportFile}: ${messageOf(error)}`);
  });
  const definition: unknown = definitionIn(given);
  if (!Value.Check(ReviewDefinition, definition)) {
    throw new CliError('unreadable-input', `${reportFile} is not the report of a review`);
  }
  const report = await makeReport(scheduleOf(definition), sampleFile, policyText);
  const isSame = report.text === given;
  const verdict = isSame ? 'PASS' : 'FAIL';
  printResult(io, options.json, { verdict, result: report.result, report: report.sha256 }, [
    ...describe(scheduleOf(definition), report),
    isSame
      ? `PASS: the report is what follows from the sample. Its hash, to be compared with the entry: ${report.sha256}`
      : 'FAIL: another report follows from the sample',
  ]);
  io.exitWith(isSame ? EXIT.done : EXIT.failed);
}

function definitionIn(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'definition' in value ? value.definition : undefined;
  } catch {
    return undefined;
  }
}

async function makeReport(schedule: ReviewSchedule, zipFile: string, policy: string): Promise<ReviewReport> {
  const zip = await readFile(zipFile).catch((error: unknown) => {
    throw new CliError('unreadable-input', `cannot read ${zipFile}: ${messageOf(error)}`);
  });
  return reviewSample({ schedule, zip, files: readBundleZip(zip), policy });
}

function scheduleOf(definition: Static<typeof ReviewDefinition>): ReviewSchedule {
  try {
    return reviewSchedule(definition);
  } catch (error) {
    if (!(error instanceof ReviewScheduleError)) throw error;
    throw new CliError('unreadable-input', error.message, 'docs/reviews.md says what a review may hold.');
  }
}

function describe(schedule: ReviewSchedule, { checks, result, drawn, exceptions }: ReviewReport): readonly string[] {
  return [
    `${schedule.name}: ${result}, ${drawn} events drawn, ${exceptions} of them with exceptions`,
    ...checks.map(({ name, about, passed, failed, cannot }) => {
      const which = failed.length === 0 ? '' : `: ${failed.slice(0, MAX_NAMED).join(', ')}`;
      const hidden = cannot.length === 0 ? '' : `, ${cannot.length} cannot be checked`;
      return `  ${failed.length === 0 ? 'ok    ' : 'FAILED'}  ${name}: ${about} events, ${passed} hold, ${failed.length} do not${which}${hidden}`;
    }),
  ];
}

const MAX_NAMED = 20;

async function fetchReviews(io: Io, target: Target): Promise<readonly ReviewRow[]> {
  const url = `${target.logUrl}/reviews`;
  const answer = parseAnswer(url, (await send(io, target, url)).text);
  if (Value.Check(ListAnswer, answer)) return answer.reviews;
  throw unexpectedAnswer(url, 'it is not a list of reviews');
}

function rowOf(rows: readonly ReviewRow[], name: string): ReviewRow {
  const row = rows.find(({ definition }) => definition.name === name);
  if (row !== undefined) return row;
  throw new CliError('not-found', `the log has no review ${oneLine(name)}`, '`countersign review list` shows them.');
}

function record(io: Io, target: Target, name: string, body: object): Promise<Static<typeof RecordedAnswer>> {
  const options = { schema: RecordedAnswer, what: 'a completed review', timeoutMs: RETRY_MS };
  return postJson(io, target, `reviews/${encodeURIComponent(name)}`, body, options);
}
