/**
 * Tiles and entry bundles: how a log's tree and entries lie in static files, how those files are named, and how stored
 * nodes are read back out of them. A tile of level l holds up to 256 hashes, the stored nodes of level 8·l; a bundle
 * holds the entries under one level-0 tile.
 *
 *     tile/0/x001/x234/067       the full level-0 tile 1234067: leaves 315921152 … 315921407
 *     tile/1/001.p/17            a partial tile: the first 17 hashes of level-1 tile 1
 *     tile/entries/273.p/112     the first 112 entries of bundle 273
 *
 * Spec: C2SP tlog-tiles.
 */
import { ProofError } from './errors.ts';
import { assertHash, HASH_BYTES, type Hash, type Hasher, nobleHasher } from './hash.ts';
import { assertSize, parseDecimal } from './numbers.ts';
import type { HashReader } from './prove.ts';
import { type NodeCoordinates, rootOfHashes } from './tree.ts';

/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 256;
/** Levels of the tree that one tile spans: 256 = 2^8. */
export const TILE_HEIGHT = 8;
export const FULL_TILE_BYTES: number = TILE_WIDTH * HASH_BYTES;
/** The highest level that a path can name. Sizes up to 2^53−1 fill levels 0 to 6. */
export const MAX_TILE_LEVEL = 63;
/** What the two length bytes in front of each entry of a bundle can say. */
export const MAX_BUNDLE_ENTRY_BYTES = 0xffff;
/** `tile/entries/`, seven path elements of an index, `.p/255`: longer than any path that is accepted. */
const MAX_TILE_PATH_LENGTH = 64;

/** A tile: `width` is 256 for a full one, 1 to 255 for a partial one. */
export interface TileCoordinates {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** An entry bundle, which lies where the level would be. */
export interface BundleCoordinates {
  readonly level: 'entries';
  readonly index: number;
  readonly width: number;
}

export type TileResource = TileCoordinates | BundleCoordinates;

/** The path of a tile or bundle below the log's URL prefix. Throws `invalid-tile` for coordinates out of bounds. */
export function formatTilePath({ level, index, width }: TileResource): string {
  if (level !== 'entries' && !(Number.isInteger(level) && level >= 0 && level <= MAX_TILE_LEVEL)) {
    throw new ProofError('invalid-tile', `a tile's level is 0 to ${MAX_TILE_LEVEL}`, { level });
  }
  if (!Number.isSafeInteger(index) || index < 0) throw new ProofError('invalid-tile', "a tile's index is 0 or more");
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new ProofError('invalid-tile', `a tile's width is 1 to ${TILE_WIDTH}`, { width });
  }
  let name = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    name = `x${String(rest % 1000).padStart(3, '0')}/${name}`;
  }
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const TILE_PATH = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/;

/**
 * The tile or bundle that a path names. One spelling each: no leading slash or zero, no `.p/256`. Throws
 * `invalid-tile-path`, or `size-too-large` for a well-formed path with an index above 2^53−1.
 */
export function parseTilePath(path: string): TileResource {
  const refuse = (): ProofError => new ProofError('invalid-tile-path', 'not the path of a tile or an entry bundle');
  const match = path.length <= MAX_TILE_PATH_LENGTH ? TILE_PATH.exec(path) : null;
  const [, levelText = '', name = '', widthText] = match ?? [];
  if (match === null) throw refuse();
  const level = levelText === 'entries' ? levelText : Number(levelText);
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText);
  const index = indexOfName(name);
  if (index === undefined || (level !== 'entries' && level > MAX_TILE_LEVEL)) throw refuse();
  if (width < 1 || width > TILE_WIDTH) throw refuse();
  const resource: TileResource = level === 'entries' ? { level, index, width } : { level, index, width };
  if (formatTilePath(resource) !== path) throw refuse();
  return resource;
}

/** The number that path elements spell; undefined when it does not fit 64 bits. */
function indexOfName(name: string): number | undefined {
  try {
    return parseDecimal(name.replace(/[x/]/g, '').replace(/^0+(?=.)/, ''), 'tile index');
  } catch (error) {
    if (error instanceof ProofError && error.code === 'invalid-number') return undefined;
    throw error;
  }
}

