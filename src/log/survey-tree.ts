/**
 * Finds out which entries and which tiles of a stored tree are good, when not all of them agree. Two stories are held
 * against each other: hashes computed upwards from the entries, and hashes that the tiles store. Where they differ, the
 * hash above decides, and above that the one above, up to a root that somebody signed.
 *
 *   addLeaves (every window of 256, in order) ─▶ addTiles (level by level) ─▶ judge(peaks) or judge(root)
 *
 * A log on disk has no partial tiles; who examines one that is served adds them, as a third story (addEdge).
 *
 * Only what differs is remembered in full, so that a whole log of a thousand million entries fits in memory.
 */
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { decodeTile, encodeTile, FULL_TILE_BYTES, hashesAtLevel, TILE_HEIGHT, TILE_WIDTH } from '../../proofs/tile.ts';
import { foldPeaks, nodesCovering, rootOfHashes } from '../../proofs/tree.ts';
import type { Store } from '../store/contract.ts';
import { choose, combinations, foldIfWhole, same, unique } from './combine-hashes.ts';
import { type Damage, damage } from './damage.ts';
import { readRow, readWindow } from './read-damaged.ts';
import { tileKey } from './rows.ts';
import { fitsMark } from './state-row.ts';

type Maybe<T> = T | undefined;

/** Ways to combine what a tile and the entries under it say, where both are damaged. */
const MAX_MIXTURES = 64;
/** Windows whose 256 leaves are remembered because they differ from their tile. */
const MAX_REMEMBERED = 4096;

interface Differing {
  readonly computed: readonly Maybe<Hash>[];
  readonly stored: Maybe<readonly Hash[]>;
}

export interface SurveyedTree {
  readonly damages: readonly Damage[];
  /** The leaf hashes that the tree has at bad entries, where that is known: what a copy's bytes have to hash to. */
  readonly expected: ReadonlyMap<number, Hash>;
  /** Bad tiles, by level and index. */
  readonly tiles: readonly { readonly level: number; readonly index: number }[];
  /** Entries that no hash vouches for as long as something beside them is damaged: a mark names, and proves nothing. */
  readonly unproven: ReadonlySet<number>;
}

export class TreeSurvey {
  readonly #size: number;
  readonly #hasher: Hasher;
  /** Per tile level: the node hashes computed from the entries. Level 0 is kept for the rightmost window only. */
  readonly #computed: Maybe<Hash>[][] = [[]];
  /** Per tile level ≥ 1: the same nodes by the tiles below them. */
  readonly #stored: Maybe<Hash>[][] = [[]];
  /** Per tile level: rows that are not what their children say. */
  readonly #differing: Map<number, Differing>[] = [];
  /** Per tile level: the hashes of the partial tile, if there is one to be had. */
  readonly #edges: Maybe<readonly Hash[]>[] = [];
  readonly #badEdges = new Set<number>();
  #forgotten = 0;

  readonly #damages: Damage[] = [];
  readonly #expected = new Map<number, Hash>();
  readonly #tiles: { level: number; index: number }[] = [];
  readonly #unproven = new Set<number>();

  constructor(size: number, hasher: Hasher) {
    this.#size = size;
    this.#hasher = hasher;
  }

  /** The next window: hashes of its entries (undefined: not readable) and, if the tile is full, its stored row. */
  addLeaves(window: number, hashes: readonly Maybe<Hash>[], row: Maybe<Uint8Array>): void {
    if (hashes.length < TILE_WIDTH) this.#computed[0] = [...hashes];
    else this.#addTile(0, window, hashes, row);
  }

