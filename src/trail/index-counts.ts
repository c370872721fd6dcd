/**
 * The row that says how far the search index has come, read although it may be damaged: what it said follows from the rows
 * that there are. Without it each block would have to be made again, and what the index knows of erased events be lost.
 */
import {
  COUNTS_KEY,
  countsWithoutPages,
  decodeCounts,
  type IndexCounts,
  keyNumber,
  MAX_INDEX,
  type PageKind,
  pageKey,
  tailFirstIndex,
  tailKey,
} from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import { type Store, StoreError } from '../store/contract.ts';
import type { IndexLayout } from './postings.ts';

export interface FoundCounts {
  readonly counts: IndexCounts;
  /** The row is gone or damaged, and has to be written again. */
  readonly isDamaged: boolean;
}

export async function readCounts(store: Store, layout: IndexLayout): Promise<FoundCounts> {
  const row = await readCountsRow(store, layout);
  if (typeof row === 'object') return { counts: row, isDamaged: false };
  const counts = await inferCounts(store, layout);
  return { counts, isDamaged: row === 'damaged' || counts.sealed > 0 };
}

async function readCountsRow(store: Store, { spanBlocks }: IndexLayout): Promise<IndexCounts | 'missing' | 'damaged'> {
  try {
    const row = await store.get(COUNTS_KEY);
    return row === undefined ? 'missing' : decodeCounts(row, spanBlocks);
  } catch (error) {
    if (error instanceof LogError || (error instanceof StoreError && error.code !== 'store-closed')) return 'damaged';
    throw error;
  }
}

/** Sealed blocks have lost the beginning of their tail; the last page of a span is written when all others are durable. */
async function inferCounts(store: Store, layout: IndexLayout): Promise<IndexCounts> {
  const { blockEvents, spanBlocks, spanPages } = layout;
  const newest = await store.range({ gte: tailKey(0), lt: tailKey(MAX_INDEX), reverse: true, limit: 1 });
  const [tail] = newest.map(({ key }) => Math.floor(tailFirstIndex(key) / blockEvents));
  const [blocks, spans] = [await firstAndLast(store, 'blockPage'), await firstAndLast(store, 'spanPage')];
  const inPages = [...blocks.map((block) => block + 1), ...spans.map((span) => (span + 1) * spanBlocks)];
  let sealed = Math.max(tail ?? 0, ...inPages);
  // A block that is being sealed has pages already, and all of its tail.
  while (sealed > 0 && (await store.get(tailKey((sealed - 1) * blockEvents))) !== undefined) sealed--;
  const paged = Math.min(sealed, ...blocks, ...spans.map((span) => span * spanBlocks));
  let { merged } = countsWithoutPages(paged, spanBlocks);
  while ((await store.get(pageKey('spanPage', spanPages - 1, merged))) !== undefined) merged++;
  return { sealed, paged, merged };
}

/** Of the blocks or spans that have a page 0: every one that has pages has it. */
async function firstAndLast(store: Store, kind: PageKind): Promise<readonly number[]> {
  const bounds = { gte: pageKey(kind, 0, 0), lt: pageKey(kind, 1, 0), limit: 1 };
  const rows = [...(await store.range(bounds)), ...(await store.range({ ...bounds, reverse: true }))];
  return rows.map(({ key }) => keyNumber(key));
}
