/**
 * `countersign evidence`: asks for an evidence bundle, shows how far it is, and downloads it; a download that breaks off
 * goes on where it stopped. The file is written beside its place and moved there when it is whole.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command, Option } from 'commander';
import { parseCheckpoint } from '../../../proofs/checkpoint.ts';
import { parseTimeoutMs } from '../arguments.ts';
import { parseAnswer, pause, refusal, send, UnavailableError, unexpectedAnswer, withRetries } from '../client.ts';
import { CliError, messageOf } from '../errors.ts';
import { type Io, printResult } from '../io.ts';
import { startProgress } from '../progress.ts';
import { addTargetOptions, resolveTarget, type Target, type TargetOptions } from '../target.ts';

interface EvidenceOptions extends TargetOptions {
  readonly query: string;
  readonly from?: string;
  readonly to?: string;
  readonly mode?: string;
  readonly pin?: string;
  readonly out: string;
  readonly timeout: number;
  readonly json?: boolean;
}

const DEFAULT_TIMEOUT_MS = 600_000;
const POLL_MS = 150;
/** One request downloads at most this much, so that its time-out means something. */
const PART_BYTES = 16 * 1024 * 1024;

const StateAnswer = Type.Object({
  id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
  state: Type.String(),
  mode: Type.String(),
  start: Type.Integer(),
  end: Type.Integer(),
  done: Type.Optional(Type.Integer()),
  total: Type.Optional(Type.Integer()),
  bytes: Type.Optional(Type.Integer()),
  sha256: Type.Optional(Type.String()),
  matched: Type.Optional(Type.Integer()),
  problem: Type.Optional(Type.String()),
  detail: Type.Optional(Type.String()),
});

export function evidenceVerb(io: Io): Command {
  return addTargetOptions(
    new Command('evidence').description(
      'fetch an evidence bundle that answers a question completely, to be verified offline',
    ),
    'auditor',
  )
    .option('--query <TEXT>', 'the question: action:role.* actor:u_8842 outcome:denied (default: every event)', '')
    .option('--from <TIME>', 'log time: a date, or an RFC 3339 time')
    .option('--to <TIME>', 'log time: a date (included), or an RFC 3339 time (excluded)')
    .addOption(
      new Option('--mode <MODE>', 'complete proves that nothing is left out').choices(['complete', 'selected']),
    )
    .option('--pin <HEAD>', 'a checkpoint that you hold: the bundle proves that the log extends it')
    .requiredOption('--out <FILE>', 'where the bundle goes (zip)')
    .option('--timeout <SECONDS>', 'how long it may take (default: 600)', parseTimeoutMs, DEFAULT_TIMEOUT_MS)
    .option('--json', 'print JSON')
    .action((options: EvidenceOptions) => fetchBundle(io, options));
}

async function fetchBundle(io: Io, options: EvidenceOptions): Promise<void> {
  const startedMs = io.nowMs();
  const target = await resolveTarget(io, options, 'auditor');
  const pinned = options.pin === undefined ? undefined : await pinnedSize(options.pin);
  const retry = <T>(work: () => Promise<T>): Promise<T> =>
    withRetries(io, options.timeout, work, (error) => io.err(`trying again: ${error.message}\n`));
  const body = JSON.stringify({
    query: options.query,
    ...(options.from !== undefined && { from: options.from }),
    ...(options.to !== undefined && { to: options.to }),
    ...(options.mode !== undefined && { mode: options.mode }),
    ...(pinned !== undefined && { pinned_size: pinned }),
  });
  const url = `${target.logUrl}/evidence`;
  const headers = { 'content-type': 'application/json' };
  const asked = readState(url, (await retry(() => send(io, target, url, { method: 'POST', body, headers }))).text);
  const ready = await waitUntilMade(io, target, `${url}/${asked.id}`, options.timeout, retry);
  await download(io, target, `${url}/${asked.id}/bundle.zip`, ready, options.out, retry);
  const { mode, start, end, bytes, matched, sha256 } = ready;
  const seconds = Math.round((io.nowMs() - startedMs) / 100) / 10;
  printResult(io, options.json, { file: options.out, mode, start, end, matched, bytes, sha256, seconds }, [
    `${options.out}: ${mode}, ${end - start} events in the range, ${matched} match; ${bytes} bytes in ${seconds} s`,
    `Verify it with: countersign verify ${options.out} --policy POLICY.txt`,
  ]);
}

