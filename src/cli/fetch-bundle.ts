/**
 * An evidence bundle from the question to the file: asks for it, shows how far it is, and downloads it; a download that
 * breaks off goes on where it stopped. The file is written beside its place and moved there when it is whole.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parseAnswer, pause, refusal, send, UnavailableError, unexpectedAnswer, withRetries } from './client.ts';
import { CliError, messageOf } from './errors.ts';
import { type Io, oneLine } from './io.ts';
import { startProgress } from './progress.ts';
import type { Target } from './target.ts';

/** What is posted, and where the answer goes. */
export interface BundleRequest {
  /** Below the log (default: `evidence`). */
  readonly path?: string;
  readonly question: Readonly<Record<string, string | number | object | undefined>>;
  /** Id of a bundle that was asked for before: then no question is asked. */
  readonly resume?: string;
  readonly out: string;
  /** How long all of it may take. */
  readonly timeoutMs: number;
}

export interface FetchedBundle {
  readonly file: string;
  readonly mode: string;
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
  readonly matched: number;
  readonly sha256: string;
  readonly seconds: number;
}

/** What is ready at the log. */
type ReadyBundle = Omit<FetchedBundle, 'file' | 'seconds'>;

/** Enough for the largest bundle there is. */
export const BUNDLE_TIMEOUT_MS = 600_000;
const POLL_MS = 150;
/** One request downloads at most this much, so that its time-out means something. */
const PART_BYTES: number = 16 * 1024 * 1024;
const PART_TIMEOUT_MS = 60_000;
const PART_NAME_CHARACTERS = 16;

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

/** Throws CliError where the log refuses, UnavailableError where it stays away. */
export async function fetchBundle(io: Io, target: Target, request: BundleRequest): Promise<FetchedBundle> {
  const { path = 'evidence', question, resume, out, timeoutMs } = request;
  const startedMs = io.nowMs();
  const retry: Retry = (work) =>
    withRetries(io, timeoutMs, work, (error) => io.err(`trying again: ${error.message}\n`));
  const url = `${target.logUrl}/evidence`;
  const id = resume ?? (await ask(io, target, `${target.logUrl}/${path}`, question, retry));
  try {
    const ready = await waitUntilMade(io, target, `${url}/${encodeURIComponent(id)}`, timeoutMs, retry);
    await download(io, target, `${url}/${encodeURIComponent(id)}/bundle.zip`, ready, out, retry);
    return { file: out, ...ready, seconds: Math.round((io.nowMs() - startedMs) / 100) / 10 };
  } catch (error) {
    io.err(`to go on with it: countersign evidence --resume ${oneLine(id)} --out ${oneLine(out)}\n`);
    throw error;
  }
}

async function ask(
  io: Io,
  target: Target,
  url: string,
  question: BundleRequest['question'],
  retry: Retry,
): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(question);
  const answer = await retry(() => send(io, target, url, { method: 'POST', body, headers }));
  return readState(url, answer.text).id;
}

type Retry = <T>(work: () => Promise<T>) => Promise<T>;

async function waitUntilMade(
  io: Io,
  target: Target,
  url: string,
  timeoutMs: number,
  retry: Retry,
): Promise<ReadyBundle> {
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

async function download(
  io: Io,
  target: Target,
  url: string,
  ready: ReadyBundle,
  out: string,
  retry: Retry,
): Promise<void> {
  // The name says of which bundle it is a part: what another one left is never gone on with.
  const partial = `${out}.${ready.sha256.slice(0, PART_NAME_CHARACTERS)}.part`;
  const handle = await open(partial, 'a+', 0o600);
  const digest = createHash('sha256');
  const progress = startProgress(io, 'downloaded', ready.bytes);
  try {
    for (let start = await digestExisting(handle, digest, ready.bytes); start < ready.bytes; ) {
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
  if (digest.digest('hex') !== ready.sha256) {
    await rm(partial, { force: true });
    throw unexpectedAnswer(url, 'the bundle is not what was announced');
  }
  await rename(partial, out);
}

/** How much of the bundle is there already. */
async function digestExisting(handle: FileHandle, digest: Hash, bytes: number): Promise<number> {
  const { size } = await handle.stat();
  if (size > bytes) await handle.truncate(0);
  const there = size > bytes ? 0 : size;
  for (let start = 0; start < there; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(PART_BYTES), 0, PART_BYTES, start);
    if (bytesRead === 0) break;
    digest.update(buffer.subarray(0, bytesRead));
    start += bytesRead;
  }
  return there;
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
    answer = await io.fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(PART_TIMEOUT_MS) });
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
