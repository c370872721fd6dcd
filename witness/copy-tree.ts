/**
 * Reading a copy, every byte checked before it is handed on: a full tile against its hash in the tile above, up to the
 * right edge, which is in memory; an entry against its leaf hash. What does not fit is named and never served.
 */
import { equalBytes } from '../proofs/bytes.ts';
import type { Hash } from '../proofs/hash.ts';
import {
  decodeEntryBundle,
  decodeTile,
  encodeTile,
  FULL_TILE_BYTES,
  nodeInTile,
  TILE_WIDTH,
  type TileCoordinates,
  tileOfNode,
} from '../proofs/tile.ts';
import { type NodeCoordinates, rootOfHashes } from '../proofs/tree.ts';
import { type CopyRows, entriesKey, firstIndexOf, tileKey } from './copy-rows.ts';
import type { CopyState } from './copy-state.ts';
import { WitnessError } from './errors.ts';
import { nativeHasher } from './native-hasher.ts';

/** Checked tiles kept in memory: 512 × 8 KiB. */
const MAX_CACHED_TILES = 512;

export class CopyTree {
  readonly #rows: CopyRows;
  readonly #state: () => CopyState;
  /** Checked full tiles, or their check under way, least recently used first: many readers at once read a tile once. */
  readonly #tiles = new Map<string, Promise<readonly Hash[]>>();

  constructor(rows: CopyRows, state: () => CopyState) {
    this.#rows = rows;
    this.#state = state;
  }

  /** The first `width` hashes of a tile that the caller knows to be there. */
  async tile({ level, index, width }: TileCoordinates): Promise<Uint8Array> {
    return encodeTile((await this.#hashes(level, index)).slice(0, width));
  }

  async nodes(nodes: readonly NodeCoordinates[]): Promise<readonly Hash[]> {
    return Promise.all(
      nodes.map(async (node) => {
        const { level, index } = tileOfNode(node);
        return nodeInTile(encodeTile(await this.#hashes(level, index)), node, nativeHasher);
      }),
    );
  }

  /** The first `count` entries of a bundle, each compared with the tree. */
  async entries(bundle: number, count: number): Promise<readonly Uint8Array[]> {
    const first = bundle * TILE_WIDTH;
    const [entries, hashes] = await Promise.all([readStoredEntries(this.#rows, first, count), this.#hashes(0, bundle)]);
    for (const [i, entry] of entries.entries()) {
      const expected = hashes[i];
      if (expected === undefined || !equalBytes(nativeHasher.leaf(entry), expected)) {
        throw altered(`entry ${first + i} of the copy was altered on disk: its hash is not the one in the tree`);
      }
    }
    return entries;
  }

  async #hashes(level: number, index: number): Promise<readonly Hash[]> {
    const { range, edges } = this.#state();
    const edgeIndex = Math.floor(Math.floor(range.size / TILE_WIDTH ** level) / TILE_WIDTH);
    if (index === edgeIndex) return edges[level] ?? [];
    if (index > edgeIndex) throw altered(`tile ${level}/${index} is not in the copy`);
    const name = `${level}/${index}`;
    const hashes = this.#tiles.get(name) ?? this.#readChecked(level, index);
    this.#tiles.delete(name);
    this.#tiles.set(name, hashes);
    if (this.#tiles.size > MAX_CACHED_TILES) {
      const oldest = this.#tiles.keys().next();
      if (oldest.done !== true) this.#tiles.delete(oldest.value);
    }
    try {
      return await hashes;
    } catch (error) {
      // The next reader looks at the disk again.
      if (this.#tiles.get(name) === hashes) this.#tiles.delete(name);
      throw error;
    }
  }

  async #readChecked(level: number, index: number): Promise<readonly Hash[]> {
    const bytes = await this.#rows.get(tileKey(level, index));
    if (bytes?.length !== FULL_TILE_BYTES) throw altered(`tile ${level}/${index} of the copy is missing or cut`);
    const hashes = decodeTile(bytes);
    const above = await this.#hashes(level + 1, Math.floor(index / TILE_WIDTH));
    const expected = above[index % TILE_WIDTH];
    if (expected === undefined || !equalBytes(rootOfHashes(hashes, nativeHasher), expected)) {
      throw altered(`tile ${level}/${index} of the copy was altered on disk`);
    }
    return hashes;
  }
}

/** The stored entries [first, first + count) of one bundle, unchecked. Throws `state-corrupt` where one is missing. */
export async function readStoredEntries(rows: CopyRows, first: number, count: number): Promise<readonly Uint8Array[]> {
  const stored = await rows.range({ gte: entriesKey(first), lt: entriesKey(first + count), limit: TILE_WIDTH });
  const entries: Uint8Array[] = [];
  for (const { key, value } of stored) {
    if (firstIndexOf(key) !== first + entries.length) break;
    entries.push(...decodeStored(value, first));
  }
  if (entries.length < count) throw altered(`entry ${first + entries.length} of the copy is missing on disk`);
  return entries.slice(0, count);
}

function decodeStored(value: Uint8Array, first: number): readonly Uint8Array[] {
  try {
    return decodeEntryBundle(value);
  } catch {
    throw altered(`entries of the copy from index ${first} on are malformed on disk`);
  }
}

function altered(message: string): WitnessError {
  return new WitnessError('state-corrupt', message);
}
