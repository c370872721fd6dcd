/**
 * Listening and going away again. Loopback unless told otherwise: what is served in clear text belongs behind a proxy
 * that speaks TLS. Slow clients run into time limits; a close lets requests in flight finish, for a bounded time.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './limits.ts';
import type { App } from './route.ts';

export interface ServeOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly limits?: Partial<HttpLimits>;
}

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  /** May be called again. Takes no more connections, waits for requests in flight up to the grace time, then cuts them off. */
  close(): Promise<void>;
}

/** How often Node looks for connections that are over their time. */
const CHECK_CONNECTIONS_MS = 1_000;
const IDLE_SWEEP_MS = 20;
/** On top of the body's own time limit, which answers 408 with a problem document before this cuts the connection. */
const REQUEST_TIMEOUT_MARGIN_MS = 5_000;

/** Resolves once the port is bound; rejects with Node's error (EADDRINUSE, EACCES …) if it cannot be. */
export async function serveApp(app: App, options: ServeOptions = {}): Promise<RunningServer> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const server = createHttpServer(app, limits);
  const host = options.host ?? '127.0.0.1';
  const address = await listen(server, host, options.port ?? 0);
  let closing: Promise<void> | undefined;
  return {
    host,
    port: address.port,
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    close: () => {
      closing ??= closeServer(server, limits.closeGraceMs);
      return closing;
    },
  };
}

function createHttpServer(app: App, limits: HttpLimits): Server {
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.headersTimeoutMs + limits.bodyTimeoutMs + REQUEST_TIMEOUT_MARGIN_MS,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: CHECK_CONNECTIONS_MS,
      maxHeaderSize: 16_384,
    },
  }) as Server; // without a createServer option it is node:http's
  server.maxConnections = limits.maxConnections;
  return server;
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('the server has no port'));
      else resolve(address);
    });
  });
}

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
    // A connection that was busy when the close began stays open behind its answer, for requests that will not come.
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
    server.close((error) => {
      clearTimeout(cutOff);
      clearInterval(sweep);
      if (error === undefined) resolve();
      else reject(error);
    });
    server.closeIdleConnections();
  });
}
