/**
 * Reading the tree, with every byte checked before it is handed on. A full tile comes from the store and is compared
 * with its hash in the tile above, and so on up to the right edge, which is in memory and whose root is the log's.
 * LevelDB verifies nothing by itself: a flipped bit is found here, named, and never served.
 */
import { concatBytes } from '../../proofs/bytes.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import type { HashReader } from '../../proofs/prove.ts';
import { TILE_HEIGHT, TILE_WIDTH, tileOfNode } from '../../proofs/tile.ts';
import { type NodeCoordinates, rootOfHashes } from '../../proofs/tree.ts';
import type { Store } from '../store/contract.ts';
import type { TreeState } from './integrate.ts';
import { shortcutKey, tileKey } from './rows.ts';
import { CheckedTile, type TilePlace } from './tile-shortcut.ts';
import { LogError } from './types.ts';

/** Checked tiles kept in memory, as the bytes of their rows: 2,048 × 8.5 KiB. */
const MAX_CACHED_TILES = 2048;

/** Nodes inside of tiles above level 0 and of the right edge, kept in memory: nearly all of them up to 16 million leaves, about 200 bytes each. */
const MAX_KEPT_NODES = 65_536;

/** The hashes of the rightmost tile of a level while it is not full. */
type TileEdge = readonly Hash[];

/** A stored tile, and the shortcut beside it. */
type TileRows = readonly [row: Uint8Array | undefined, shortcut: Uint8Array | undefined];

interface WantedTile {
  readonly place: TilePlace;
  readonly resolve: (rows: TileRows) => void;
  readonly reject: (error: unknown) => void;
}

export class TreeReader {
  readonly #store: Store;
  readonly #hasher: Hasher;
  /** Full tiles, or their reading under way, least recently used first: many readers at once read a tile once. */
  readonly #tiles = new Map<string, Promise<CheckedTile>>();

  /**
   * What lies between the hashes of two tiles, above level 0 and at the right edge: every proof needs some of it and nearly always the same.
   * Each is over leaves that are complete, so that it never changes while the tree grows.
   */
  readonly #nodes = new Map<string, Hash>();

  /** Tiles that are to be read in this turn of the event loop. */
  #wanted: WantedTile[] = [];

  constructor(store: Store, hasher: Hasher) {
    this.#store = store;
    this.#hasher = hasher;
  }

  /** The first `width` hashes of a tile of the tree that `state` describes. The caller has checked that they exist. */
  async tile(state: TreeState, level: number, index: number, width: number): Promise<Uint8Array> {
    const [tile = []] = await this.#read(state, [{ level, index }]);
    return tile instanceof CheckedTile ? tile.bytes(width) : concatBytes(...tile.slice(0, width));
  }

