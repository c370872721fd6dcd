/**
 * The search index of one log: which events carry which terms. Its rows are written in the same batch as the events,
 * so that an answer can be complete; the newest blocks are also held in memory, and full ones are sealed apart from
 * the submissions. A crash while a block is being sealed leaves its tail rows, and it is sealed again.
 */
import type { Hasher } from '../../proofs/hash.ts';
import { containerKey, decodeBlockCount, encodeBlockCount, SEALED_KEY, tailFirstIndex, tailKey } from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import type { PutRow, Row, Store } from '../store/contract.ts';
import { CheckedRuns, type Run } from './checked-runs.ts';
import {
  addContainer,
  addGroup,
  addOffsets,
  addTailRow,
  BLOCK_EVENTS,
  type BlockTerms,
  containerRow,
  emptySet,
  type GroupTerms,
  type OffsetSet,
  openContainer,
} from './postings.ts';

/** Blocks read from the store at once: one at first, because it often has a whole page; then twice as many each time. */
const FIRST_SWEEP_BLOCKS = 1;
const MAX_SWEEP_BLOCKS = 256;
const MAX_LOOKED_UP_BLOCKS = 16;
/** Blocks that one search examines before it says that it is not complete: 33 million events. */
const MAX_BLOCKS = 2048;
/** Rows written at once while sealing, so that submissions wait little. */
const SEAL_ROWS = 1000;
const LOAD_ROWS = 1000;

export interface IndexQuery {
  /** Each clause lists alternatives; an event matches that carries one term of every clause. */
  readonly clauses: readonly (readonly string[])[];
  readonly from: number;
  /** Exclusive, at most the tree's size. */
  readonly to: number;
  readonly limit: number;
}

export interface IndexAnswer {
  readonly indices: readonly number[];
  /** False when the work bound was reached: indices at and beyond `next` were not examined. */
  readonly complete: boolean;
  readonly next: number;
}

export class SearchIndex {
  readonly #store: Store;
  readonly #hasher: Hasher;
  readonly #onFailure: (error: unknown) => void;
  readonly #checked = new CheckedRuns();
  /** Blocks that are not sealed, by number; the last one is still growing. */
  readonly #open = new Map<number, BlockTerms>();
  #sealedBlocks: number;
  #size: number;
  #sealing: Promise<void> | undefined;
  #closed = false;

  private constructor(store: Store, hasher: Hasher, sealedBlocks: number, onFailure: (error: unknown) => void) {
    this.#store = store;
    this.#hasher = hasher;
    this.#sealedBlocks = sealedBlocks;
    this.#size = sealedBlocks * BLOCK_EVENTS;
    this.#onFailure = onFailure;
  }

  /** Reads the unsealed tail. Throws LogError `corrupt-data` if it does not reach exactly to the tree's size. */
  static async load(
    store: Store,
    size: number,
    hasher: Hasher,
    onFailure: (error: unknown) => void,
  ): Promise<SearchIndex> {
    const index = new SearchIndex(store, hasher, decodeBlockCount(await store.get(SEALED_KEY)), onFailure);
    await index.#loadTail(size);
    index.#sealFullBlocks();
    return index;
  }

