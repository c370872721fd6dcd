/**
 * Rows that follow from contents, made again: event ids and search terms. Where contents are lost or partly erased they do
 * not say enough, and what the index has of such events is kept.
 */
import type { Hasher } from '../../proofs/hash.ts';
import type { PutRow, Store } from '../store/contract.ts';
import type { BlockToCheck } from '../trail/check-index.ts';
import { deriveTerms } from '../trail/derive-terms.ts';
import { readCounts } from '../trail/index-counts.ts';
import { blocksBeside, mendedRows } from '../trail/mend-index.ts';
import { addOffsets, addTerms, emptySet, type IndexLayout, LAYOUT } from '../trail/postings.ts';
import type { FsckReport } from './fsck.ts';
import { readWindow } from './read-damaged.ts';
import { openEvent } from './read-events.ts';
import { COUNTS_KEY, encodeCounts, encodeIdRow, idKey } from './rows.ts';
import type { StoredEvent } from './types.ts';

/** Events that are read at once: a block of them is read, and there are sixteen of those in a span. */
const WINDOW_EVENTS = 256;

interface Rows {
  readonly store: Store;
  readonly hasher: Hasher;
}

/**
 * The id rows of these events. The MAC in it is that of the stored contents: an event from which redaction took something
 * was sent with other content, and sent again it is refused as a conflict instead of being answered as known.
 */
export async function idRows(
  { store, hasher, contentMac }: Rows & { readonly contentMac: (event: StoredEvent) => Uint8Array | undefined },
  indices: readonly number[],
): Promise<{ readonly rows: readonly PutRow[]; readonly indices: readonly number[] }> {
  const rows: PutRow[] = [];
  const made: number[] = [];
  for (const index of indices) {
    const [event] = await openStored({ store, hasher }, index, index + 1);
    const derived = event === undefined ? undefined : deriveTerms(event);
    const mac = event === undefined ? undefined : contentMac(event);
    if (event === undefined || derived === undefined || mac === undefined) continue;
    rows.push({ key: idKey(derived.eventId, event.producerId), value: encodeIdRow(index, mac) });
    made.push(index);
  }
  return { rows, indices: made };
}

/** Every block of the search index that says something else than its events; returns their numbers. */
export async function rebuildSearch(
  { store, hasher, layout = LAYOUT }: Rows & { readonly layout?: IndexLayout },
  report: FsckReport,
): Promise<readonly number[]> {
  const blocks = new Set<number>();
  for (const { kind, index } of report.damages) {
    if (kind === 'search-wrong' && index !== null) blocks.add(Math.floor(index / layout.blockEvents));
  }
  if (blocks.size === 0) return [];
  const { counts, isDamaged } = await readCounts(store, layout);
  if (isDamaged) await store.write([{ key: COUNTS_KEY, value: encodeCounts(counts) }]);
  const done = new Set<number>();
  for (const block of blocks) {
    if (done.has(block)) continue;
    const wanted: BlockToCheck[] = [];
    for (const one of await blocksBeside(store, block, layout)) {
      wanted.push(await blockOf({ store, hasher }, one, report.size, layout));
      done.add(one);
    }
    const rows = await mendedRows(store, hasher, wanted, layout);
    if (rows.length > 0) await store.write(rows);
  }
  return [...blocks];
}

async function blockOf(
  { store, hasher }: Rows,
  block: number,
  size: number,
  { blockEvents }: IndexLayout,
): Promise<BlockToCheck> {
  const first = block * blockEvents;
  const end = Math.min(size, first + blockEvents);
  const terms: BlockToCheck['terms'] = new Map();
  const derived = emptySet();
  for (let from = first; from < end; from += WINDOW_EVENTS) {
    const to = Math.min(end, from + WINDOW_EVENTS);
    for (const [i, event] of (await openStored({ store, hasher }, from, to)).entries()) {
      const found = event === undefined ? undefined : deriveTerms(event);
      if (found === undefined) continue;
      addTerms(terms, from - first + i, found.terms);
      addOffsets(derived, [from - first + i]);
    }
  }
  return { block, terms, derived, count: end - first };
}

/** The events [from, to), undefined where one is not whole. */
async function openStored(
  { store, hasher }: Rows,
  from: number,
  to: number,
): Promise<readonly (StoredEvent | undefined)[]> {
  const entries = (await readWindow(store, 'entries', from, to)).items;
  const contents = (await readWindow(store, 'disclosures', from, to)).items;
  return entries.map((entry, i) => {
    const own = contents[i];
    if (entry === undefined || own === undefined) return undefined;
    try {
      return openEvent(from + i, entry, hasher.leaf(entry), own, hasher);
    } catch {
      return undefined;
    }
  });
}