  /** Reads nodes of the tree that `state` describes, for proofs. What is asked for together is read at once. */
  hashReader(state: TreeState): HashReader {
    return async (nodes) => {
      const tiles = await this.#read(state, nodes.map(tileOfNode));
      return nodes.map((node, i) => this.#keptNode(tiles[i] ?? [], node));
    };
  }

  /** Per leaf the first index of the stored chunk that holds its entry, where that is known without seeking it. */
  async chunkStarts(state: TreeState, indices: readonly number[]): Promise<readonly (number | undefined)[]> {
    const places = indices.map((index) => ({ level: 0, index: Math.floor(index / TILE_WIDTH) }));
    const tiles = await this.#read(state, places);
    return indices.map((index, i) => {
      const tile = tiles[i];
      if (tile instanceof CheckedTile) return tile.chunkStart(index);
      return state.chunkStarts.findLast((first) => first <= index);
    });
  }

  #keptNode(tile: CheckedTile | TileEdge, node: NodeCoordinates): Hash {
    const ofAnyLeaf = node.level < TILE_HEIGHT && tile instanceof CheckedTile;
    if (ofAnyLeaf || node.level % TILE_HEIGHT === 0) return this.#nodeIn(tile, node);
    const name = `${node.level}/${node.index}`;
    const kept = this.#nodes.get(name);
    if (kept !== undefined) return kept;
    const hash = this.#nodeIn(tile, node);
    if (this.#nodes.size >= MAX_KEPT_NODES) this.#nodes.clear();
    this.#nodes.set(name, hash);
    return hash;
  }

  #nodeIn(tile: CheckedTile | TileEdge, node: NodeCoordinates): Hash {
    const height = node.level % TILE_HEIGHT;
    const span = 1 << height;
    const first = (node.index * span) % TILE_WIDTH;
    if (tile instanceof CheckedTile) return tile.node(height, first);
    const covered = tile.slice(first, first + span);
    if (covered.length !== span) throw new LogError('not-in-log', 'a node beyond the tree was asked for', { ...node });
    return rootOfHashes(covered, this.#hasher);
  }

  /** One tile a place, in the order of the places. Rejects with the first that is missing or altered. */
  async #read(state: TreeState, places: readonly TilePlace[]): Promise<readonly (CheckedTile | TileEdge)[]> {
    // What is read together for a proof stands in a handful of tiles, one behind the other.
    const runs: TilePlace[] = [];
    const runOf: number[] = [];
    for (const place of places) {
      const last = runs.at(-1);
      if (last === undefined || last.level !== place.level || last.index !== place.index) runs.push(place);
      runOf.push(runs.length - 1);
    }
    const missing = new Map<string, TilePlace>();
    for (const place of runs) {
      if (edgeAt(state, place) === undefined && !this.#tiles.has(nameOf(place))) missing.set(nameOf(place), place);
    }
    if (missing.size > 0) this.#readRows(state, [...missing.values()]);
    const reading = runs.map((place) => edgeAt(state, place) ?? this.#cached(place));
    this.#forgetOldest();
    const tiles = await Promise.all(reading);
    return runOf.map((run) => tiles[run] ?? []);
  }

  /** Begins to read these tiles; their check waits for the tiles above. */
  #readRows(state: TreeState, places: readonly TilePlace[]): void {
    const parents = this.hashReader(state)(
      places.map(({ level, index }) => ({ level: (level + 1) * TILE_HEIGHT, index })),
    );
    for (const [i, place] of places.entries()) {
      const name = nameOf(place);
      const tile = Promise.all([this.#rowsOf(place), parents]).then(
        ([[row, shortcut], expected]) => new CheckedTile(place, row, shortcut, expected[i], this.#hasher),
      );
      this.#tiles.set(name, tile);
      // The next reader looks at the disk again.
      tile.catch(() => {
        if (this.#tiles.get(name) === tile) this.#tiles.delete(name);
      });
    }
  }

  /**
   * A tile and its shortcut, read with those that others ask for in this turn of the event loop: to go to the store once
   * for each takes longer than what is done there.
   */
  #rowsOf(place: TilePlace): Promise<TileRows> {
    return new Promise((resolve, reject) => {
      if (this.#wanted.length === 0) setImmediate(() => void this.#readWanted());
      this.#wanted.push({ place, resolve, reject });
    });
  }

  async #readWanted(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = [];
    try {
      const rows = await this.#store.getMany(wanted.flatMap(({ place }) => keysOf(place)));
      for (const [i, { resolve }] of wanted.entries()) resolve([rows[2 * i], rows[2 * i + 1]]);
    } catch {
      // One that cannot be read must not hide the others, which somebody else asked for.
      for (const { place, resolve, reject } of wanted) {
        this.#store.getMany(keysOf(place)).then(([row, shortcut]) => resolve([row, shortcut]), reject);
      }
    }
  }

  /** The tile, now the most recently used one. */
  #cached(place: TilePlace): Promise<CheckedTile> {
    const name = nameOf(place);
    const tile = this.#tiles.get(name);
    if (tile === undefined) throw new Error('a tile is read before it is used');
    this.#tiles.delete(name);
    this.#tiles.set(name, tile);
    return tile;
  }

  #forgetOldest(): void {
    for (const name of this.#tiles.keys()) {
      if (this.#tiles.size <= MAX_CACHED_TILES) return;
      this.#tiles.delete(name);
    }
  }
}

/** The tile at the right edge of its level, where the place is that; undefined where there is a full tile. */
function edgeAt({ range, edges }: TreeState, { level, index }: TilePlace): TileEdge | undefined {
  const complete = Math.floor(range.size / TILE_WIDTH ** level);
  const edgeIndex = Math.floor(complete / TILE_WIDTH);
  if (index > edgeIndex) throw new LogError('not-in-log', 'a tile beyond the tree was asked for', { level, index });
  return index === edgeIndex ? (edges[level] ?? []) : undefined;
}

function keysOf({ level, index }: TilePlace): readonly Uint8Array[] {
  return [tileKey(level, index), shortcutKey(level, index)];
}

function nameOf({ level, index }: TilePlace): string {
  return `${level}/${index}`;
}
