/**
 * The one place where the witness is HTTP: paths to handlers, replies to responses, bodies and connections bounded.
 *
 *     POST /add-checkpoint   POST /sign-subtree   GET /<origin hash>/checkpoint      C2SP tlog-witness
 *     GET /                  name and keys        GET /healthz   GET /metrics         for the operator
 */
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { messageOf, WitnessError } from './errors.ts';
import { type Reply, TEXT } from './reply.ts';
import { MAX_REQUEST_BYTES } from './request.ts';
import type { Witness } from './witness.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export interface WitnessServer {
  readonly url: string;
  /** Takes no new connection, lets requests finish for a bounded time, then cuts what is left. */
  readonly close: () => Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const DRAIN_MS = 5_000;
const MAX_DISCARDED_BYTES = 1024 * 1024;
export const TOO_LONG: Reply = { status: 413, contentType: TEXT, body: 'the request is too long\n' };
/** Each may hold a body of the largest size. */
const MAX_CONNECTIONS = 1_024;

/** Monitors in a browser may read what is public; a head is not worth keeping in a cache. */
export const PUBLIC_HEADERS = { 'cache-control': 'no-cache', 'access-control-allow-origin': '*' };

export function createWitnessApp(witness: Witness): Hono {
  const app = new Hono();
  const answerTo = async (request: Request, handle: (body: Uint8Array) => Promise<Reply>): Promise<Response> => {
    const body = await readBounded(request);
    return respond(body === 'too-long' ? TOO_LONG : await handle(body));
  };
  app.post('/add-checkpoint', (c) => answerTo(c.req.raw, witness.addCheckpoint));
  app.post('/sign-subtree', (c) => answerTo(c.req.raw, witness.signSubtree));
  app.get('/:hash{[0-9a-f]{64}}/checkpoint', async (c) =>
    respond(await witness.monitoredCheckpoint(c.req.param('hash')), PUBLIC_HEADERS),
  );
  app.get('/', (c) => c.text([witness.name, ...witness.vkeys, ''].join('\n')));
  app.get('/healthz', async (c) => {
    const health = await witness.health();
    return c.json(health, health.healthy ? 200 : 503);
  });
  app.get('/metrics', async (c) =>
    c.body(await witness.metrics.text(), 200, { 'content-type': witness.metrics.contentType }),
  );
  for (const path of ['/add-checkpoint', '/sign-subtree']) {
    app.all(path, (c) => c.text('use POST\n', 405, { allow: 'POST' }));
  }
  app.notFound((c) => c.text('there is nothing here\n', 404));
  app.onError((_, c) => c.text('the witness failed\n', 500));
  return app;
}

/** Serves the witness. Throws `config-invalid` when the address cannot be had. */
export function serveWitness(witness: Witness, listen: ListenOptions): Promise<WitnessServer> {
  return serveApp(createWitnessApp(witness), listen, REQUEST_TIMEOUT_MS);
}

/** Serves an application of this folder. `requestTimeoutMs` is for a whole request, its body included. */
export async function serveApp(
  app: Hono,
  { host, port }: ListenOptions,
  requestTimeoutMs: number,
): Promise<WitnessServer> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: requestTimeoutMs },
  });
  if ('maxConnections' in server) server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new WitnessError('config-invalid', `cannot listen on ${host}:${port}: ${messageOf(error)}`)),
    );
    server.listen(port, host, resolve);
  });
  return {
    url: urlOf(server.address(), host),
    close: () =>
      new Promise((resolve) => {
        const cut = setTimeout(() => {
          if ('closeAllConnections' in server) server.closeAllConnections();
        }, DRAIN_MS);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        if ('closeIdleConnections' in server) server.closeIdleConnections();
      }),
  };
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  if (address === null || typeof address === 'string') throw new WitnessError('config-invalid', 'no address');
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

/**
 * The whole body, or `too-long`. What a client had begun to send is read to its end and thrown away, up to a bound: a
 * connection that is cut while the client still writes loses it the answer.
 */
export async function readBounded(request: Request): Promise<Uint8Array | 'too-long'> {
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.length;
    if (length <= MAX_REQUEST_BYTES) chunks.push(chunk);
    if (length > MAX_REQUEST_BYTES + MAX_DISCARDED_BYTES) break;
  }
  return length > MAX_REQUEST_BYTES ? 'too-long' : Buffer.concat(chunks, length);
}

export function respond(reply: Reply, headers: Record<string, string> = {}): Response {
  const retryAfter = reply.retryAfterSeconds === undefined ? {} : { 'retry-after': String(reply.retryAfterSeconds) };
  const cache = reply.status === 200 ? headers : {};
  return new Response(reply.body, {
    status: reply.status,
    headers: { ...cache, ...retryAfter, 'content-type': reply.contentType || TEXT },
  });
}