/** How many hashes the level has in a tree of this size: floor(size / 256^level). */
export function hashesAtLevel(level: number, size: number): number {
  return Math.floor(assertSize(size, 'size') / TILE_WIDTH ** level);
}

/** The width of the level's partial tile: floor(size / 256^level) mod 256; 0 where there is none. */
export function partialWidth(level: number, size: number): number {
  return hashesAtLevel(level, size) % TILE_WIDTH;
}

/** The width that this tile has in a tree of this size: 0 (not there yet) to 256. Level 0 serves for bundles. */
export function tileWidthAt(level: number, index: number, size: number): number {
  return Math.min(TILE_WIDTH, Math.max(0, hashesAtLevel(level, size) - index * TILE_WIDTH));
}

/** Each level that has tiles in a tree of this size: how many full ones, and the partial one's width or 0. */
export function tileLevels(size: number): { level: number; fullCount: number; partialWidth: number }[] {
  const levels: { level: number; fullCount: number; partialWidth: number }[] = [];
  for (let level = 0; hashesAtLevel(level, size) > 0; level++) {
    const hashes = hashesAtLevel(level, size);
    levels.push({ level, fullCount: Math.floor(hashes / TILE_WIDTH), partialWidth: hashes % TILE_WIDTH });
  }
  return levels;
}

/** Every tile of a tree of this size, level by level. */
export function tilesForSize(size: number): Iterable<TileCoordinates> {
  return newTiles(0, size);
}

/** The tiles of size `to` that size `from` does not have at the same width: what an append has to write. */
export function* newTiles(from: number, to: number): Iterable<TileCoordinates> {
  for (const { level } of tileLevels(to)) {
    for (const { index, width } of tilesInRange(hashesAtLevel(level, from), hashesAtLevel(level, to))) {
      yield { level, index, width };
    }
  }
}

/** The bundles of size `to` that size `from` does not have at the same width. */
export function* newBundles(from: number, to: number): Iterable<BundleCoordinates> {
  for (const { index, width } of tilesInRange(from, to)) yield { level: 'entries', index, width };
}

/** The bundles that hold the entries [start, end) of a log of this size, and which of their entries those are. */
export function* bundlesForEntries(
  start: number,
  end: number,
  size: number,
): Iterable<{ bundle: BundleCoordinates; first: number; count: number }> {
  assertSize(start, 'start');
  for (const { index } of tilesInRange(start, Math.min(end, size))) {
    const first = Math.max(0, start - index * TILE_WIDTH);
    const width = tileWidthAt(0, index, size);
    const count = Math.min(width, end - index * TILE_WIDTH) - first;
    yield { bundle: { level: 'entries', index, width }, first, count };
  }
}

/** The tiles of one level that hold the hashes [from, to), each as wide as `to` makes it. */
function* tilesInRange(from: number, to: number): Iterable<{ index: number; width: number }> {
  if (from >= to) return;
  for (let index = Math.floor(from / TILE_WIDTH); index * TILE_WIDTH < to; index++) {
    yield { index, width: Math.min(TILE_WIDTH, to - index * TILE_WIDTH) };
  }
}

/** The tile from which a stored node is read: its hash lies in it, or is folded from hashes that do. */
export function tileOfNode({ level, index }: NodeCoordinates): { level: number; index: number } {
  return {
    level: Math.floor(level / TILE_HEIGHT),
    index: Math.floor((index * 2 ** (level % TILE_HEIGHT)) / TILE_WIDTH),
  };
}

/** The stored node, out of the bytes of its tile (`tileOfNode`). Throws `invalid-tile` when the tile ends before it. */
export function nodeInTile(tile: Uint8Array, node: NodeCoordinates, hasher: Hasher = nobleHasher): Hash {
  const count = 2 ** (node.level % TILE_HEIGHT);
  const first = (node.index * count) % TILE_WIDTH;
  if (tile.length % HASH_BYTES !== 0 || tile.length < (first + count) * HASH_BYTES) {
    throw new ProofError('invalid-tile', 'the tile does not reach to the node', { ...node, bytes: tile.length });
  }
  return rootOfHashes(sliceHashes(tile, first, first + count), hasher);
}

/** The root over a tile's hashes; of a full tile, this is its hash in the level above. */
export function tileRoot(tile: Uint8Array, hasher: Hasher = nobleHasher): Hash {
  return rootOfHashes(decodeTile(tile), hasher);
}

