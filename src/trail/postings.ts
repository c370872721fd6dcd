/**
 * The search index: for each term the indices of the events that carry it, in ascending order. Rows are written in
 * the same batch as the events, so that an answer can be complete.
 *
 * One row a group and term: key `term 0 firstIndex`, value the distances between consecutive indices as LEB128
 * numbers; the first index stands in the key. A query walks the terms' lists together, always from the furthest.
 */

import { postingsFirstIndex, postingsKey } from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import type { PutRow, Store } from '../store/contract.ts';

/** Rows read from the store at once. */
const PAGE_ROWS = 64;
/** Rows that one search may read before it answers what it has and says that it is not complete. */
const MAX_ROWS_READ = 20_000;
/** Larger than any index: the exclusive end of a term's list. */
const END_INDEX = 2 ** 48 - 1;

export function postingsRows(
  events: readonly { readonly index: number; readonly terms: readonly string[] }[],
): readonly PutRow[] {
  const lists = new Map<string, number[]>();
  for (const { index, terms } of events) {
    for (const term of terms) {
      const list = lists.get(term);
      if (list === undefined) lists.set(term, [index]);
      else list.push(index);
    }
  }
  return [...lists].map(([term, list]) => ({ key: postingsKey(term, list[0] ?? 0), value: encodeDistances(list) }));
}

export interface PostingsQuery {
  /** At least one; an event matches that carries all of them. */
  readonly terms: readonly string[];
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly limit: number;
}

export interface PostingsAnswer {
  readonly indices: readonly number[];
  /** False when the work bound was reached: indices at and beyond `next` were not examined. */
  readonly complete: boolean;
  readonly next: number;
}

export async function searchPostings(store: Store, query: PostingsQuery): Promise<PostingsAnswer> {
  const budget = { rows: MAX_ROWS_READ };
  const lists = query.terms.map((term) => new TermList(store, term, budget));
  const indices: number[] = [];
  let next = query.from;
  while (indices.length < query.limit) {
    const match = await firstCommon(lists, next);
    if (match === 'budget') return { indices, complete: false, next };
    if (match === undefined || match >= query.to) return { indices, complete: true, next: query.to };
    indices.push(match);
    next = match + 1;
  }
  return { indices, complete: true, next };
}

/** The smallest index ≥ `from` that is in every list: each list in turn moves the target on until all agree on it. */
async function firstCommon(lists: readonly TermList[], from: number): Promise<number | undefined | 'budget'> {
  let target = from;
  let agreeing = 0;
  for (let turn = 0; agreeing < lists.length; turn++) {
    const found = await lists[turn % lists.length]?.firstFrom(target);
    if (found === undefined || found === 'budget') return found;
    agreeing = found === target ? agreeing + 1 : 1;
    target = found;
  }
  return target;
}

/** One term's ascending list, read forward in pages. */
class TermList {
  readonly #store: Store;
  readonly #term: string;
  /** Shared by the lists of one search. */
  readonly #budget: { rows: number };
  #page: readonly PutRow[] = [];
  #row = 0;
  #decoded: { readonly row: number; readonly indices: readonly number[] } | undefined;

  constructor(store: Store, term: string, budget: { rows: number }) {
    this.#store = store;
    this.#term = term;
    this.#budget = budget;
  }

  /** The smallest index ≥ `from` in the list, or none. `from` never goes down between calls. */
  async firstFrom(from: number): Promise<number | undefined | 'budget'> {
    const found = this.#scanPage(from);
    if (found !== undefined) return found;
    if (this.#budget.rows <= 0) return 'budget';
    await this.#load(from);
    return this.#scanPage(from);
  }

  #scanPage(from: number): number | undefined {
    for (; this.#row < this.#page.length; this.#row++) {
      const following = this.#page[this.#row + 1];
      if (following !== undefined && postingsFirstIndex(following.key) <= from) continue;
      const found = this.#indicesOfRow().find((index) => index >= from);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #indicesOfRow(): readonly number[] {
    const row = this.#page[this.#row];
    if (row === undefined) return [];
    if (this.#decoded?.row !== this.#row) {
      this.#decoded = { row: this.#row, indices: decodeDistances(postingsFirstIndex(row.key), row.value) };
    }
    return this.#decoded.indices;
  }

  /** The page that begins with the row that may hold `from`: the last that begins at or before it. */
  async #load(from: number): Promise<void> {
    const lowest = postingsKey(this.#term, 0);
    const [holder] = await this.#store.range({
      gte: lowest,
      lt: postingsKey(this.#term, from + 1),
      reverse: true,
      limit: 1,
    });
    const lt = postingsKey(this.#term, END_INDEX);
    this.#page = await this.#store.range({ gte: holder?.key ?? lowest, lt, limit: PAGE_ROWS });
    this.#budget.rows -= this.#page.length + 1;
    this.#row = 0;
    this.#decoded = undefined;
  }
}

function encodeDistances(indices: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (let i = 1; i < indices.length; i++) {
    let distance = (indices[i] ?? 0) - (indices[i - 1] ?? 0);
    while (distance >= 0x80) {
      bytes.push((distance % 0x80) | 0x80);
      distance = Math.floor(distance / 0x80);
    }
    bytes.push(distance);
  }
  return Uint8Array.from(bytes);
}

function decodeDistances(first: number, bytes: Uint8Array): readonly number[] {
  const indices = [first];
  let index = first;
  let distance = 0;
  let scale = 1;
  for (const byte of bytes) {
    distance += (byte & 0x7f) * scale;
    if (byte >= 0x80) {
      scale *= 0x80;
      continue;
    }
    if (distance < 1) throw new LogError('corrupt-data', 'a postings row does not ascend');
    index += distance;
    indices.push(index);
    distance = 0;
    scale = 1;
  }
  if (scale !== 1) throw new LogError('corrupt-data', 'a postings row ends inside a number');
  return indices;
}
