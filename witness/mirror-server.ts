/**
 * The one place where the mirror is HTTP.
 *
 *     POST /add-checkpoint   POST /add-entries   POST /sign-subtree                    C2SP tlog-mirror, submission
 *     GET /<origin hash>/checkpoint   GET /<origin hash>/tile/…                        C2SP tlog-tiles, monitoring
 *     GET /   GET /healthz   GET /metrics                                              for the operator
 */
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createGunzip, gzip } from 'node:zlib';
import { type Context, Hono } from 'hono';
import { ProofError } from '../proofs/errors.ts';
import { messageOf } from './errors.ts';
import type { Mirror } from './mirror.ts';
import { type Reply, TEXT } from './reply.ts';
import {
  type ListenOptions,
  PUBLIC_HEADERS,
  readBounded,
  respond,
  serveApp,
  TOO_LONG,
  type WitnessServer,
} from './server.ts';

const compress = promisify(gzip);
/** Entries are mostly hashes: more effort finds nothing more. */
const GZIP_LEVEL = 1;
/** An upload may be long; each of its packages has a time-out of its own. */
const REQUEST_TIMEOUT_MS = 15 * 60 * 1_000;
/** What is read of an upload that was refused before its end, so that the client gets to see the answer. */
const MAX_DISCARDED_BYTES = 16 * 1024 * 1024;
const DISCARD_MS = 5_000;
/** Compressions that an upload may use; sent with every answer to one. */
const ACCEPTED = { 'accept-encoding': 'gzip, identity' };

const IMMUTABLE_HEADERS = {
  'content-type': 'application/octet-stream',
  'cache-control': 'public, max-age=31536000, immutable',
  'access-control-allow-origin': '*',
};

export function createMirrorApp(mirror: Mirror): Hono {
  const app = new Hono();
  const answerTo = async (request: Request, handle: (body: Uint8Array) => Promise<Reply>): Promise<Response> => {
    const body = await readBounded(request);
    return respond(body === 'too-long' ? TOO_LONG : await handle(body));
  };
  app.post('/add-checkpoint', (c) => answerTo(c.req.raw, mirror.addCheckpoint));
  app.post('/sign-subtree', (c) => answerTo(c.req.raw, mirror.signSubtree));
  app.post('/add-entries', (c) => upload(mirror, c.req.raw));
  for (const path of ['/add-checkpoint', '/sign-subtree', '/add-entries']) {
    app.all(path, (c) => c.text('use POST\n', 405, { allow: 'POST' }));
  }
  app.get('/:hash{[0-9a-f]{64}}/checkpoint', async (c) =>
    respond(await mirror.checkpoint(c.req.param('hash')), PUBLIC_HEADERS),
  );
  app.get('/:hash{[0-9a-f]{64}}/tile/*', (c) => serveResource(mirror, c));
  app.get('/', (c) => c.text([mirror.name, ...mirror.vkeys, ''].join('\n')));
  app.get('/healthz', async (c) => {
    const health = await mirror.health();
    return c.json(health, health.healthy ? 200 : 503);
  });
  app.get('/metrics', async (c) =>
    c.body(await mirror.metricsText(), 200, { 'content-type': mirror.metricsContentType }),
  );
  app.notFound((c) => c.text('there is nothing here\n', 404));
  app.onError((_, c) => c.text('the mirror failed\n', 500));
  return app;
}

/** Serves the mirror. Throws `config-invalid` when the address cannot be had. */
export function serveMirror(mirror: Mirror, listen: ListenOptions): Promise<WitnessServer> {
  return serveApp(createMirrorApp(mirror), listen, REQUEST_TIMEOUT_MS);
}

async function upload(mirror: Mirror, request: Request): Promise<Response> {
  const coding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity';
  const raw = bytesOf(request);
  const body = coding === 'gzip' ? unzip(raw) : coding === 'identity' ? raw : undefined;
  const unknown: Reply = { status: 400, contentType: TEXT, body: 'the content coding is not gzip or identity\n' };
  const reply = body === undefined ? unknown : await mirror.addEntries(body);
  await Promise.race([discard(raw), pause(DISCARD_MS, undefined, { ref: false })]);
  const response = respond(reply);
  for (const [name, value] of Object.entries(ACCEPTED)) response.headers.set(name, value);
  return response;
}

async function* bytesOf(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body !== null) for await (const chunk of request.body) yield chunk;
}

/** A stream that is no gzip ends with an error, which is an upload that ended early. */
function unzip(raw: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const unzipped = createGunzip();
  const source = Readable.from(raw, { objectMode: false });
  source.once('error', (error) => unzipped.destroy(error));
  unzipped.once('close', () => source.destroy());
  return source.pipe(unzipped);
}

/** Reads on for a while: a connection that is cut while the client still writes loses it the answer. */
async function discard(raw: AsyncIterable<Uint8Array>): Promise<void> {
  let length = 0;
  try {
    for await (const chunk of raw) {
      length += chunk.length;
      if (length > MAX_DISCARDED_BYTES) return;
    }
  } catch {
    // The client went away, and will not read the answer either.
  }
}

async function serveResource(mirror: Mirror, c: Context): Promise<Response> {
  // The raw path: another spelling of the same tile would be a second name for a cache to keep.
  const path = c.req.url.slice(c.req.url.indexOf('/', c.req.url.indexOf('//') + 2));
  const [, hash = '', ...rest] = path.split('/');
  let bytes: Uint8Array | undefined;
  try {
    bytes = await mirror.resource(hash, rest.join('/'));
  } catch (error) {
    if (!(error instanceof ProofError)) return c.text(`the copy is damaged: ${messageOf(error)}\n`, 500);
  }
  if (bytes === undefined) return c.text('no such tile\n', 404);
  const isBundle = rest[1] === 'entries';
  const headers = isBundle ? { ...IMMUTABLE_HEADERS, vary: 'accept-encoding' } : IMMUTABLE_HEADERS;
  if (!isBundle || !/\bgzip\b/i.test(c.req.header('accept-encoding') ?? '')) {
    return new Response(Buffer.from(bytes), { headers });
  }
  const compressed = await compress(bytes, { level: GZIP_LEVEL });
  return new Response(compressed, { headers: { ...headers, 'content-encoding': 'gzip' } });
}
