/**
 * The hot routes without Hono: straight from node:http, for what is asked thousands of times a second. Each is the same
 * route, with the same answer and the same counter, that Hono serves; whatever is not exactly such a request (another
 * method, a path in another spelling, a log that is not here) is left to Hono, which says what is wrong with it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PlainAnswer } from './respond.ts';
import { type AnyServedLog, answerHot, type HotRoute, type RequestView, refusal, type Services } from './route.ts';

/** True if the request was taken: then nobody else may answer it. */
export type DirectHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

interface HotPath {
  readonly route: HotRoute;
  readonly observe: (status: number, elapsedMs: number) => void;
}

const LOG_PREFIX = '/:log/';
const ANYTHING_BEHIND = '*';

export function createDirect(routes: readonly HotRoute[], services: Services): DirectHandler {
  const exact = new Map<string, HotPath>();
  const prefixes: (readonly [prefix: string, hot: HotPath])[] = [];
  for (const route of routes) {
    const path = route.path.slice(LOG_PREFIX.length);
    const hot = { route, observe: services.metrics.route(route.method, route.path) };
    if (path.endsWith(ANYTHING_BEHIND)) prefixes.push([`${route.method} ${path.slice(0, -1)}`, hot]);
    else exact.set(`${route.method} ${path}`, hot);
  }

  return (incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    const nameEnd = url.indexOf('/', 1);
    if (nameEnd === -1) return false;
    const served = services.logs.get(url.slice(1, nameEnd));
    if (served === undefined) return false;
    const queryStart = url.indexOf('?', nameEnd);
    const wanted = `${method} ${queryStart === -1 ? url.slice(nameEnd + 1) : url.slice(nameEnd + 1, queryStart)}`;
    const hot = exact.get(wanted) ?? prefixes.find(([prefix]) => wanted.startsWith(prefix))?.[1];
    if (hot === undefined) return false;
    answer(hot, { incoming, outgoing }, served, services).catch((error: unknown) => {
      services.logger.error({ err: error }, 'an answer could not be sent');
      outgoing.destroy();
    });
    return true;
  };
}

interface Exchanged {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

async function answer(
  { route, observe }: HotPath,
  { incoming, outgoing }: Exchanged,
  served: AnyServedLog,
  services: Services,
): Promise<void> {
  const startedMs = performance.now();
  const c = viewOf(incoming, outgoing);
  let answered: PlainAnswer;
  try {
    answered = await answerHot(route, c, served, services);
  } catch (error) {
    answered = refusal(error, c, services);
  }
  const { status, headers, body } = answered;
  if (status === 304) outgoing.writeHead(status, headers).end();
  else outgoing.writeHead(status, { ...headers, 'content-length': byteLengthOf(body) }).end(body ?? undefined);
  observe(status, performance.now() - startedMs);
}

/** Handlers look for the path behind an authority; which one does not matter, and the client's is not to be trusted. */
function viewOf(incoming: IncomingMessage, outgoing: ServerResponse): RequestView {
  return {
    env: { incoming, outgoing },
    req: {
      method: incoming.method ?? '',
      url: `http://localhost${incoming.url}`,
      header: (name) => {
        const value = incoming.headers[name];
        return Array.isArray(value) ? value.join(', ') : value;
      },
      raw: { body: null },
    },
  };
}

function byteLengthOf(body: PlainAnswer['body']): number {
  if (body === null) return 0;
  return typeof body === 'string' ? Buffer.byteLength(body) : body.length;
}
