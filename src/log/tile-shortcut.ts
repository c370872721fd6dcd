/**
 * What is stored beside a full tile so that little of it has to be looked at for one leaf:
 *
 *   16 nodes, four levels above the tile's 256 hashes ‖ at level 0 only: 32 bytes, bit i of byte ⌊i/8⌋ (least
 *   significant first) set where a stored chunk of entries begins at leaf i
 *
 * With the nodes the first look at a leaf costs 30 hashes and not 255; with the bits the key of the row that has its
 * entry is known, and nothing has to be sought. All of it can be had from the tile and the rows: a shortcut that is
 * missing or wrong costs time and never an answer, because its nodes are compared with the tree before they are used, and
 * an entry is sought where the bits say nothing true.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { HASH_BYTES, type Hash, type Hasher } from '../../proofs/hash.ts';
import { FULL_TILE_BYTES, TILE_WIDTH } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { LogError } from './types.ts';

/** Levels between the hashes of a tile and the nodes of its shortcut. */
export const MIDDLE_LEVEL = 4;
const GROUP_HASHES = 2 ** MIDDLE_LEVEL;
const MIDDLES = TILE_WIDTH / GROUP_HASHES;
const MIDDLES_BYTES = MIDDLES * HASH_BYTES;
const STARTS_BYTES = TILE_WIDTH / 8;

export interface TilePlace {
  /** Tile level, 0 for leaf hashes. */
  readonly level: number;
  readonly index: number;
}

/** The nodes over each 16 of these hashes, as far as they are complete. */
export function middlesOf(hashes: readonly Hash[], hasher: Hasher): readonly Hash[] {
  const middles: Hash[] = [];
  for (let end = GROUP_HASHES; end <= hashes.length; end += GROUP_HASHES) {
    middles.push(rootOfHashes(hashes.slice(end - GROUP_HASHES, end), hasher));
  }
  return middles;
}

/** `chunkStarts`: first indices of the chunks that the tile's entries are stored in; undefined above level 0. */
export function encodeShortcut(middles: readonly Hash[], chunkStarts: readonly number[] | undefined): Uint8Array {
  const row = new Uint8Array(MIDDLES_BYTES + (chunkStarts === undefined ? 0 : STARTS_BYTES));
  for (const [i, hash] of middles.entries()) row.set(hash, i * HASH_BYTES);
  for (const start of chunkStarts ?? []) {
    const offset = start % TILE_WIDTH;
    const at = MIDDLES_BYTES + (offset >>> 3);
    row[at] = (row[at] ?? 0) | (1 << (offset & 7));
  }
  return row;
}

/** A full tile out of its row, as far as it was looked at compared with the tree. */
export class CheckedTile {
  readonly #hashes: Uint8Array;
  /** Over the nodes of the shortcut. */
  readonly #middles: Levels;
  readonly #starts: Uint8Array;
  readonly #place: TilePlace;
  readonly #hasher: Hasher;
  /** Bit g: the 16 hashes of group g were compared with their node. */
  #checkedGroups = 0;
  /** The group that was looked into last: a proof needs several nodes of one. */
  #lastGroup: { readonly group: number; readonly levels: Levels } | undefined;

  /** `expected` is the tile's hash in the tile above. Throws LogError `corrupt-data`. */
  constructor(
    place: TilePlace,
    row: Uint8Array | undefined,
    shortcut: Uint8Array | undefined,
    expected: Hash | undefined,
    hasher: Hasher,
  ) {
    this.#place = place;
    this.#hasher = hasher;
    if (row?.length !== FULL_TILE_BYTES) throw this.#corrupt('is missing or cut');
    this.#hashes = row;
    this.#starts = shortcut?.subarray(MIDDLES_BYTES) ?? new Uint8Array(0);
    const stored = shortcut?.subarray(0, MIDDLES_BYTES);
    if (stored?.length === MIDDLES_BYTES) {
      this.#middles = levelsOver(slice(stored, 0, MIDDLES), hasher);
      if (leadsTo(this.#middles, expected)) return;
    }
    this.#middles = levelsOver(middlesOf(slice(row, 0, TILE_WIDTH), hasher), hasher);
    if (!leadsTo(this.#middles, expected)) throw this.#corrupt('was altered on disk');
  }

  /** The node `height` levels above the tile's hashes, over those from `first` on. Throws LogError `corrupt-data`. */
  node(height: number, first: number): Hash {
    const isAbove = height >= MIDDLE_LEVEL;
    const levels = isAbove ? this.#middles : this.#checkedGroup(Math.floor(first / GROUP_HASHES));
    const offset = isAbove ? first / GROUP_HASHES : first % GROUP_HASHES;
    const level = isAbove ? height - MIDDLE_LEVEL : height;
    const node = levels[level]?.[offset >>> level];
    if (node === undefined) throw new Error(`no node ${height} levels above hash ${first} of a tile`);
    return node.slice();
  }

  /** The first `width` hashes. Throws LogError `corrupt-data`. */
  bytes(width: number): Uint8Array {
    for (let group = 0; group * GROUP_HASHES < width; group++) {
      if ((this.#checkedGroups & (1 << group)) === 0) this.#checkedGroup(group);
    }
    return this.#hashes.slice(0, width * HASH_BYTES);
  }

  /** First index of the chunk that holds this entry, as far as that is known. Level 0 only. */
  chunkStart(index: number): number | undefined {
    const first = index - (index % TILE_WIDTH);
    for (let at = index - first; at >= 0; at--) {
      if (((this.#starts[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0) return first + at;
    }
    return undefined;
  }

  #checkedGroup(group: number): Levels {
    if (this.#lastGroup?.group === group) return this.#lastGroup.levels;
    const levels = levelsOver(slice(this.#hashes, group * GROUP_HASHES, GROUP_HASHES), this.#hasher);
    if (!leadsTo(levels, this.#middles[0]?.[group])) throw this.#corrupt('was altered on disk');
    this.#checkedGroups |= 1 << group;
    this.#lastGroup = { group, levels };
    return levels;
  }

  #corrupt(what: string): LogError {
    const { level, index } = this.#place;
    const first = index * TILE_WIDTH ** (level + 1);
    const details = { level, tile: index, index: first };
    return new LogError('corrupt-data', `tile ${level}/${index}, from leaf ${first} on, ${what}`, details);
  }
}

/** Sixteen hashes, the eight nodes over them, and so on up to the one over all. */
type Levels = readonly (readonly Hash[])[];

function levelsOver(hashes: readonly Hash[], hasher: Hasher): Levels {
  const levels: (readonly Hash[])[] = [hashes];
  for (let below = hashes; below.length > 1; ) {
    const nodes: Hash[] = [];
    for (let i = 0; i + 1 < below.length; i += 2) nodes.push(hasher.node(at(below, i), at(below, i + 1)));
    levels.push(nodes);
    below = nodes;
  }
  return levels;
}

function leadsTo(levels: Levels, expected: Hash | undefined): boolean {
  const root = levels[MIDDLE_LEVEL]?.[0];
  return root !== undefined && expected !== undefined && equalBytes(root, expected);
}

function at(hashes: readonly Hash[], index: number): Hash {
  const hash = hashes[index];
  if (hash === undefined) throw new Error('a group of a tile has sixteen hashes');
  return hash;
}

/** Views: whoever hands one on copies it, or a hash that is kept keeps the whole row. */
function slice(hashes: Uint8Array, first: number, count: number): Hash[] {
  const views: Hash[] = [];
  for (let i = first; i < first + count; i++) views.push(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  return views;
}
