/**
 * Reading stored entries back, each compared with its leaf hash in the tree before it is handed on. What the entries
 * hold is not looked at; read-events.ts opens those of an audit log.
 */

import type { Hash } from '../../proofs/hash.ts';
import { encodeEntryBundle, TILE_WIDTH } from '../../proofs/tile.ts';
import type { Store } from '../store/contract.ts';
import { readAllItems } from './entries.ts';
import { checkEntry } from './load.ts';
import { leafAt, type ProofSource } from './prove.ts';
import { LogError } from './types.ts';

export interface EntrySource extends ProofSource {
  readonly store: Store;
}

/** Throws LogError `corrupt-data` naming the index. */
export async function readEntry(source: EntrySource, index: number): Promise<Uint8Array> {
  const [entry] = await readAllItems(source.store, 'entries', index, index + 1);
  if (entry === undefined) throw new LogError('corrupt-data', `entry ${index} is missing on disk`, { index });
  await checkedLeaf(source, index, entry);
  return entry;
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
