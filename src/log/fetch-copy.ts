/**
 * Reading a log back from somebody else's copy over HTTP (C2SP tlog-tiles): a mirror, another log server, an archive.
 * Every bundle is proven against one signed head before it is handed on; answers are bounded and not trusted.
 */
import { hexEncode, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { type Checkpoint, parseCheckpoint } from '../../proofs/checkpoint.ts';
import { ProofError } from '../../proofs/errors.ts';
import { HASH_BYTES, type Hash, sha256 } from '../../proofs/hash.ts';
import { MAX_NOTE_BYTES } from '../../proofs/note.ts';
import type { HashReader } from '../../proofs/prove.ts';
import { checkSubtreeConsistency, proveSubtreeConsistency } from '../../proofs/subtree.ts';
import {
  decodeEntryBundle,
  decodeTile,
  FULL_TILE_BYTES,
  formatTilePath,
  MAX_BUNDLE_ENTRY_BYTES,
  TILE_WIDTH,
  type TileCoordinates,
  type TileResource,
  tileHashReader,
  tileWidthAt,
} from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { RestoreError } from './restore-error.ts';

export interface CopySource {
  /** URL prefix of the copy: `<prefix>/checkpoint`, `<prefix>/tile/…`. */
  readonly prefix: string;
  /** The checkpoint that it serves, a signed note that nobody has judged yet. */
  readonly note: string;
}

export interface CopyClient {
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
}

const MAX_BUNDLE_BYTES = TILE_WIDTH * (MAX_BUNDLE_ENTRY_BYTES + 2);
/** Bundles fetched at once. */
const WINDOW_BUNDLES = 8;
const MAX_CACHED_TILES = 256;

/**
 * Finds the copy of a log under this URL: a mirror has it below the hash of the origin, a plain tiled log right there, a
 * server of several logs below a name. Throws RestoreError `unreachable` or `no-copy`.
 */
export async function findCopy(
  client: CopyClient,
  url: string,
  origin: string,
  names: readonly string[] = [],
): Promise<CopySource> {
  const base = url.replace(/\/+$/, '');
  const below = [hexEncode(sha256(utf8Encode(origin))), ...names].map((name) => `${base}/${name}`);
  for (const prefix of [...below, base]) {
    const bytes = await fetchBounded(client, `${prefix}/checkpoint`, MAX_NOTE_BYTES);
    if (bytes !== undefined) return { prefix, note: textOf(bytes, prefix) };
  }
  throw new RestoreError('no-copy', `there is no copy of the log ${origin} at ${base}`);
}

/** All entries of the head, in order, a bundle or more at a time, each proven. Throws RestoreError `altered`. */
export async function* fetchEntries(
  client: CopyClient,
  { prefix }: CopySource,
  head: Checkpoint,
): AsyncGenerator<readonly Uint8Array[]> {
  const read = tileHashReader(cachedTiles(client, prefix), head.size, nativeHasher);
  for (let start = 0; start < head.size; start += WINDOW_BUNDLES * TILE_WIDTH) {
    const end = Math.min(head.size, start + WINDOW_BUNDLES * TILE_WIDTH);
    const bundles: Promise<readonly Uint8Array[]>[] = [];
    for (let first = start; first < end; first += TILE_WIDTH) {
      bundles.push(fetchBundle(client, prefix, head, first, Math.min(end, first + TILE_WIDTH), read));
    }
    yield (await Promise.all(bundles)).flat();
  }
}

/**
 * How many entries the copy says that it has: nobody has judged it. Throws RestoreError `altered` for what is no
 * checkpoint, `no-copy` for that of another log.
 */
export function claimedSize({ prefix, note }: CopySource, origin: string): number {
  try {
    const { checkpoint } = parseCheckpoint(note);
    if (checkpoint.origin === origin) return checkpoint.size;
    throw new RestoreError('no-copy', `${prefix} is a copy of the log ${checkpoint.origin}, and not of ${origin}`);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new RestoreError('altered', `what is at ${prefix}/checkpoint is no checkpoint (${error.code})`);
  }
}

/**
 * A bundle as a copy of this size serves it, proven by nothing: the caller knows the hashes that its entries must have.
 * Throws RestoreError `altered` for one that is missing or none, `unreachable`.
 */
export async function fetchUnproven(
  client: CopyClient,
  prefix: string,
  size: number,
  bundle: number,
): Promise<readonly Uint8Array[]> {
  const width = tileWidthAt(0, bundle, size);
  if (width === 0) return [];
  return fetchItems(client, prefix, { level: 'entries', index: bundle, width }, decodeEntryBundle);
}

/** The hashes of a tile, as fetchUnproven does it. */
export function fetchTileHashes(client: CopyClient, prefix: string, tile: TileCoordinates): Promise<readonly Hash[]> {
  return fetchItems(client, prefix, tile, decodeTile);
}

async function fetchItems(
  client: CopyClient,
  prefix: string,
  resource: TileResource,
  decode: (bytes: Uint8Array) => readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  const path = `${prefix}/${formatTilePath(resource)}`;
  const what = resource.level === 'entries' ? 'bundle of entries' : 'tile';
  const bytes = await fetchResource(client, prefix, resource);
  try {
    const items = decode(bytes);
    if (items.length >= resource.width) return items.slice(0, resource.width);
    throw new RestoreError('altered', `${path} is cut: it has ${items.length} of ${resource.width}`);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new RestoreError('altered', `${path} is no ${what} (${error.code})`);
  }
}

async function fetchBundle(
  client: CopyClient,
  prefix: string,
  { size, root }: Checkpoint,
  start: number,
  end: number,
  read: HashReader,
): Promise<readonly Uint8Array[]> {
  const coordinates = { level: 'entries' as const, index: start / TILE_WIDTH, width: end - start };
  try {
    const [bytes, proof] = await Promise.all([
      fetchResource(client, prefix, coordinates),
      proveSubtreeConsistency(start, end, size, read, nativeHasher),
    ]);
    const entries = decodeEntryBundle(bytes).slice(0, end - start);
    const subtreeHash = rootOfHashes(entries.map(nativeHasher.leaf), nativeHasher);
    checkSubtreeConsistency({ start, end, size, subtreeHash, root, proof }, nativeHasher);
    return entries;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new RestoreError(
      'altered',
      `entries ${start} to ${end - 1} at ${prefix} are not those of its own checkpoint of size ${size} (${error.code}). ` +
        'That copy was altered or is damaged; nothing was restored.',
    );
  }
}

/** As wide as asked for; a partial one that is gone is cut from the full one. */
async function fetchResource(client: CopyClient, prefix: string, resource: TileResource): Promise<Uint8Array> {
  const maxBytes = resource.level === 'entries' ? MAX_BUNDLE_BYTES : FULL_TILE_BYTES;
  const path = formatTilePath(resource);
  const exact = await fetchBounded(client, `${prefix}/${path}`, maxBytes);
  if (exact !== undefined) return exact;
  const full = { ...resource, width: TILE_WIDTH };
  const wide =
    resource.width === TILE_WIDTH
      ? undefined
      : await fetchBounded(client, `${prefix}/${formatTilePath(full)}`, maxBytes);
  if (wide !== undefined) return wide;
  throw new RestoreError('altered', `${prefix}/${path} is missing, although the checkpoint there covers it`);
}

/** Reads each tile once; what it returns was compared with nothing yet. */
export function cachedTiles(client: CopyClient, prefix: string): (tile: TileCoordinates) => Promise<Uint8Array> {
  const tiles = new Map<string, Promise<Uint8Array>>();
  return (tile) => {
    const path = formatTilePath(tile);
    const known = tiles.get(path);
    if (known !== undefined) return known;
    const fetched = fetchResource(client, prefix, tile).then((bytes) => bytes.slice(0, tile.width * HASH_BYTES));
    tiles.set(path, fetched);
    if (tiles.size > MAX_CACHED_TILES) {
      const oldest = tiles.keys().next();
      if (oldest.done !== true) tiles.delete(oldest.value);
    }
    return fetched;
  };
}

/** The body of a 200, undefined for a 404. Throws RestoreError `unreachable` for anything else. */
async function fetchBounded(
  { fetch, timeoutMs }: CopyClient,
  url: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw new Error(`it answered ${response.status}`);
    return new Uint8Array(Buffer.concat(chunks, length));
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
    throw new RestoreError('unreachable', `${url}: ${error instanceof Error ? error.message : String(error)}${cause}`);
  }
}

function textOf(bytes: Uint8Array, where: string): string {
  try {
    return utf8Decode(bytes);
  } catch {
    throw new RestoreError('altered', `the checkpoint at ${where} is not text`);
  }
}
