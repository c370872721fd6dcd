/**
 * `countersign verify`: events against their receipts and a pinned policy, with no network. PASS only if every event
 * that was named was checked in full and holds.
 */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { parsePolicy } from '../../../proofs/policy.ts';
import { LIMITS } from '../../../proofs/claims.ts';
import { createEventVerifier, type Verdict } from '../../../proofs/verify-event.ts';
import { CliError, EXIT, type ExitCode, messageOf, systemCode } from '../errors.ts';
import { type EvidencePair, findPairs } from '../evidence-files.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { startProgress } from '../progress.ts';
import { addNetworkOption, readPolicyText, type TargetOptions } from '../target.ts';

interface VerifyOptions extends TargetOptions {
  readonly proof?: string;
  readonly json?: boolean;
}

/** What is said about one pair of files. */
interface PairReport {
  readonly event: string;
  readonly verdict: Verdict['verdict'];
  readonly reason: string;
  readonly index?: number;
  readonly failure?: { readonly code: string; readonly index?: number; readonly field?: string };
  readonly claims: Verdict['claims'];
  readonly notes: Verdict['notes'];
  readonly checkpoint_size?: number;
  readonly witnesses?: readonly string[];
}

const EXIT_OF: Readonly<Record<Verdict['verdict'], ExitCode>> = {
  PASS: EXIT.done,
  FAIL: EXIT.failed,
  INCOMPLETE: EXIT.incomplete,
};

/** From here on only what is not PASS is told in detail. */
const MAX_DETAILED_REPORTS = 3;

export function verifyVerb(io: Io): Command {
  return addNetworkOption(
    new Command('verify')
      .description('verify events offline, against their receipts and the policy that you pinned')
      .argument(
        '<EVENT.json|DIR...>',
        'opened events; of a directory, every one in it. Beside X.json stands X.tlog-proof',
      ),
  )
    .option('--proof <FILE>', 'receipt of the one event, if it does not stand beside it')
    .option('--policy <FILE>', 'trust policy: whose signatures count (default: that of the network file)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 PASS, 1 FAIL, 2 INCOMPLETE (something was missing; nothing checked is no PASS).\n',
    )
    .action((names: readonly string[], options: VerifyOptions) => verify(io, names, options));
}

async function verify(io: Io, names: readonly string[], options: VerifyOptions): Promise<void> {
  const policy = await readPolicyText(io, options);
  // A policy that is none is our own mistake, and no fault of the events.
  parsePolicy(policy.text);
  const pairs = await findPairs(names, options.proof);
  const progress = startProgress(io, 'verified', pairs.length);
  const judge = createEventVerifier(policy.text);
  const reports: PairReport[] = [];
  try {
    for (const pair of pairs) {
      reports.push(await verifyPair(pair, judge));
      progress.update(reports.length);
    }
  } finally {
    progress.stop();
  }
  const verdict = overall(reports);
  const count = (which: Verdict['verdict']): number => reports.filter((report) => report.verdict === which).length;
  const totals = { passed: count('PASS'), failed: count('FAIL'), incomplete: count('INCOMPLETE') };
  const result = { verdict, ...totals, policy: policy.file, results: reports, limits: LIMITS };
  printResult(io, options.json, result, [
    ...reports.flatMap((report) => describeReport(report, reports.length <= MAX_DETAILED_REPORTS)),
    reports.length === 0
      ? 'INCOMPLETE: there is no event to verify'
      : `${verdict}: ${totals.passed} passed, ${totals.failed} failed, ${totals.incomplete} incomplete`,
    `Trusted: ${policy.file}`,
    'What no verification can say:',
    ...LIMITS.map((limit) => `  ${limit}`),
  ]);
  io.exitWith(EXIT_OF[verdict]);
}

async function verifyPair(
  { event, receipt }: EvidencePair,
  judge: ReturnType<typeof createEventVerifier>,
): Promise<PairReport> {
  const opened = await readIfThere(event);
  const tlogProof = await readIfThere(receipt);
  if (opened === undefined) return missingReport(event, `there is no ${event} beside its receipt`);
  return reportOf(event, judge({ opened, tlogProof }));
}

function reportOf(event: string, verdict: Verdict): PairReport {
  const { index, failure, checkpoint, claims, notes } = verdict;
  return {
    event,
    verdict: verdict.verdict,
    reason: verdict.reason,
    ...(index === undefined ? {} : { index }),
    ...(failure === undefined ? {} : { failure: { code: failure.code, ...place(failure.details) } }),
    claims,
    notes,
    ...(checkpoint === undefined
      ? {}
      : {
          checkpoint_size: checkpoint.checkpoint.size,
          witnesses: checkpoint.witnesses.map(({ name }) => name),
        }),
  };
}

function missingReport(event: string, reason: string): PairReport {
  return { event, verdict: 'INCOMPLETE', reason, claims: [], notes: [] };
}

function place(details: Readonly<Record<string, string | number>>): { index?: number; field?: string } {
  const { index, field } = details;
  return { ...(typeof index === 'number' ? { index } : {}), ...(typeof field === 'string' ? { field } : {}) };
}

function overall(reports: readonly PairReport[]): Verdict['verdict'] {
  if (reports.some(({ verdict }) => verdict === 'FAIL')) return 'FAIL';
  return reports.length > 0 && reports.every(({ verdict }) => verdict === 'PASS') ? 'PASS' : 'INCOMPLETE';
}

function describeReport(report: PairReport, inDetail: boolean): readonly string[] {
  if (report.verdict === 'PASS' && !inDetail) return [];
  const { index, failure } = report;
  const where = [
    ...(index === undefined ? [] : [`index ${index}`]),
    ...(failure?.field === undefined ? [] : [`field ${oneLine(JSON.stringify(failure.field))}`]),
  ];
  const head = `${report.verdict}  ${report.event}${where.length === 0 ? '' : `  (${where.join(', ')})`}`;
  if (report.claims.length === 0) return [head, `  ${oneLine(report.reason)}`];
  return [
    head,
    ...report.claims.map(({ claim, result, detail }) => `  ${result.padEnd(10)} ${claim}: ${oneLine(detail)}`),
    ...report.notes.map((note) => `  note       ${oneLine(note)}`),
  ];
}

async function readIfThere(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  }
}
