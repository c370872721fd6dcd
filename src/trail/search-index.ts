/**
 * The search index of one log: which events carry which terms. Its rows are written in the same batch as the events,
 * so that an answer can be complete; the newest blocks are also held in memory, and full ones are sealed apart from
 * the submissions (keep-index.ts). A crash while a block is being sealed leaves its tail rows, and it is sealed again.
 */
import type { Hasher } from '../../proofs/hash.ts';
import { COUNTS_KEY, decodeCounts, type IndexCounts, tailFirstIndex, tailKey } from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import type { Store } from '../store/contract.ts';
import { CheckedRuns, type Run } from './checked-runs.ts';
import { type IndexForm, type IndexSizes, SIZES } from './index-pace.ts';
import { IndexKeeper } from './keep-index.ts';
import {
  addContainer,
  addGroup,
  addOffsets,
  addTailRow,
  type BlockTerms,
  emptySet,
  type GroupTerms,
  type OffsetSet,
} from './postings.ts';
import { type Guess, guessFrom, readRuns, type SealedIndex } from './read-runs.ts';

/** Blocks read from the store at once: one at first, because it often has a whole page; then twice as many each time. */
const FIRST_SWEEP_BLOCKS = 1;
const MAX_SWEEP_BLOCKS = 256;
/** Blocks that one search examines before it says that it is not complete: 33 million events. */
const MAX_BLOCKS = 2048;
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
  readonly #form: IndexForm;
  readonly #keeper: IndexKeeper;
  readonly #checked = new CheckedRuns();
  /** Reads of sealed blocks that are under way. */
  readonly #reading = new Set<Promise<unknown>>();
  /** Blocks that are not sealed, by number; the last one is still growing. */
  readonly #open = new Map<number, BlockTerms>();
  #size: number;

  private constructor(store: Store, form: IndexForm, counts: IndexCounts, onFailure: (error: unknown) => void) {
    this.#store = store;
    this.#form = form;
    this.#size = counts.sealed * form.layout.blockEvents;
    this.#keeper = new IndexKeeper({
      ...{ store, form, counts, onFailure },
      fullBlock: (block) => this.#fullBlock(block),
      onSealed: (block) => this.#open.delete(block),
      readersOfBefore: async () => void (await Promise.allSettled(this.#reading)),
    });
  }

  /** Reads the unsealed tail. Throws LogError `corrupt-data` if it does not reach exactly to the tree's size. */
  static async load(
    store: Store,
    size: number,
    hasher: Hasher,
    onFailure: (error: unknown) => void,
    sizes: IndexSizes = SIZES,
  ): Promise<SearchIndex> {
    const counts = decodeCounts(await store.get(COUNTS_KEY), sizes.layout.spanBlocks);
    const index = new SearchIndex(store, { ...sizes, hasher }, counts, onFailure);
    await index.#loadTail(size);
    index.#keeper.work();
    return index;
  }

  /** Takes a group whose rows are durable now, and its lists with it. */
  append(group: readonly GroupTerms[]): void {
    for (const part of group) {
      addGroup(this.#block(part.first), part);
      this.#size += part.count;
    }
    this.#keeper.work();
  }

  async search({ clauses, from, to, limit }: IndexQuery): Promise<IndexAnswer> {
    const { blockEvents, spanBlocks } = this.#form.layout;
    const indices: number[] = [];
    const guesses: Guesses = new Map();
    const end = Math.min(to, this.#size);
    const lastBlock = Math.floor((end - 1) / blockEvents);
    let block = Math.floor(from / blockEvents);
    const stopBlock = block + MAX_BLOCKS;
    let sweepBlocks = FIRST_SWEEP_BLOCKS;
    while (block <= lastBlock && from < end) {
      if (block >= stopBlock) return { indices, complete: false, next: block * blockEvents };
      const sweepEnd = Math.min(endOfSweep(block, sweepBlocks, spanBlocks), lastBlock + 1);
      for (const [number, set] of await this.#sweep(clauses, block, sweepEnd, guesses)) {
        collect(set, number * blockEvents, from, end, limit, indices);
        if (indices.length >= limit) return { indices, complete: true, next: (indices.at(-1) ?? from) + 1 };
      }
      block = sweepEnd;
      sweepBlocks = Math.min(2 * sweepBlocks, MAX_SWEEP_BLOCKS);
    }
    return { indices, complete: true, next: end };
  }

  async close(): Promise<void> {
    await this.#keeper.close();
  }

  /** The matches of each block in [from, to) that has any candidates, in order. */
  async #sweep(
    clauses: readonly (readonly string[])[],
    from: number,
    to: number,
    guesses: Guesses,
  ): Promise<readonly [number, OffsetSet][]> {
    let matching: Map<number, OffsetSet> | undefined;
    for (const clause of clauses) {
      const found = await this.#unite(clause, from, to, guesses);
      matching = matching === undefined ? found : intersect(matching, found);
      if (matching.size === 0) return [];
    }
    return [...(matching ?? [])].sort(([a], [b]) => a - b);
  }

  /** Per block the events that carry any of the terms. */
  async #unite(terms: readonly string[], from: number, to: number, guesses: Guesses): Promise<Map<number, OffsetSet>> {
    const sets = new Map<number, OffsetSet>();
    const setOf = (block: number): OffsetSet => {
      const set = sets.get(block) ?? emptySet();
      sets.set(block, set);
      return set;
    };
    // A block leaves memory only after its rows are durable, and a page is deleted only after those of its span are and
    // nobody reads by the counts of before. Memory and counts are looked at in one turn: the block is in one of them.
    for (const [block, own] of this.#open) {
      if (block < from || block >= to) continue;
      for (const term of terms) {
        const offsets = own.get(term);
        if (offsets !== undefined) addOffsets(setOf(block), offsets);
      }
    }
    const { counts } = this.#keeper;
    const sealedEnd = Math.min(to, counts.sealed);
    if (from >= sealedEnd) return sets;
    for (const run of await this.#runs(terms, from, sealedEnd, counts, guesses)) {
      for (const [block, container] of run) addContainer(setOf(block), container);
    }
    return sets;
  }

  /** What each of the terms has in the sealed blocks [from, to). */
  async #runs(
    terms: readonly string[],
    from: number,
    to: number,
    counts: IndexCounts,
    guesses: Guesses,
  ): Promise<readonly Run[]> {
    const known = terms.map((term) => this.#checked.get(term, from, to));
    const missing = terms.filter((_, i) => known[i] === undefined);
    const wanted = missing.map((term) => ({ term, guess: guesses.get(term) ?? 'unknown' }));
    const read = missing.length === 0 ? [] : await this.#tracked(readRuns(this.#sealed(counts), wanted, from, to));
    for (const [i, term] of missing.entries()) this.#checked.put(term, from, to, read[i] ?? []);
    let next = 0;
    const runs = known.map((run) => run ?? read[next++] ?? []);
    for (const [i, term] of terms.entries()) guesses.set(term, guessFrom(runs[i] ?? [], to - from, this.#form.layout));
    return runs;
  }

  async #tracked<T>(read: Promise<T>): Promise<T> {
    this.#reading.add(read);
    try {
      return await read;
    } finally {
      this.#reading.delete(read);
    }
  }

  #sealed(counts: IndexCounts): SealedIndex {
    const { hasher, layout } = this.#form;
    return { store: this.#store, hasher, layout, counts };
  }

  #block(index: number): BlockTerms {
    const number = Math.floor(index / this.#form.layout.blockEvents);
    const terms = this.#open.get(number) ?? new Map<string, number[]>();
    this.#open.set(number, terms);
    return terms;
  }

  #fullBlock(block: number): BlockTerms | undefined {
    if (this.#size < (block + 1) * this.#form.layout.blockEvents) return undefined;
    return this.#open.get(block) ?? new Map<string, number[]>();
  }

  async #loadTail(size: number): Promise<void> {
    const { hasher, layout } = this.#form;
    while (this.#size < size) {
      const rows = await this.#store.range({ gte: tailKey(this.#size), lt: tailKey(size), limit: LOAD_ROWS });
      if (rows.length === 0) throw gap(this.#size);
      for (const row of rows) {
        const first = tailFirstIndex(row.key);
        if (first !== this.#size) throw gap(this.#size);
        this.#size += addTailRow(row, first % layout.blockEvents, this.#block(first), hasher);
      }
    }
    if (this.#size !== size) throw gap(size);
  }
}

/** What a search has seen of its terms so far. */
type Guesses = Map<string, Guess>;

/** Where it is longer than a span it ends with one, so that the next one does not read the rows of that span again. */
function endOfSweep(block: number, sweepBlocks: number, spanBlocks: number): number {
  const end = block + sweepBlocks;
  return sweepBlocks < spanBlocks ? end : end - (end % spanBlocks);
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
