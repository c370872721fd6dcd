/**
 * What restored entries bring beside the tree, by kind of log. Of an audit log the contents, search terms and event ids
 * are lost: no copy ever had them. A raw log loses nothing, because its entries are all there is to it.
 */
import { encodeCbor } from '../../proofs/cbor.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { PutRow } from '../store/contract.ts';
import { nativeHasher } from '../store/native-hasher.ts';
import { LAYOUT, tailRows } from '../trail/postings.ts';
import { LOST_DISCLOSURE } from './disclosure.ts';
import { chunkRows, type Leaf, type TreeState } from './integrate.ts';
import { leafRows } from './plan-bytes.ts';
import { RestoreError } from './restore-error.ts';
import { COUNTS_KEY, countsWithoutPages, encodeCounts } from './rows.ts';

export interface RestoredEntries {
  /** Throws RestoreError `altered` if these cannot be the entries of such a log. */
  leavesOf(before: TreeState, entries: readonly Uint8Array[]): readonly Leaf[];
  rowsOf(leaves: readonly Leaf[]): readonly PutRow[];
  rowsAtEnd(size: number): readonly PutRow[];
  /** What no copy gives back. */
  readonly lost: readonly string[];
}

/** Events: their log times increase. Their contents are named as lost, and none of them has a search term. */
export const restoredEvents: RestoredEntries = {
  leavesOf: (before, entries) => {
    let lastLogTime = before.lastLogTime;
    return entries.map((entry, i) => {
      const index = before.range.size + i;
      const logTime = logTimeOf(entry, index);
      if (logTime <= lastLogTime) throw new RestoreError('altered', `the log time of entry ${index} does not increase`);
      lastLogTime = logTime;
      return leafOf(entry, index, logTime);
    });
  },
  rowsOf: (leaves) => chunkRows('disclosures', leaves, (chunk) => encodeCbor(chunk.map(() => LOST_DISCLOSURE))),
  rowsAtEnd: searchRows,
  lost: ['contents', 'search terms', 'event ids'],
};

/** Bytes: they have no time, and those of a log that suppresses duplicates are found by their hash again. */
export function restoredBytes(deduplicate: boolean): RestoredEntries {
  return {
    leavesOf: (before, entries) => entries.map((entry, i) => leafOf(entry, before.range.size + i, before.lastLogTime)),
    rowsOf: (leaves) => (deduplicate ? leafRows(leaves) : []),
    rowsAtEnd: () => [],
    lost: [],
  };
}

function leafOf(entry: Uint8Array, index: number, logTime: number): Leaf {
  return { index, entry, leafHash: nativeHasher.leaf(entry), logTime, byteCount: entry.length };
}

function logTimeOf(entry: Uint8Array, index: number): number {
  try {
    return decodeEntry(entry).logTime;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new RestoreError('altered', `entry ${index} is not the entry of an audit log`);
  }
}

/** The search index of events without terms: whole blocks count as sealed and need no row, the rest is the tail. */
function searchRows(size: number): readonly PutRow[] {
  const blocks = Math.floor(size / LAYOUT.blockEvents);
  const first = blocks * LAYOUT.blockEvents;
  const tail = Array.from({ length: size - first }, (_, i) => ({ index: first + i, terms: [] }));
  const counts = encodeCounts(countsWithoutPages(blocks, LAYOUT.spanBlocks));
  return [{ key: COUNTS_KEY, value: counts }, ...tailRows(tail, nativeHasher)];
}
