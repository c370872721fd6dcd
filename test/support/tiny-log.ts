/**
 * The smallest log there can be, with its entries: a tree in memory and a key that signs whatever a test asks for. It is
 * served as C2SP tlog-tiles wants it, over a `fetch` that never leaves the process or over HTTP, and it may show
 * different histories to different visitors, which is what it is for.
 */
import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { base64Encode, utf8Encode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Hash } from '../../proofs/hash.ts';
import { type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { proveConsistency } from '../../proofs/prove.ts';
import { proveSubtreeConsistency, subtreeHash } from '../../proofs/subtree.ts';
import { encodeEntryBundle, encodeTile, parseTilePath, TILE_HEIGHT, TILE_WIDTH } from '../../proofs/tile.ts';
import type { Fetch } from '../../witness/log-client.ts';
import type { KnownLog } from '../../witness/logs.ts';
import { formatPackage, formatUploadHeader, packageRanges, roundDown } from '../../witness/mirror-wire.ts';
import { signedCheckpoint, testSigner } from './signed.ts';
import { memoryReader, platformHasher } from './tree.ts';

export interface TinyLog {
  readonly origin: string;
  readonly signer: SignerKey;
  readonly known: KnownLog;
  readonly entries: readonly Uint8Array[];
  readonly root: (size: number) => Promise<Hash>;
  /** The signed head of this size, with more signatures if other signers are given. */
  readonly head: (size: number, signers?: readonly SignerKey[]) => Promise<string>;
  /** An add-checkpoint request from one size to another. */
  readonly addCheckpoint: (from: number, to: number) => Promise<Uint8Array>;
  /** An add-entries request with so many packages of its canonical sequence (all by default). */
  readonly addEntries: (start: number, end: number, options?: UploadOptions) => Promise<Uint8Array>;
  /** Bytes of a tile or bundle in the tree of this size; undefined where it has none of that width. */
  readonly resource: (path: string, size: number) => Promise<Uint8Array | undefined>;
}

export interface UploadOptions {
  readonly packages?: number;
  readonly ticket?: Uint8Array;
}

export interface TinyLogOptions {
  readonly origin?: string;
  readonly count?: number;
  /** From this index on the entries are others: a second history of the same log. */
  readonly branch?: { readonly at: number; readonly name: string };
  readonly entry?: (index: number) => Uint8Array;
}

export function tinyLog(options: TinyLogOptions = {}): TinyLog {
  const { origin = 'log.example/tiny', count = 700, branch } = options;
  const signer = testSigner(origin, 1);
  const entryAt = options.entry ?? ((index) => utf8Encode(`entry ${index}`));
  const entries = Array.from({ length: count }, (_, index) =>
    branch !== undefined && index >= branch.at ? utf8Encode(`${branch.name} ${index}`) : entryAt(index),
  );
  const leaves = entries.map((entry) => platformHasher.leaf(entry));
  const read = memoryReader(leaves);
  const emptyRoot = platformHasher.sha256(new Uint8Array(0));
  const root = async (size: number): Promise<Hash> => (size === 0 ? emptyRoot : subtreeHash(0, size, read));
  const head = async (size: number, signers: readonly SignerKey[] = [signer]): Promise<string> =>
    signedCheckpoint({ origin, size, root: await root(size) }, signers);
  return {
    origin,
    signer,
    known: { origin, keys: [verifierKeyOf(signer)] },
    entries,
    root,
    head,
    addCheckpoint: async (from, to) => {
      const proof = from > to ? [] : await proveConsistency(from, to, read);
      return utf8Encode(`old ${from}\n${proof.map((hash) => `${base64Encode(hash)}\n`).join('')}\n${await head(to)}`);
    },
    addEntries: async (start, end, { packages = Number.POSITIVE_INFINITY, ticket = new Uint8Array(0) } = {}) => {
      const parts = [formatUploadHeader({ origin, start, end, ticket })];
      for (const range of packageRanges(start, end)) {
        if (parts.length > packages) break;
        const proof = await proveSubtreeConsistency(roundDown(range.start), range.end, end, read);
        parts.push(formatPackage({ entries: entries.slice(range.start, range.end), proof }));
      }
      return Buffer.concat(parts);
    },
    resource: async (path, size) => {
      const { level, index, width } = parseTilePath(path);
      const tileLevel = level === 'entries' ? 0 : level;
      const first = index * TILE_WIDTH;
      if (width > Math.floor(size / TILE_WIDTH ** tileLevel) - first) return undefined;
      if (level === 'entries') return encodeEntryBundle(entries.slice(first, first + width));
      const nodes = Array.from({ length: width }, (_, i) => ({ level: level * TILE_HEIGHT, index: first + i }));
      return encodeTile([...(await read(nodes))]);
    },
  };
}

/** What a visitor is shown: which history, and how much of it is signed and published. */
export interface View {
  readonly log: TinyLog;
  readonly size: number;
  /** Size of the published checkpoint; the signed one by default. */
  readonly published?: number;
  /** Who signs it, the log alone by default. */
  readonly signers?: readonly SignerKey[];
  /** Answers instead of the log when it returns something. */
  readonly intercept?: (path: string) => Response | undefined;
}

/** A log's answer to `GET path`, or to `POST cosignatures`. */
export async function answerView(view: View, path: string, init: RequestInit = {}): Promise<Response> {
  const { log, size, published = size, signers } = view;
  const intercepted = view.intercept?.(path);
  if (intercepted !== undefined) return intercepted;
  if (init.method === 'POST') return new Response('{"accepted":1}', { status: path === 'cosignatures' ? 200 : 404 });
  if (path === 'head') return note(await log.head(size, signers), init);
  if (path === 'checkpoint') return note(await log.head(published, signers), init);
  try {
    const bytes = await log.resource(path, size);
    if (bytes !== undefined) return new Response(Buffer.from(bytes));
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
  }
  return new Response('not here\n', { status: 404 });
}

/** A `fetch` that knows the hosts of these views, by the URL under which each is found. */
export function fetchViews(views: () => ReadonlyMap<string, View | 'down'>): Fetch {
  return async (url, init) => {
    for (const [prefix, view] of views()) {
      if (!url.startsWith(`${prefix}/`)) continue;
      if (view === 'down') throw new TypeError('connection refused');
      return answerView(view, url.slice(prefix.length + 1), init);
    }
    throw new TypeError(`no such host: ${url}`);
  };
}

export interface ServedViews {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Serves views over HTTP, each under the first segment of its path. */
export async function serveViews(viewOf: (segment: string) => View | undefined): Promise<ServedViews> {
  const server = createAdaptorServer({
    fetch: async (request) => {
      const [, segment = '', ...rest] = new URL(request.url).pathname.split('/');
      const view = viewOf(segment);
      if (view === undefined) return new Response('no such log\n', { status: 404 });
      await request.arrayBuffer();
      return answerView(view, rest.join('/'), { method: request.method, headers: request.headers });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

function note(text: string, init: RequestInit): Response {
  const etag = `"${createHash('sha256').update(text).digest('hex').slice(0, 16)}"`;
  if (new Headers(init.headers).get('if-none-match') === etag) return new Response(null, { status: 304 });
  return new Response(text, { headers: { etag, 'content-type': 'text/plain; charset=utf-8' } });
}
