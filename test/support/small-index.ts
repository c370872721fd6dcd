/**
 * A search index of small blocks, spans and pages, so that few events make every kind of row; what its answers must be by
 * a plain scan; and the rows that versions without pages wrote.
 */
import { hexEncode } from '../../proofs/bytes.ts';
import { COUNTS_KEY, decodeCounts, type IndexCounts } from '../../src/log/rows.ts';
import type { PutRow, Store } from '../../src/store/contract.ts';
import type { MemoryStore } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import type { IndexSizes } from '../../src/trail/index-pace.ts';
import {
  addTerms,
  type BlockTerms,
  containerRow,
  groupTerms,
  type IndexedEvent,
  type IndexLayout,
  tailRow,
} from '../../src/trail/postings.ts';
import { type IndexQuery, SearchIndex } from '../../src/trail/search-index.ts';
import { until } from './test-log.ts';

export const SMALL: IndexSizes = {
  layout: { blockEvents: 32, spanBlocks: 4, blockPages: 4, spanPages: 16, maxPaged: 4 },
  pace: { sliceEntries: 20, batchBytes: 700, deletedRows: 5 },
};

/** First byte of the keys, as rows.ts lays them out. */
export const INDEX_KIND = { tail: 8, container: 9, counts: 10, blockPage: 13, spanPage: 14 } as const;
export const INDEX_KINDS: ReadonlySet<number | undefined> = new Set(Object.values(INDEX_KIND));

/** Two terms of one hash, the greater one first. */
export const TWINS = ['t:invoice-hnkgi0', 't:invoice-1mb17x5'] as const;

/** Terms that all events carry, that many do, few, two or one; some beyond ASCII; one that is frequent only now and then. */
export function smallEvents(count: number): readonly IndexedEvent[] {
  return Array.from({ length: count }, (_, index) => ({ index, terms: termsOf(index) }));
}

function termsOf(index: number): readonly string[] {
  const terms = ['all', `half=${index % 2}`, `few=${index % 23}`, `rare=${index % 301}`, `one=${index}`];
  terms.push(`\u{1f600}=${index % 40}`, `\uffee=${index % 39}`);
  if (index % 300 < 90 || index % 17 === 0) terms.push('now and then');
  if (index % 9 === 0) terms.push(TWINS[0]);
  if (index % 11 === 3) terms.push(TWINS[1]);
  return terms;
}

/** What a version without pages left: containers for all terms of the first blocks, and their number. */
export function rowsWithoutPages(
  events: readonly IndexedEvent[],
  blocks: number,
  { blockEvents }: IndexLayout,
): readonly PutRow[] {
  const rows: PutRow[] = [];
  for (let block = 0; block < blocks; block++) {
    const terms: BlockTerms = new Map();
    for (const { index, terms: own } of events.slice(block * blockEvents, (block + 1) * blockEvents)) {
      addTerms(terms, index % blockEvents, own);
    }
    for (const [term, offsets] of terms) rows.push(containerRow(term, block, offsets, nativeHasher));
  }
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, blocks);
  return [...rows, { key: COUNTS_KEY, value: count }];
}

export function loadSmall(
  store: Store,
  size: number,
  onFailure: (error: unknown) => void = fail,
  sizes: IndexSizes = SMALL,
): Promise<SearchIndex> {
  return SearchIndex.load(store, size, nativeHasher, onFailure, sizes);
}

function fail(error: unknown): never {
  throw error;
}

/** Writes the rows of a group and hands it to the index, as the log does. */
export async function take(
  store: Store,
  index: SearchIndex,
  group: readonly IndexedEvent[],
  { layout }: IndexSizes = SMALL,
): Promise<void> {
  const parts = groupTerms(group, layout);
  await store.write(parts.map((part) => tailRow(part, nativeHasher, layout)));
  index.append(parts);
}

/** What the index must answer. */
export function scan(events: readonly IndexedEvent[], { clauses, from, to, limit }: IndexQuery): readonly number[] {
  const matches = ({ terms }: IndexedEvent): boolean =>
    clauses.every((any) => any.some((term) => terms.includes(term)));
  return events
    .slice(from, to)
    .filter(matches)
    .slice(0, limit)
    .map(({ index }) => index);
}

export async function countsOf(store: Store, { layout }: IndexSizes = SMALL): Promise<IndexCounts> {
  return decodeCounts(await store.get(COUNTS_KEY), layout.spanBlocks);
}

/** Whether every full block is sealed, every whole span of pages merged, and nothing of before is left. */
export async function isSettled(store: MemoryStore, size: number, sizes: IndexSizes = SMALL): Promise<boolean> {
  const { blockEvents, spanBlocks, blockPages } = sizes.layout;
  const { sealed, paged, merged } = await countsOf(store, sizes);
  if (sealed < Math.floor(size / blockEvents) || merged < Math.floor(sealed / spanBlocks)) return false;
  // Pages of their own have the blocks behind the merged spans, and those before the first whole span of pages.
  const isUnmerged = (block: number): boolean =>
    Math.floor(block / spanBlocks) >= merged || block < Math.ceil(paged / spanBlocks) * spanBlocks;
  const blocks = Array.from({ length: sealed - paged }, (_, i) => paged + i).filter(isUnmerged);
  const pages = rowsOfKind(store, INDEX_KIND.blockPage).length;
  return pages === blocks.length * blockPages && tailIsSwept(store, sealed * blockEvents);
}

export function untilSettled(store: MemoryStore, size: number, sizes: IndexSizes = SMALL): Promise<void> {
  return until(() => isSettled(store, size, sizes), 'the index to settle');
}

/** Every row of the index, to be compared quickly. */
export function textOf({ rows }: MemoryStore): string {
  const own = rows.list.filter(({ key }) => INDEX_KINDS.has(key[0]));
  return own.map(({ key, value }) => `${hexEncode(key)} ${hexEncode(value)}\n`).join('');
}

function tailIsSwept(store: MemoryStore, from: number): boolean {
  return rowsOfKind(store, INDEX_KIND.tail).every(({ key }) => Buffer.from(key).readUIntBE(1, 6) >= from);
}

export function rowsOfKind({ rows }: MemoryStore, kind: number): { key: Uint8Array; value: Uint8Array }[] {
  return rows.list.filter(({ key }) => key[0] === kind);
}