  /** The tiles above the leaves, level by level. */
  async addTiles(readRow: (level: number, index: number) => Promise<Maybe<Uint8Array>>): Promise<void> {
    for (let level = 1; TILE_WIDTH ** (level + 1) <= this.#size; level++) {
      const count = Math.floor(this.#size / TILE_WIDTH ** (level + 1));
      for (let index = 0; index < count; index++) {
        const children = (this.#computed[level] ?? []).slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
        this.#addTile(level, index, children, await readRow(level, index));
      }
    }
  }

  /** The partial tile at the right edge of a level. */
  addEdge(level: number, hashes: readonly Hash[]): void {
    this.#edges[level] = hashes;
  }

  /** Judges under peaks that are trusted. `marks` name entries of the rightmost window. */
  judge(peaks: readonly Hash[], marks: Maybe<Uint8Array>): SurveyedTree {
    for (const [i, { children }] of this.#peaks().entries()) {
      const peak = peaks[i];
      if (peak !== undefined) this.#judgePeak(peak, children, marks);
    }
    for (const level of this.#badEdges) this.#blameEdge(level);
    return { damages: this.#damages, expected: this.#expected, tiles: this.#tiles, unproven: this.#unproven };
  }

  /** Peaks that lead to this root, by either story; undefined if both are damaged. */
  peaksOf(root: Hash): Maybe<readonly Hash[]> {
    const peaks = this.#peaks().map(({ children }) => children);
    const fold = (stories: readonly (readonly Hash[])[]): Maybe<readonly Hash[]> =>
      choose(stories, (hashes) => foldPeaks(hashes, this.#hasher), root);
    const plain = peaks.map((children) => this.#storiesOf(children));
    return (
      fold(plain) ?? fold(peaks.map((children, i) => unique([...(plain[i] ?? []), ...this.#mixturesOf(children)])))
    );
  }

  /** A full tile as its children say, once everything was added; undefined if one of them is not known. */
  computedTile(level: number, index: number): Maybe<Uint8Array> {
    const children =
      level === 0
        ? (this.#differing[0]?.get(index)?.computed ?? [])
        : (this.#computed[level] ?? []).slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
    const whole = children.flatMap((hash) => hash ?? []);
    return whole.length === TILE_WIDTH ? encodeTile(whole) : undefined;
  }

  #addTile(level: number, index: number, children: readonly Maybe<Hash>[], row: Maybe<Uint8Array>): void {
    const stored = row?.length === FULL_TILE_BYTES ? decodeTile(row) : undefined;
    this.#level(this.#computed, level + 1)[index] = foldIfWhole(children, this.#hasher);
    this.#level(this.#stored, level + 1)[index] = stored === undefined ? undefined : rootOfHashes(stored, this.#hasher);
    if (stored !== undefined && children.every((hash, i) => same(hash, stored[i]))) return;
    this.#differing[level] ??= new Map();
    if (this.#differing[level].size < MAX_REMEMBERED)
      this.#differing[level].set(index, { computed: [...children], stored });
    else this.#forgotten += 1;
  }

  #level(of: Maybe<Hash>[][], level: number): Maybe<Hash>[] {
    of[level] ??= [];
    return of[level];
  }

  /** Each peak of the tree as a fold of whole nodes of one tile level. */
  #peaks(): readonly { readonly children: readonly Child[] }[] {
    return nodesCovering(0, this.#size).map(({ level, index }) => {
      const tileLevel = Math.floor(level / TILE_HEIGHT);
      const count = 2 ** (level % TILE_HEIGHT);
      const first = index * count;
      return { children: Array.from({ length: count }, (_, i) => this.#child(tileLevel, first + i)) };
    });
  }

  #child(level: number, index: number): Child {
    const place = level === 0 ? index % TILE_WIDTH : index;
    const isAtEdge = Math.floor(index / TILE_WIDTH) === Math.floor(hashesAtLevel(level, this.#size) / TILE_WIDTH);
    return {
      ...{ level, index, computed: this.#computed[level]?.[place], stored: this.#stored[level]?.[index] },
      edge: isAtEdge ? this.#edges[level]?.[index % TILE_WIDTH] : undefined,
    };
  }

  /** What a peak is, by each story alone. */
  #storiesOf(children: readonly Child[]): readonly Hash[] {
    const stories = [
      children.map((one) => one.computed),
      children.map((one) => one.stored ?? one.computed),
      children.map((one) => one.edge),
    ];
    return unique(stories.map((story) => foldIfWhole(story, this.#hasher)));
  }

  /** And if each child is as one of them has it. */
  #mixturesOf(children: readonly Child[]): readonly Hash[] {
    const candidates = children.map(({ computed, stored, edge }) => unique([computed, stored, edge]));
    const mixtures: Hash[] = [];
    for (const hashes of combinations(candidates, MAX_MIXTURES)) mixtures.push(rootOfHashes(hashes, this.#hasher));
    return mixtures;
  }

  #judgePeak(peak: Hash, children: readonly Child[], marks: Maybe<Uint8Array>): void {
    const computed = children.map((one) => one.computed);
    const edge = children.map((one) => one.edge);
    for (const story of [computed, edge]) {
      if (!same(foldIfWhole(story, this.#hasher), peak)) continue;
      for (const [i, child] of children.entries()) this.#judgeChild(child, story[i] ?? peak);
      return;
    }
    if (children[0]?.level === 0 && edge.every((hash) => hash === undefined)) this.#judgeByMarks(children, marks);
    else this.#judgeChildren(peak, children, edge);
  }

  /** Entries behind the last full tile: no tile has their hashes. */
  #judgeByMarks(children: readonly Child[], marks: Maybe<Uint8Array>): void {
    const bad = children.filter(
      ({ index, computed }) => computed !== undefined && !fitsMark(marks, index % TILE_WIDTH, computed),
    );
    for (const { index } of bad) this.#damages.push(entryAltered(index));
    for (const { index } of children) this.#unproven.add(index);
    const known = bad.length > 0 || children.some(({ computed }) => computed === undefined);
    if (!known) this.#unlocated(children);
  }

  /** Finds out which hash each child has in truth, given the hash over them, and goes on below those that differ. */
  #judgeChildren(above: Hash, children: readonly Child[], row: Maybe<readonly Maybe<Hash>[]>): void {
    const fold = (hashes: readonly Hash[]): Hash => rootOfHashes(hashes, this.#hasher);
    const plain = children.map(({ computed, stored }, i) => unique([computed, stored, row?.[i]]));
    const mixed = (): readonly (readonly Hash[])[] =>
      children.map((child, i) => unique([...(plain[i] ?? []), ...this.#mixturesBelow(child)]));
    const truth = choose(plain, fold, above) ?? choose(mixed(), fold, above);
    if (truth === undefined) {
      this.#unlocated(children);
      return;
    }
    for (const [i, hash] of truth.entries()) {
      const child = children[i];
      if (child !== undefined) this.#judgeChild(child, hash);
    }
  }

  #judgeChild(child: Child, truth: Hash): void {
    if (child.edge !== undefined && !same(child.edge, truth)) this.#badEdges.add(child.level);
    this.#judgeNode(child, truth);
  }

  /** Where entry and tile are both damaged: hashes that this node has if at each leaf one of both is right. */
  #mixturesBelow({ level, index }: Child): readonly Hash[] {
    const differing = this.#differing[level - 1]?.get(index);
    if (differing === undefined) return [];
    const candidates = Array.from({ length: TILE_WIDTH }, (_, i) =>
      unique([differing.computed[i], differing.stored?.[i]]),
    );
    const mixtures: Hash[] = [];
    for (const hashes of combinations(candidates, MAX_MIXTURES)) mixtures.push(rootOfHashes(hashes, this.#hasher));
    return mixtures;
  }

  #judgeNode({ level, index, computed }: Child, truth: Hash): void {
    if (same(computed, truth)) {
      this.#blameTilesBelow(level, index);
      return;
    }
    if (level === 0) {
      this.#expected.set(index, truth);
      if (computed !== undefined) this.#damages.push(entryAltered(index));
      return;
    }
    const differing = this.#differing[level - 1]?.get(index);
    if (differing === undefined && level === 1) {
      const first = index * TILE_WIDTH;
      this.#damages.push(
        damage(
          'entry-unlocated',
          first,
          `entries ${first} to ${first + TILE_WIDTH - 1} and their tile are not those of the tree`,
          first + TILE_WIDTH - 1,
        ),
      );
      return;
    }
    const row = differing?.stored;
    const rowIsGood = row !== undefined && same(rootOfHashes(row, this.#hasher), truth);
    const children = Array.from({ length: TILE_WIDTH }, (_, i): Child => {
      const child = this.#child(level - 1, index * TILE_WIDTH + i);
      return level === 1 ? { ...child, computed: differing?.computed[i], stored: undefined } : child;
    });
    if (differing !== undefined && !rowIsGood) this.#blameTile(level - 1, index, row === undefined);
    if (rowIsGood) for (const [i, child] of children.entries()) this.#judgeNode(child, row[i] ?? truth);
    else this.#judgeChildren(truth, children, row);
  }

  /** The entries below are good, so whatever tile differs from them is not. */
  #blameTilesBelow(level: number, index: number): void {
    for (let below = level - 1; below >= 0; below--) {
      const span = TILE_WIDTH ** (level - 1 - below);
      const differing = this.#differing[below];
      if (differing === undefined || differing.size === 0) continue;
      for (const [tile, { stored }] of differing) {
        if (Math.floor(tile / span) === index) this.#blameTile(below, tile, stored === undefined);
      }
    }
  }

  #blameTile(level: number, index: number, isMissing: boolean): void {
    const first = index * TILE_WIDTH ** (level + 1);
    const last = first + TILE_WIDTH ** (level + 1) - 1;
    const what = isMissing ? 'is missing or cut' : 'was altered';
    this.#tiles.push({ level, index });
    this.#damages.push(
      damage('tile-altered', first, `tile ${level}/${index} over entries ${first} to ${last} ${what}`, last),
    );
  }

  #blameEdge(level: number): void {
    const index = Math.floor(hashesAtLevel(level, this.#size) / TILE_WIDTH);
    const first = index * TILE_WIDTH ** (level + 1);
    this.#damages.push(damage('tile-altered', first, `partial tile ${level}/${index} was altered`, this.#size - 1));
  }

  #unlocated(children: readonly Child[]): void {
    const [first] = children;
    const last = children.at(-1);
    if (first === undefined || last === undefined) return;
    const span = TILE_WIDTH ** first.level;
    const from = first.index * span;
    const to = (last.index + 1) * span - 1;
    const more = this.#forgotten === 0 ? '' : ` (${this.#forgotten} damaged tiles were not looked at)`;
    this.#damages.push(
      damage(
        'entry-unlocated',
        from,
        `entries ${from} to ${to} and the tiles over them do not lead to the root of the tree${more}`,
        to,
      ),
    );
  }
}

/** Reads the entries, or what replaces them, and the tiles of the first `size` leaves; nothing is judged yet. */
export async function surveyStored(
  store: Store,
  size: number,
  hasher: Hasher,
  replaced: ReadonlyMap<number, Uint8Array> = new Map(),
): Promise<TreeSurvey> {
  const survey = new TreeSurvey(size, hasher);
  for (let from = 0; from < size; from += TILE_WIDTH) {
    const to = Math.min(size, from + TILE_WIDTH);
    const { items } = await readWindow(store, 'entries', from, to);
    const row = to - from === TILE_WIDTH ? await readRow(store, tileKey(0, from / TILE_WIDTH)) : undefined;
    survey.addLeaves(
      from / TILE_WIDTH,
      items.map((stored, i) => {
        const entry = replaced.get(from + i) ?? stored;
        return entry === undefined ? undefined : hasher.leaf(entry);
      }),
      row,
    );
  }
  await survey.addTiles((level, index) => readRow(store, tileKey(level, index)));
  return survey;
}

interface Child {
  readonly level: number;
  readonly index: number;
  readonly computed: Maybe<Hash>;
  readonly stored: Maybe<Hash>;
  /** By the partial tile that it is in. */
  readonly edge: Maybe<Hash>;
}

function entryAltered(index: number): Damage {
  return damage('entry-altered', index, `entry ${index} was altered: its hash is not the one in the tree`);
}
