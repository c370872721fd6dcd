/**
 * The witness as a client of a log: fetch the head, fetch tiles, post a cosigned checkpoint. Every answer is bounded in
 * time and size, redirects are not followed, and nothing that comes back is trusted.
 */

import { HASH_BYTES } from '../proofs/hash.ts';
import { decodeTile, FULL_TILE_BYTES, formatTilePath, TILE_WIDTH, type TileCoordinates } from '../proofs/tile.ts';
import { messageOf, WitnessError } from './errors.ts';
import { TEXT } from './reply.ts';
import { MAX_REQUEST_BYTES } from './request.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ClientOptions {
  readonly fetch: Fetch;
  readonly timeoutMs: number;
  /** Aborts what is under way when the witness stops. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly etag: string | null;
  readonly body: Uint8Array;
}

/** A head with the signatures of a log and many witnesses fits easily. */
const MAX_HEAD_BYTES = MAX_REQUEST_BYTES;
/** What a log says about a checkpoint that we posted is for a log line only. */
const MAX_ANSWER_BYTES = 16 * 1024;

/** The newest head, or `unchanged` when it is still the one with this entity tag. */
export async function fetchHead(
  options: ClientOptions,
  logUrl: string,
  etag: string | undefined,
): Promise<{ readonly head: Uint8Array; readonly etag: string | undefined } | 'unchanged'> {
  const headers = etag === undefined ? {} : { 'if-none-match': etag };
  const answer = await request(options, `${logUrl}/head`, { headers }, MAX_HEAD_BYTES);
  if (answer.status === 304 && etag !== undefined) return 'unchanged';
  expectOk(answer, `${logUrl}/head`);
  return { head: answer.body, etag: answer.etag ?? undefined };
}

/** A tile, as wide as asked for. A partial tile that is gone is cut from the full one (C2SP tlog-tiles). */
export async function fetchTile(options: ClientOptions, logUrl: string, tile: TileCoordinates): Promise<Uint8Array> {
  const url = `${logUrl}/${formatTilePath(tile)}`;
  const headers = { 'accept-encoding': 'identity' };
  const answer = await request(options, url, { headers }, FULL_TILE_BYTES);
  if (answer.status !== 404 || tile.width === TILE_WIDTH) {
    expectOk(answer, url);
    return answer.body;
  }
  const full = `${logUrl}/${formatTilePath({ ...tile, width: TILE_WIDTH })}`;
  const whole = await request(options, full, { headers }, FULL_TILE_BYTES);
  expectOk(whole, full);
  return whole.body.slice(0, decodeTile(whole.body).length < tile.width ? 0 : tile.width * HASH_BYTES);
}

/** Posts a checkpoint with our lines. Throws `log-answer-invalid` unless the log took it. */
export async function postCosignatures(options: ClientOptions, logUrl: string, note: string): Promise<void> {
  const url = `${logUrl}/cosignatures`;
  const headers = { 'content-type': TEXT };
  expectOk(await request(options, url, { method: 'POST', headers, body: note }, MAX_ANSWER_BYTES), url);
}

/** One request, whatever its status. Throws `log-unreachable`, or `log-answer-invalid` for an answer that is too long. */
export async function request(
  { fetch, timeoutMs, signal }: ClientOptions,
  url: string,
  init: RequestInit,
  maxBytes: number,
): Promise<Answer> {
  const abort = new AbortController();
  const stop = (): void => abort.abort(new Error('the witness is stopping'));
  const timer = setTimeout(() => abort.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    const response = await fetch(url, { ...init, redirect: 'manual', signal: abort.signal });
    const body = await readBody(response, url, maxBytes);
    return { status: response.status, etag: response.headers.get('etag'), body };
  } catch (error) {
    if (error instanceof WitnessError) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause)})` : '';
    throw new WitnessError('log-unreachable', `${url}: ${messageOf(error)}${cause}`, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

async function readBody(response: Response, url: string, maxBytes: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the stream, so a log that never stops talking is cut off here.
  for await (const chunk of response.body) {
    length += chunk.length;
    if (length > maxBytes) throw new WitnessError('log-answer-invalid', `${url}: more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function expectOk({ status }: Answer, url: string): void {
  if (status !== 200) throw new WitnessError('log-answer-invalid', `${url}: status ${status}`);
}