/** The hashes of a tile, 1 to 256 of them. Throws `invalid-tile`. */
export function decodeTile(tile: Uint8Array): Hash[] {
  const width = tile.length / HASH_BYTES;
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new ProofError('invalid-tile', `a tile has 1 to ${TILE_WIDTH} hashes`, { bytes: tile.length });
  }
  return sliceHashes(tile, 0, width);
}

export function encodeTile(hashes: readonly Hash[]): Uint8Array {
  if (hashes.length < 1 || hashes.length > TILE_WIDTH) {
    throw new ProofError('invalid-tile', `a tile has 1 to ${TILE_WIDTH} hashes`, { width: hashes.length });
  }
  const tile = new Uint8Array(hashes.length * HASH_BYTES);
  for (const [i, hash] of hashes.entries()) tile.set(assertHash(hash, 'tile hash'), i * HASH_BYTES);
  return tile;
}

/** Copies, so that one hash kept does not keep a whole tile. */
function sliceHashes(tile: Uint8Array, from: number, to: number): Hash[] {
  const hashes: Hash[] = [];
  for (let i = from; i < to; i++) hashes.push(new Uint8Array(tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)));
  return hashes;
}

/**
 * Reads stored nodes out of the tiles of a tree of this size, each tile fetched once per read. What it reads is as
 * trustworthy as the source: a proof built on it is worth something once it is checked against a trusted root.
 * Throws `invalid-tile` for a tile that has not the width asked for.
 */
export function tileHashReader(
  fetchTile: (tile: TileCoordinates) => Promise<Uint8Array>,
  size: number,
  hasher: Hasher = nobleHasher,
): HashReader {
  assertSize(size, 'size');
  const fetchChecked = async (coordinates: TileCoordinates): Promise<Uint8Array> => {
    const tile = await fetchTile(coordinates);
    if (tile.length === coordinates.width * HASH_BYTES) return tile;
    throw new ProofError('invalid-tile', 'the tile has another width than asked for', { ...coordinates });
  };
  return async (nodes) => {
    const fetches = new Map<string, Promise<Uint8Array>>();
    const reads = nodes.map(async (node) => {
      if ((node.index + 1) * 2 ** node.level > size) {
        throw new ProofError('invalid-argument', 'the node is not in the tree', { ...node, size });
      }
      const { level, index } = tileOfNode(node);
      const key = `${level}/${index}`;
      const fetched = fetches.get(key) ?? fetchChecked({ level, index, width: tileWidthAt(level, index, size) });
      fetches.set(key, fetched);
      return nodeInTile(await fetched, node, hasher);
    });
    return Promise.all(reads);
  };
}

/** Entries, each behind its length as two big-endian bytes. Throws `entry-too-large`, `invalid-entry-bundle`. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length > TILE_WIDTH) throw new ProofError('invalid-entry-bundle', 'a bundle has at most 256 entries');
  let length = 0;
  for (const entry of entries) length += 2 + entry.length;
  const bundle = new Uint8Array(length);
  let offset = 0;
  for (const entry of entries) {
    if (entry.length > MAX_BUNDLE_ENTRY_BYTES) {
      throw new ProofError('entry-too-large', `an entry has at most ${MAX_BUNDLE_ENTRY_BYTES} bytes`);
    }
    bundle.set([entry.length >> 8, entry.length & 0xff], offset);
    bundle.set(entry, offset + 2);
    offset += 2 + entry.length;
  }
  return bundle;
}

/** The entries of a bundle, as views of its bytes. Throws `invalid-entry-bundle`. No bytes are no entries. */
export function decodeEntryBundle(bundle: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let offset = 0;
  while (offset < bundle.length) {
    const high = bundle[offset];
    const low = bundle[offset + 1];
    if (high === undefined || low === undefined || entries.length === TILE_WIDTH) {
      throw new ProofError('invalid-entry-bundle', 'the bundle ends within a length, or has more than 256 entries');
    }
    const end = offset + 2 + high * 256 + low;
    if (end > bundle.length) throw new ProofError('invalid-entry-bundle', 'the bundle ends within an entry');
    entries.push(bundle.subarray(offset + 2, end));
    offset = end;
  }
  return entries;
}
