/**
 * Reading the tree, with every byte checked before it is handed on. A full tile comes from the store and is compared
 * with its hash in the tile above, and so on up to the right edge, which is in memory and whose root is the log's.
 * LevelDB verifies nothing by itself: a flipped bit is found here, named, and never served.
 */
import { concatBytes, equalBytes } from '../../proofs/bytes.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import type { HashReader } from '../../proofs/prove.ts';
import { decodeTile, FULL_TILE_BYTES, TILE_HEIGHT, TILE_WIDTH } from '../../proofs/tile.ts';
import { foldPeaks, type NodeCoordinates, rootOfHashes } from '../../proofs/tree.ts';
import type { Store } from '../store/contract.ts';
import type { TreeState } from './integrate.ts';
import { tileKey } from './rows.ts';
import { LogError } from './types.ts';

/** Checked tiles kept in memory: 2,048 × 8 KiB. */
const MAX_CACHED_TILES = 2048;

export class TreeReader {
  readonly #store: Store;
  readonly #hasher: Hasher;
  /** Checked full tiles, or their check under way, least recently used first: many readers at once read a tile once. */
  readonly #tiles = new Map<string, Promise<readonly Hash[]>>();

  constructor(store: Store, hasher: Hasher) {
    this.#store = store;
    this.#hasher = hasher;
  }

  /** The first `width` hashes of a tile of the tree that `state` describes. The caller has checked that they exist. */
  async tile(state: TreeState, level: number, index: number, width: number): Promise<Uint8Array> {
    const hashes = await this.#tile(state, level, index);
    return concatBytes(...hashes.slice(0, width));
  }

  /** Reads nodes of the tree that `state` describes, for proofs. */
  hashReader(state: TreeState): HashReader {
    return (nodes) => Promise.all(nodes.map((node) => this.#node(state, node)));
  }

  async #node(state: TreeState, node: NodeCoordinates): Promise<Hash> {
    const tileLevel = Math.floor(node.level / TILE_HEIGHT);
    const span = 2 ** (node.level % TILE_HEIGHT);
    const first = node.index * span;
    const hashes = await this.#tile(state, tileLevel, Math.floor(first / TILE_WIDTH));
    const within = first % TILE_WIDTH;
    const covered = hashes.slice(within, within + span);
    if (covered.length !== span) throw new LogError('not-in-log', 'a node beyond the tree was asked for', { ...node });
    return span === 1 ? (covered[0] ?? foldPeaks([])) : rootOfHashes(covered, this.#hasher);
  }

  async #tile(state: TreeState, level: number, index: number): Promise<readonly Hash[]> {
    const complete = Math.floor(state.range.size / TILE_WIDTH ** level);
    const edgeIndex = Math.floor(complete / TILE_WIDTH);
    if (index > edgeIndex) throw new LogError('not-in-log', 'a tile beyond the tree was asked for', { level, index });
    if (index === edgeIndex) return state.edges[level] ?? [];
    const name = `${level}/${index}`;
    const hashes = this.#tiles.get(name) ?? this.#readChecked(state, level, index);
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

  async #readChecked(state: TreeState, level: number, index: number): Promise<readonly Hash[]> {
    const bytes = await this.#store.get(tileKey(level, index));
    const first = index * TILE_WIDTH ** (level + 1);
    const details = { level, tile: index, index: first };
    if (bytes === undefined || bytes.length !== FULL_TILE_BYTES) {
      throw new LogError('corrupt-data', `tile ${level}/${index}, from leaf ${first} on, is missing or cut`, details);
    }
    const hashes = decodeTile(bytes);
    const above = await this.#tile(state, level + 1, Math.floor(index / TILE_WIDTH));
    const expected = above[index % TILE_WIDTH];
    if (expected === undefined || !equalBytes(rootOfHashes(hashes, this.#hasher), expected)) {
      throw new LogError('corrupt-data', `tile ${level}/${index}, from leaf ${first} on, was altered on disk`, details);
    }
    return hashes;
  }
}
