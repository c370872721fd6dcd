/**
 * Listening and going away again. Loopback unless told otherwise: what leaves the machine goes over TLS, from here or from
 * a proxy in front. Slow clients run into time limits; a close lets requests in flight finish, for a bounded time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Site } from './app.ts';
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './limits.ts';

export interface ServeOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Speak TLS with this key and certificate chain, both PEM; clear text otherwise. */
  readonly tls?: TlsFiles;
  readonly limits?: Partial<HttpLimits>;
}

export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
}

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, or `https:`; without a slash at the end. */
  readonly url: string;
  /** May be called again. Takes no more connections, waits for requests in flight up to the grace time, then cuts them off. */
  close(): Promise<void>;
}

type HttpServer = Server | TlsServer;

/** How often Node looks for connections that are over their time. */
const CHECK_CONNECTIONS_MS = 1_000;
const IDLE_SWEEP_MS = 20;
/** On top of the body's own time limit, which answers 408 with a problem document before this cuts the connection. */
const REQUEST_TIMEOUT_MARGIN_MS = 5_000;

/** Resolves once the port is bound; rejects with Node's error (EADDRINUSE, EACCES …) if it cannot be. */
export async function serveApp(site: Site, options: ServeOptions = {}): Promise<RunningServer> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const server = createHttpServer(site, limits, options.tls);
  const host = options.host ?? '127.0.0.1';
  const address = await listen(server, host, options.port ?? 0);
  let closing: Promise<void> | undefined;
  return {
    host,
    port: address.port,
    url: `${options.tls === undefined ? 'http' : 'https'}://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    close: () => {
      closing ??= closeServer(server, limits.closeGraceMs);
      return closing;
    },
  };
}

function createHttpServer({ app, direct }: Site, limits: HttpLimits, tls: TlsFiles | undefined): HttpServer {
  const settings = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.headersTimeoutMs + limits.bodyTimeoutMs + REQUEST_TIMEOUT_MARGIN_MS,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: CHECK_CONNECTIONS_MS,
    maxHeaderSize: 16_384,
  };
  const viaHono = getRequestListener(app.fetch);
  const listener = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    if (!direct(incoming, outgoing)) await viaHono(incoming, outgoing);
  };
  const server =
    tls === undefined
      ? createServer(settings, listener)
      : createTlsServer({ ...settings, ...tls, minVersion: 'TLSv1.2' }, listener);
  server.maxConnections = limits.maxConnections;
  return server;
}

function listen(server: HttpServer, host: string, port: number): Promise<AddressInfo> {
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

function closeServer(server: HttpServer, graceMs: number): Promise<void> {
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
