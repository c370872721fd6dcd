/** `countersign head`: the newest published head in forms that leave the building, and the way back from one of them. */
import path from 'node:path';
import { Command } from 'commander';
import { parsePin } from '../../../proofs/pin.ts';
import { checkCheckpoint, parsePolicy } from '../../../proofs/policy.ts';
import { verifyPin } from '../../../proofs/verify-pin.ts';
import { readCheckpoint } from '../await-checkpoint.ts';
import { CliError } from '../errors.ts';
import { fetchHead } from '../fetch-head.ts';
import { readInput, writeFileAtomic } from '../files.ts';
import { headCode, headText } from '../head-text.ts';
import { type Io, oneLine } from '../io.ts';
import { codePng, codeText } from '../qr-code.ts';
import { addTargetOptions, readPolicyText, resolveTarget, type Target, type TargetOptions } from '../target.ts';

interface HeadOptions extends TargetOptions {
  readonly text?: boolean;
  readonly qr?: boolean;
  readonly png?: string;
  readonly since?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export function headVerb(io: Io): Command {
  return addTargetOptions(
    new Command('head').description(
      'the newest published head to keep elsewhere: an e-mail, a QR code; or --since one',
    ),
    undefined,
  )
    .option('--policy <FILE>', 'trust policy (default: that of the network file)')
    .option('--text', 'a short text for an e-mail (the default)')
    .option('--qr', 'a QR code for the terminal')
    .option('--png <FILE>', 'the QR code as a picture, for the safe')
    .option('--since <PIN>', 'the proof that today extends this kept head, for `verify --pin … --consistency`')
    .option('--out <FILE>', 'with --text or --since: write there instead of printing')
    .option('--json', 'print JSON')
    .action((options: HeadOptions) => head(io, options));
}

async function head(io: Io, options: HeadOptions): Promise<void> {
  const target = await resolveTarget(io, options, undefined);
  const policy = await readPolicyText(io, options);
  if (options.since !== undefined) {
    if (options.text === true || options.qr === true || options.png !== undefined) {
      throw new CliError('usage', '--since is asked for alone');
    }
    return since(io, target, policy.text, options.since, options);
  }
  const parsed = parsePolicy(policy.text);
  const published = await readCheckpoint(io, target, parsed);
  if (published === undefined) {
    throw new CliError('not-found', 'no checkpoint was published yet', `${target.baseUrl}/healthz says why.`);
  }
  const checked = checkCheckpoint(parsed, published.note);
  const code = headCode(checked);
  const text = headText(parsed, checked);
  const wantsText = options.text === true || (options.qr !== true && options.png === undefined);
  if (options.png !== undefined) {
    const file = path.resolve(options.png);
    await writeFileAtomic(file, await codePng(code));
    io.err(`QR code written to ${file}\n`);
  }
  if (options.json === true) {
    const { origin, size } = published;
    io.out(`${JSON.stringify({ origin, size, text, code, checkpoint: published.note })}\n`);
  } else {
    if (wantsText) await print(io, options.out, text);
    if (options.qr === true) io.out(`${await codeText(code)}\n${code}\n`);
  }
}

/** Fetches, checks and writes; a proof that does not hold is not written, because it would only be sent around. */
async function since(io: Io, target: Target, policy: string, file: string, options: HeadOptions): Promise<void> {
  const kept = await readInput(file, 'the kept head');
  const { checkpoint, update } = await fetchHead(io, target, parsePin(kept));
  const verdict = verifyPin({ pin: kept, policy, update, checkpoint });
  if (verdict.verdict !== 'PASS' || update === undefined) {
    throw new CliError(
      'refused',
      `today's head does not extend the kept one: ${oneLine(verdict.reason)}`,
      'Keep both: the message, and the checkpoint that `countersign checkpoint` prints. Show them to the witnesses.',
    );
  }
  const { size } = verdict.checkpoint?.checkpoint ?? {};
  if (options.json === true) io.out(`${JSON.stringify({ from: verdict.pin?.size, to: size, consistency: update })}\n`);
  else await print(io, options.out, update);
  io.err(`proves that the ${verdict.pin?.size} entries of the kept head are the first of ${size}\n`);
}

async function print(io: Io, out: string | undefined, text: string): Promise<void> {
  if (out === undefined) {
    io.out(text);
    return;
  }
  const file = path.resolve(out);
  await writeFileAtomic(file, text);
  io.err(`written to ${file}\n`);
}