  /** Takes a group whose rows are durable now, and its lists with it. */
  append(group: readonly GroupTerms[]): void {
    for (const part of group) {
      addGroup(this.#block(part.first), part);
      this.#size += part.count;
    }
    this.#sealFullBlocks();
  }

  async search({ clauses, from, to, limit }: IndexQuery): Promise<IndexAnswer> {
    const indices: number[] = [];
    const end = Math.min(to, this.#size);
    const lastBlock = Math.floor((end - 1) / BLOCK_EVENTS);
    let block = Math.floor(from / BLOCK_EVENTS);
    const stopBlock = block + MAX_BLOCKS;
    let sweepBlocks = FIRST_SWEEP_BLOCKS;
    while (block <= lastBlock && from < end) {
      if (block >= stopBlock) return { indices, complete: false, next: block * BLOCK_EVENTS };
      const sweepEnd = Math.min(block + sweepBlocks, lastBlock + 1);
      for (const [number, set] of await this.#sweep(clauses, block, sweepEnd)) {
        collect(set, number * BLOCK_EVENTS, from, end, limit, indices);
        if (indices.length >= limit) return { indices, complete: true, next: (indices.at(-1) ?? from) + 1 };
      }
      block = sweepEnd;
      sweepBlocks = Math.min(2 * sweepBlocks, MAX_SWEEP_BLOCKS);
    }
    return { indices, complete: true, next: end };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#sealing;
  }

  /** The matches of each block in [from, to) that has any candidates, in order. */
  async #sweep(
    clauses: readonly (readonly string[])[],
    from: number,
    to: number,
  ): Promise<readonly [number, OffsetSet][]> {
    let matching: Map<number, OffsetSet> | undefined;
    for (const clause of clauses) {
      const found = await this.#unite(clause, from, to);
      matching = matching === undefined ? found : intersect(matching, found);
      if (matching.size === 0) return [];
    }
    return [...(matching ?? [])].sort(([a], [b]) => a - b);
  }

  /** Per block the events that carry any of the terms. */
  async #unite(terms: readonly string[], from: number, to: number): Promise<Map<number, OffsetSet>> {
    const sets = new Map<number, OffsetSet>();
    const setOf = (block: number): OffsetSet => {
      const set = sets.get(block) ?? emptySet();
      sets.set(block, set);
      return set;
    };
    // A block leaves memory only after its containers are durable, and both are looked at in one turn: it is in one of them.
    for (const [block, own] of this.#open) {
      if (block < from || block >= to) continue;
      for (const term of terms) {
        const offsets = own.get(term);
        if (offsets !== undefined) addOffsets(setOf(block), offsets);
      }
    }
    const sealedEnd = Math.min(to, this.#sealedBlocks);
    if (from >= sealedEnd) return sets;
    for (const run of await this.#runs(terms, from, sealedEnd)) {
      for (const [block, container] of run) addContainer(setOf(block), container);
    }
    return sets;
  }

  /** What each of the terms has in the sealed blocks [from, to). */
  async #runs(terms: readonly string[], from: number, to: number): Promise<readonly Run[]> {
    const known = terms.map((term) => this.#checked.get(term, from, to));
    const missing = terms.filter((_, i) => known[i] === undefined);
    const read = await this.#readRuns(missing, from, to);
    for (const [i, term] of missing.entries()) this.#checked.put(term, from, to, read[i] ?? []);
    let next = 0;
    return known.map((run) => run ?? read[next++] ?? []);
  }

  /** Few blocks are looked up; of many, a term is a range. */
  async #readRuns(terms: readonly string[], from: number, to: number): Promise<readonly Run[]> {
    if (to - from > MAX_LOOKED_UP_BLOCKS) {
      const bounds = terms.map((term) => ({ gte: containerKey(term, from), lt: containerKey(term, to) }));
      const found = await Promise.all(bounds.map((range) => this.#store.range({ ...range, limit: to - from })));
      return found.map((rows) => rows.map((row) => [blockOf(row), openContainer(row, this.#hasher)] as const));
    }
    const blocks = Array.from({ length: to - from }, (_, i) => from + i);
    const keys = terms.flatMap((term) => blocks.map((block) => containerKey(term, block)));
    const values = await this.#store.getMany(keys);
    return terms.map((_, i) =>
      blocks.flatMap((block, j) => {
        const [key, value] = [keys[i * blocks.length + j], values[i * blocks.length + j]];
        if (key === undefined || value === undefined) return [];
        return [[block, openContainer({ key, value }, this.#hasher)] as const];
      }),
    );
  }

  #block(index: number): BlockTerms {
    const number = Math.floor(index / BLOCK_EVENTS);
    const terms = this.#open.get(number) ?? new Map<string, number[]>();
    this.#open.set(number, terms);
    return terms;
  }

  async #loadTail(size: number): Promise<void> {
    while (this.#size < size) {
      const rows = await this.#store.range({ gte: tailKey(this.#size), lt: tailKey(size), limit: LOAD_ROWS });
      if (rows.length === 0) throw gap(this.#size);
      for (const row of rows) {
        const first = tailFirstIndex(row.key);
        if (first !== this.#size) throw gap(this.#size);
        this.#size += addTailRow(row, first, this.#block(first), this.#hasher);
      }
    }
    if (this.#size !== size) throw gap(size);
  }

  #sealFullBlocks(): void {
    if (this.#sealing !== undefined || this.#closed || this.#size < (this.#sealedBlocks + 1) * BLOCK_EVENTS) return;
    this.#sealing = this.#seal(this.#sealedBlocks)
      .catch((error: unknown) => {
        this.#closed = true;
        this.#onFailure(error);
      })
      .finally(() => {
        this.#sealing = undefined;
        this.#sealFullBlocks();
      });
  }

  /** Containers first, in any number of batches; then, in one batch, the new count and the end of the tail rows. */
  async #seal(block: number): Promise<void> {
    const terms = this.#open.get(block) ?? new Map<string, number[]>();
    let rows: PutRow[] = [];
    for (const [term, offsets] of terms) {
      rows.push(containerRow(term, block, offsets, this.#hasher));
      if (rows.length < SEAL_ROWS) continue;
      if (this.#closed) return;
      await this.#store.write(rows);
      rows = [];
    }
    const last: Row[] = [...rows, { key: SEALED_KEY, value: encodeBlockCount(block + 1) }];
    let first = block * BLOCK_EVENTS;
    const end = (block + 1) * BLOCK_EVENTS;
    while (first < end) {
      const tail = await this.#store.range({ gte: tailKey(first), lt: tailKey(end), limit: LOAD_ROWS });
      if (tail.length === 0) break;
      for (const { key } of tail) last.push({ key, delete: true });
      first = tailFirstIndex(tail.at(-1)?.key ?? tailKey(end)) + 1;
    }
    if (this.#closed) return;
    await this.#store.write(last);
    this.#sealedBlocks = block + 1;
    this.#open.delete(block);
  }
}

function blockOf(row: PutRow): number {
  return new DataView(row.key.buffer, row.key.byteOffset, row.key.byteLength).getUint32(row.key.length - 4);
}

function intersect(a: ReadonlyMap<number, OffsetSet>, b: ReadonlyMap<number, OffsetSet>): Map<number, OffsetSet> {
  const both = new Map<number, OffsetSet>();
  for (const [block, set] of a) {
    const other = b.get(block);
    if (other === undefined) continue;
    let any = 0;
    for (let i = 0; i < set.length; i++) {
      const word = (set[i] ?? 0) & (other[i] ?? 0);
      set[i] = word;
      any |= word;
    }
    if (any !== 0) both.set(block, set);
  }
  return both;
}

/** Adds the members of the set in [from, end) to `into`, up to the limit. */
function collect(set: OffsetSet, base: number, from: number, end: number, limit: number, into: number[]): void {
  for (let i = 0; i < set.length; i++) {
    let word = set[i] ?? 0;
    while (word !== 0) {
      const bit = 31 - Math.clz32(word & -word);
      word &= word - 1;
      const index = base + 32 * i + bit;
      if (index < from) continue;
      if (index >= end || into.length >= limit) return;
      into.push(index);
    }
  }
}

function gap(index: number): LogError {
  return new LogError('corrupt-data', `the search index has no row for index ${index}`, { index });
}
