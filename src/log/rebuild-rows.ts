/**
 * Rows that follow from contents, made again: event ids and search terms. Where contents are lost or partly erased they do
 * not say enough, and what the index has of such events is kept.
 */
import type { Hasher } from '../../proofs/hash.ts';
import type { PutRow, Row, Store } from '../store/contract.ts';
import { type BlockToCheck, checkIndexBlock, mergedRows } from '../trail/check-index.ts';
import { deriveTerms } from '../trail/derive-terms.ts';
import { addOffsets, addTerms, BLOCK_EVENTS, emptySet } from '../trail/postings.ts';
import type { FsckReport } from './fsck.ts';
import { readWindow } from './read-damaged.ts';
import { openEvent } from './read-events.ts';
import { encodeIdRow, idKey } from './rows.ts';
import type { StoredEvent } from './types.ts';

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
    const event = await openStored({ store, hasher }, index);
    const derived = event === undefined ? undefined : deriveTerms(event);
    const mac = event === undefined ? undefined : contentMac(event);
    if (event === undefined || derived === undefined || mac === undefined) continue;
    rows.push({ key: idKey(derived.eventId, event.producerId), value: encodeIdRow(index, mac) });
    made.push(index);
  }
  return { rows, indices: made };
}

/** Every block of the search index that says something else than its events; returns their numbers. */
export async function rebuildSearch({ store, hasher }: Rows, report: FsckReport): Promise<readonly number[]> {
  const blocks = new Set<number>();
  for (const { kind, index } of report.damages) {
    if (kind === 'search-wrong' && index !== null) blocks.add(Math.floor(index / BLOCK_EVENTS));
  }
  for (const block of blocks) {
    const wanted = await blockOf({ store, hasher }, block, report.size);
    const checked = await checkIndexBlock(store, hasher, wanted);
    const rows: readonly Row[] = await mergedRows(store, hasher, wanted, checked);
    if (rows.length > 0) await store.write(rows);
  }
  return [...blocks];
}

async function blockOf(from: Rows, block: number, size: number): Promise<BlockToCheck> {
  const first = block * BLOCK_EVENTS;
  const end = Math.min(size, first + BLOCK_EVENTS);
  const terms: BlockToCheck['terms'] = new Map();
  const derived = emptySet();
  for (let index = first; index < end; index++) {
    const event = await openStored(from, index);
    const found = event === undefined ? undefined : deriveTerms(event);
    if (found === undefined) continue;
    addTerms(terms, index - first, found.terms);
    addOffsets(derived, [index - first]);
  }
  return { block, terms, derived, count: end - first };
}

async function openStored({ store, hasher }: Rows, index: number): Promise<StoredEvent | undefined> {
  const [entry] = (await readWindow(store, 'entries', index, index + 1)).items;
  const [contents] = (await readWindow(store, 'disclosures', index, index + 1)).items;
  if (entry === undefined || contents === undefined) return undefined;
  try {
    return openEvent(index, entry, hasher.leaf(entry), contents, hasher);
  } catch {
    return undefined;
  }
}
