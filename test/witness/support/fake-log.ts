/**
 * A log as its witnesses see it over the network: head, tiles, a place to post cosignatures. It serves whatever tree a
 * test gives it, honestly or not, through a `fetch` that never leaves the process.
 */
import { createHash } from 'node:crypto';
import { parseCheckpoint } from '../../../proofs/checkpoint.ts';
import { encodeTile, parseTilePath, TILE_HEIGHT, TILE_WIDTH } from '../../../proofs/tile.ts';
import type { Fetch } from '../../../witness/log-client.ts';
import type { TestLog } from './witness.ts';

export interface FakeLog {
  readonly url: string;
  readonly fetch: Fetch;
  /** Which log's tree is served, and the head of which size. */
  log: TestLog;
  size: number;
  /** Instead of the signed head of `size`. */
  headText: string | undefined;
  /** Notes that were posted, in order. */
  readonly posted: string[];
  /** Paths that were asked for, in order, without the query. */
  readonly asked: string[];
  /** Answers instead of the log when it returns something. */
  intercept: (path: string, init: RequestInit) => Response | Promise<Response> | undefined;
}

export function fakeLog(log: TestLog, size: number): FakeLog {
  const fake: FakeLog = {
    url: 'http://log.test/one',
    log,
    size,
    headText: undefined,
    posted: [],
    asked: [],
    intercept: () => undefined,
    fetch: async (url, init) => {
      const path = url.slice(fake.url.length + 1);
      fake.asked.push(path);
      if (init.signal?.aborted === true) throw init.signal.reason;
      return (await fake.intercept(path, init)) ?? answer(fake, path, init);
    },
  };
  return fake;
}

/** Sizes of the checkpoints posted, for a transcript. */
export function postedSizes(fake: FakeLog): number[] {
  return fake.posted.map((note) => parseCheckpoint(note).checkpoint.size);
}

function answer(fake: FakeLog, path: string, init: RequestInit): Response {
  if (init.method === 'POST' && path === 'cosignatures' && typeof init.body === 'string') {
    fake.posted.push(init.body);
    return new Response('{"accepted":1}');
  }
  if (path === 'head') return headAnswer(fake.headText ?? fake.log.head(fake.size), new Headers(init.headers));
  if (path.startsWith('tile/')) return tileAnswer(fake, path);
  return new Response('not here', { status: 404 });
}

function headAnswer(note: string, headers: Headers): Response {
  const etag = `"${createHash('sha256').update(note).digest('hex').slice(0, 16)}"`;
  if (headers.get('if-none-match') === etag) return new Response(null, { status: 304 });
  return new Response(note, { headers: { etag } });
}

/** The tile as of `size`: a partial tile is there only at its present width. */
function tileAnswer({ log, size }: FakeLog, path: string): Response {
  const { level, index, width } = parseTilePath(path);
  if (level === 'entries') return new Response('not here', { status: 404 });
  const span = 2 ** (level * TILE_HEIGHT);
  const present = Math.min(TILE_WIDTH, Math.floor(size / span) - index * TILE_WIDTH);
  if (width !== present) return new Response('not here', { status: 404 });
  const first = index * TILE_WIDTH;
  const hashes = Array.from({ length: width }, (_, i) => log.tree.root((first + i) * span, (first + i + 1) * span));
  return new Response(Buffer.from(encodeTile(hashes)));
}
