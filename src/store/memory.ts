/**
 * The store contract in memory, for tests: the same behaviour as on disk, plus faults on demand. A write can fail
 * without effect, or fail although it took effect; the log has to survive both.
 */
import { compareBytes } from '../../proofs/bytes.ts';
import { type PutRow, type RangeOptions, type Row, type Store, StoreError, type StoreErrorCode } from './contract.ts';

export type WriteFault = {
  readonly code: StoreErrorCode;
  /** The batch is kept although the writer is told that it failed: what a crash right after the write looks like. */
  readonly persisted: boolean;
};

export interface MemoryStore extends Store {
  /** Called before each batch, with its number from 1 on; an answer makes the batch fail that way. */
  faultAt: (batch: number) => WriteFault | undefined;
  /** A second handle on the same rows, as after closing and opening a database. */
  reopen(): MemoryStore;
  /** What is stored, for a test to look at or to damage. */
  readonly rows: SortedRows;
}

/** Rows sorted by key. Lookups are binary searches; insertion shifts, which tests can afford. */
export class SortedRows {
  readonly list: { key: Uint8Array; value: Uint8Array }[] = [];

  /** Position of the first row with key ≥ the given one. */
  lowerBound(key: Uint8Array): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.list[middle];
      if (row !== undefined && compareBytes(row.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  find(key: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined {
    const row = this.list[this.lowerBound(key)];
    return row !== undefined && compareBytes(row.key, key) === 0 ? row : undefined;
  }

  apply(row: Row): void {
    const at = this.lowerBound(row.key);
    const present = this.find(row.key) === undefined ? 0 : 1;
    if ('value' in row) this.list.splice(at, present, { key: row.key.slice(), value: row.value.slice() });
    else this.list.splice(at, present);
  }
}

export function openMemoryStore(rows: SortedRows = new SortedRows()): MemoryStore {
  let batches = 0;
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new StoreError('store-closed', 'the store is closed');
  };
  const store: MemoryStore = {
    recoveredBytes: 0,
    rows,
    faultAt: () => undefined,
    reopen: () => openMemoryStore(rows),
    get: async (key) => {
      checkOpen();
      return rows.find(key)?.value;
    },
    getMany: async (keys) => {
      checkOpen();
      return keys.map((key) => rows.find(key)?.value);
    },
    range: async (options) => {
      checkOpen();
      return readRange(rows, options);
    },
    write: async (batch) => {
      checkOpen();
      batches++;
      const fault = store.faultAt(batches);
      if (fault === undefined || fault.persisted) for (const row of batch) rows.apply(row);
      if (fault !== undefined) throw new StoreError(fault.code, `injected fault at batch ${batches}`);
    },
    close: async () => {
      closed = true;
    },
  };
  return store;
}

function readRange(rows: SortedRows, { gte, lt, reverse = false, limit }: RangeOptions): readonly PutRow[] {
  const found = rows.list.slice(rows.lowerBound(gte), rows.lowerBound(lt));
  if (reverse) found.reverse();
  return found.slice(0, limit);
}