interface Ready {
  readonly mode: string;
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
  readonly matched: number;
  readonly sha256: string;
}

type Retry = <T>(work: () => Promise<T>) => Promise<T>;

async function waitUntilMade(io: Io, target: Target, url: string, timeoutMs: number, retry: Retry): Promise<Ready> {
  const deadlineMs = io.nowMs() + timeoutMs;
  let progress: ReturnType<typeof startProgress> | undefined;
  try {
    for (;;) {
      const state = readState(url, (await retry(() => send(io, target, url))).text);
      const { mode, start, end, done = 0, total = 0, bytes, matched, sha256, detail } = state;
      if (state.state === 'failed') throw new CliError('refused', `the bundle could not be made: ${detail ?? ''}`);
      if (state.state === 'ready' && bytes !== undefined && matched !== undefined && sha256 !== undefined) {
        return { mode, start, end, bytes, matched, sha256 };
      }
      progress ??= startProgress(io, 'examined', total);
      if (done === 0) progress.waiting(0, 'waiting for the witnesses');
      else progress.update(done);
      if (io.nowMs() > deadlineMs)
        throw new CliError('timed-out', `${url} was not made in time`, 'Ask again with --timeout.');
      await pause(POLL_MS);
    }
  } finally {
    progress?.stop();
  }
}

async function download(io: Io, target: Target, url: string, ready: Ready, out: string, retry: Retry): Promise<void> {
  const partial = `${out}.part`;
  await rm(partial, { force: true });
  const handle = await open(partial, 'wx', 0o600);
  const digest = createHash('sha256');
  const progress = startProgress(io, 'downloaded', ready.bytes);
  try {
    for (let start = 0; start < ready.bytes; ) {
      const end = Math.min(start + PART_BYTES, ready.bytes);
      const part = await retry(() => fetchPart(io, target, url, start, end, ready.sha256));
      await handle.writeFile(part);
      digest.update(part);
      start += part.length;
      progress.update(start);
    }
  } finally {
    progress.stop();
    await handle.close();
  }
  if (digest.digest('hex') !== ready.sha256) throw unexpectedAnswer(url, 'the bundle is not what was announced');
  await rename(partial, out);
}

async function fetchPart(
  io: Io,
  target: Target,
  url: string,
  start: number,
  end: number,
  etag: string,
): Promise<Uint8Array> {
  const headers = {
    ...(target.token === undefined ? {} : { authorization: `Bearer ${target.token}` }),
    range: `bytes=${start}-${end - 1}`,
    'if-range': `"${etag}"`,
  };
  let answer: Response;
  let body: Uint8Array;
  try {
    answer = await io.fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(60_000) });
    body = new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    throw new UnavailableError(`no answer from ${url}: ${messageOf(error)}`, undefined);
  }
  if (answer.status !== 206) {
    throw refusal(url, { status: answer.status, headers: answer.headers, text: Buffer.from(body).toString('utf8') });
  }
  if (body.length === 0 || body.length > end - start) throw unexpectedAnswer(url, 'it is another part than asked for');
  return body;
}

function readState(url: string, text: string) {
  const state = parseAnswer(url, text);
  if (Value.Check(StateAnswer, state)) return state;
  throw unexpectedAnswer(url, 'it is not the state of a bundle');
}

async function pinnedSize(file: string): Promise<number> {
  try {
    return parseCheckpoint(await readFile(file)).checkpoint.size;
  } catch (error) {
    throw new CliError('unreadable-input', `${file} is no checkpoint: ${messageOf(error)}`);
  }
}
