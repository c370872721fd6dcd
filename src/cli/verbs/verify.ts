/**
 * `countersign verify`: evidence against a pinned policy, with no network. PASS only if every file that was named was
 * checked in full and holds.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { base64Decode } from '../../../proofs/bytes.ts';
import { LIMITS } from '../../../proofs/claims.ts';
import { checkPublicKey } from '../../../proofs/ed25519.ts';
import { type FileReport, overallVerdict } from '../../../proofs/judge-file.ts';
import { parsePolicy } from '../../../proofs/policy.ts';
import { parseTimeUs } from '../../events/time.ts';
import { parseCount } from '../arguments.ts';
import { CliError, messageOf } from '../errors.ts';
import { findPairs } from '../evidence-files.ts';
import { type Io, printResult } from '../io.ts';
import { startProgress } from '../progress.ts';
import { MAX_REPORTED_EVENTS, reportHtml } from '../report-html.ts';
import { addTargetOptions, readPolicyText, type TargetOptions } from '../target.ts';
import { DEFAULT_SHOWN_EVENTS, EXIT_OF, reportLines } from '../tell-evidence.ts';
import { type AnsweredReport, createFileVerifier, type PinnedFiles } from '../verify-files.ts';
import { keptHeadReport, verifyKeptHead } from '../verify-kept-head.ts';

interface VerifyOptions extends TargetOptions {
  readonly proof?: string;
  readonly pin?: string;
  readonly consistency?: string;
  readonly at?: string;
  readonly producerKey?: string;
  readonly report?: string;
  readonly show: number;
  readonly json?: boolean;
}

/** From here on only what is not PASS is told in detail. */
const MAX_DETAILED_REPORTS = 3;

export function verifyVerb(io: Io): Command {
  return addTargetOptions(
    new Command('verify')
      .description('verify evidence offline, against the policy that you pinned')
      .argument(
        '[FILE|DIR...]',
        'evidence bundles (zip), opened events (beside X.json stands X.tlog-proof), receipts, checkpoints, fork proofs; of a directory, every event in it',
      ),
    undefined,
  )
    .option('--proof <FILE>', 'receipt of the one event, if it does not stand beside it')
    .option('--policy <FILE>', 'trust policy: whose signatures count (default: that of the network file)')
    .option('--pin <HEAD>', 'a head that you kept (e-mail, QR code, checkpoint): the evidence must extend it')
    .option(
      '--consistency <FILE>',
      "with --pin alone: what `head --since` made; or name --network or --url to hold the head against today's log",
    )
    .option('--at <TIME>', 'RFC 3339: count only what the witnesses had signed by then')
    .option(
      '--producer-key <BASE64>',
      'for opened events that their producer signed: its public key (bundles bring theirs)',
    )
    .option('--report <FILE.html>', 'also write a report to print')
    .option('--show <N>', `events to print (default: ${DEFAULT_SHOWN_EVENTS})`, parseCount, DEFAULT_SHOWN_EVENTS)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 PASS, 1 FAIL, 2 INCOMPLETE (something was missing; nothing checked is no PASS).\n',
    )
    .action((names: readonly string[], options: VerifyOptions) => verify(io, names, options));
}

async function verify(io: Io, names: readonly string[], options: VerifyOptions): Promise<void> {
  const policy = await readPolicyText(io, options);
  // A policy that is none is our own mistake, and no fault of the evidence.
  parsePolicy(policy.text);
  if (names.length > 0 && options.consistency !== undefined) {
    throw new CliError('usage', '--consistency is for a kept head alone', 'Verify the evidence in a run of its own.');
  }
  const kept = names.length === 0 ? await verifyKeptHead(io, options, policy.text) : undefined;
  const pairs = names.length === 0 ? [] : await findPairs(names, options.proof);
  const inDetail = pairs.length <= MAX_DETAILED_REPORTS;
  const maxEvents = Math.max(inDetail ? options.show : 0, options.report === undefined ? 0 : MAX_REPORTED_EVENTS);
  const judge = createFileVerifier({ policyText: policy.text, ...(await readPinned(options)) }, maxEvents);
  const progress = startProgress(io, 'verified', pairs.length);
  const reports: AnsweredReport[] = kept === undefined ? [] : [keptHeadReport(options.pin ?? '', kept)];
  try {
    for (const pair of pairs) {
      reports.push(await judge(pair));
      progress.update(reports.length);
    }
  } finally {
    progress.stop();
  }
  const verdict = overallVerdict(reports);
  if (options.report !== undefined) {
    const policySha256 = createHash('sha256').update(policy.text).digest('hex');
    const madeAt = new Date(io.nowMs()).toISOString();
    const html = reportHtml({ verdict, reports, policyFile: policy.file, policySha256, madeAt });
    await writeFile(options.report, html);
  }
  const count = (which: FileReport['verdict']): number => reports.filter((report) => report.verdict === which).length;
  const totals = { passed: count('PASS'), failed: count('FAIL'), incomplete: count('INCOMPLETE') };
  const result = { verdict, ...totals, policy: policy.file, results: reports.map(resultJson), limits: LIMITS };
  printResult(io, options.json, result, [
    ...reports.flatMap((report) => reportLines(report, inDetail ? options.show : undefined)),
    reports.length === 0
      ? 'INCOMPLETE: there is no event to verify'
      : `${verdict}: ${totals.passed} passed, ${totals.failed} failed, ${totals.incomplete} incomplete`,
    `Trusted: ${policy.file}`,
    'What no verification can say:',
    ...LIMITS.map((limit) => `  ${limit}`),
  ]);
  io.exitWith(EXIT_OF[verdict]);
}

/** `event` is the older name of `file`, which programs may read. */
function resultJson({ file, ...rest }: AnsweredReport): object {
  return { event: file, file, ...rest };
}

async function readPinned({ pin, at, producerKey }: VerifyOptions): Promise<Omit<PinnedFiles, 'policyText'>> {
  const timeUs = at === undefined ? undefined : parseTimeUs(at);
  if (at !== undefined && timeUs === undefined) {
    throw new CliError('usage', `"${at}" is not an RFC 3339 time with a zone`, 'Write it like 2026-03-31T23:59:59Z.');
  }
  return {
    ...(pin !== undefined && { pin: await readPin(pin) }),
    ...(timeUs !== undefined && { at: Math.floor(timeUs / 1_000_000) }),
    ...(producerKey !== undefined && { producerKey: readPublicKey(producerKey) }),
  };
}

function readPublicKey(text: string): Uint8Array {
  try {
    return checkPublicKey(base64Decode(text));
  } catch (error) {
    throw new CliError('usage', `--producer-key is no Ed25519 public key in base64: ${messageOf(error)}`);
  }
}

async function readPin(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  }
}
