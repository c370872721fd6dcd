/**
 * How the search index keeps out of the way while it seals and merges: a slice of work, then a turn for others, and rows in
 * batches that are written quickly. A submission waits for a slice and a batch at most.
 */
import type { Hasher } from '../../proofs/hash.ts';
import type { PutRow } from '../store/contract.ts';
import { type IndexLayout, LAYOUT } from './postings.ts';

export interface IndexPace {
  /** Entries of pages that are handled in one turn of the event loop: half a millisecond or so. */
  readonly sliceEntries: number;
  /** Of rows that are written at once; the last of them may go beyond. */
  readonly batchBytes: number;
  /** Rows that are deleted at once. */
  readonly deletedRows: number;
}

export const PACE: IndexPace = { sliceEntries: 500, batchBytes: 262_144, deletedRows: 500 };

/** The sizes of an index, for tests to make them smaller. */
export interface IndexSizes {
  readonly layout: IndexLayout;
  readonly pace: IndexPace;
}

export const SIZES: IndexSizes = { layout: LAYOUT, pace: PACE };

export interface IndexForm extends IndexSizes {
  readonly hasher: Hasher;
}

/** Rows on their way to the store. */
export class Batch {
  readonly #maxBytes: number;
  #rows: PutRow[] = [];
  #bytes = 0;

  constructor({ batchBytes }: IndexPace) {
    this.#maxBytes = batchBytes;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  add(row: PutRow): void {
    this.#rows.push(row);
    this.#bytes += row.key.length + row.value.length;
  }

  take(): readonly PutRow[] {
    const rows = this.#rows;
    this.#rows = [];
    this.#bytes = 0;
    return rows;
  }
}

/** What may still be done in this turn of the event loop. */
export class Slice {
  readonly #entries: number;
  #spent = 0;

  constructor({ sliceEntries }: IndexPace) {
    this.#entries = sliceEntries;
  }

  /** Whether the slice is used up by these: then others get their turn, and the next one begins. */
  spend(entries: number): boolean {
    this.#spent += entries;
    if (this.#spent < this.#entries) return false;
    this.#spent = 0;
    return true;
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
