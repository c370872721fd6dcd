/**
 * Reading stored entries back, each compared with its leaf hash in the tree before it is handed on. What the entries
 * hold is not looked at; read-events.ts opens those of an audit log.
 */

import type { Hash } from '../../proofs/hash.ts';
import { encodeEntryBundle, TILE_WIDTH } from '../../proofs/tile.ts';
import type { Store } from '../store/contract.ts';
import { itemAt, readAllItems } from './entries.ts';
import { checkEntry } from './load.ts';
import { leafAt, type ProofSource } from './prove.ts';
import { type ChunkKind, chunkFirstIndex, chunkHolding, chunkKey } from './rows.ts';
import { LogError } from './types.ts';

export interface EntrySource extends ProofSource {
  readonly store: Store;
}

/** Throws LogError `corrupt-data` naming the index. */
export async function readEntry(source: EntrySource, index: number): Promise<Uint8Array> {
  const [entry] = await readItemsAt(source, 'entries', [index]);
  if (entry === undefined) throw new LogError('corrupt-data', `entry ${index} is missing on disk`, { index });
  await checkedLeaf(source, index, entry);
  return entry;
}

/**
 * The stored items of these indices, wherever they are in the log, each row read once and by its key. Undefined where
 * there is none. Nothing is compared with the tree here.
 */
export async function readItemsAt(
  { store, reader, state }: EntrySource,
  kind: ChunkKind,
  indices: readonly number[],
): Promise<readonly (Uint8Array | undefined)[]> {
  const starts = await reader.chunkStarts(state, indices);
  const chunks = [...new Set(starts)].filter((first) => first !== undefined);
  const values = await store.getMany(chunks.map((first) => chunkKey(kind, first)));
  const rows = new Map(chunks.map((first, i) => [first, values[i]]));
  return Promise.all(
    indices.map((index, i) => {
      const first = starts[i];
      const row = first === undefined ? undefined : rows.get(first);
      if (first === undefined || row === undefined) return seekItem(store, kind, index);
      return itemAt(kind, row, first, index) ?? seekItem(store, kind, index);
    }),
  );
}

/** Where no shortcut leads to the row, as in a log from before there were any. */
async function seekItem(store: Store, kind: ChunkKind, index: number): Promise<Uint8Array | undefined> {
  const [row] = await store.range(chunkHolding(kind, index));
  return row === undefined ? undefined : itemAt(kind, row.value, chunkFirstIndex(row.key), index);
}

/** The first `width` entries of a bundle (C2SP tlog-tiles). The caller has checked that they exist. */
export async function readBundle(source: EntrySource, bundle: number, width: number): Promise<Uint8Array> {
  const { store, reader, state, hasher } = source;
  const first = bundle * TILE_WIDTH;
  const entries = await readAllItems(store, 'entries', first, first + width);
  const expected = await reader.hashReader(state)(entries.map((_, i) => ({ level: 0, index: first + i })));
  for (const [i, entry] of entries.entries()) checkEntry(first + i, entry, expected[i], hasher);
  return encodeEntryBundle(entries);
}

export async function checkedLeaf(source: EntrySource, index: number, entry: Uint8Array): Promise<Hash> {
  return checkEntry(index, entry, await leafAt(source, index), source.hasher);
}
