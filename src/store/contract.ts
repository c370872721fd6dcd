/**
 * What the log needs from a database, and nothing more: ordered keys, atomic durable batches. `leveldb.ts` keeps the
 * contract on disk, `memory.ts` keeps it in memory with faults on demand; one suite runs against both.
 */

/**
 * `store-full`: no room or no file descriptor, which may be there again later; nothing of the batch may be assumed.
 * `store-failed`: any other error of the medium.
 */
export type StoreErrorCode = 'store-locked' | 'store-failed' | 'store-full' | 'store-closed' | 'store-corrupt';

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StoreError';
    this.code = code;
  }
}

export interface PutRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export type Row = PutRow | { readonly key: Uint8Array; readonly delete: true };

export interface RangeOptions {
  /** Inclusive lower bound. */
  readonly gte: Uint8Array;
  /** Exclusive upper bound. */
  readonly lt: Uint8Array;
  /** Largest key first. */
  readonly reverse?: boolean;
  /** Rows at most; there is no unbounded read. */
  readonly limit: number;
}

export interface Store {
  /**
   * Bytes that the medium had in its write-ahead log when it was opened, and nowhere else: what a fault can have dropped
   * of the newest writes without a word.
   */
  readonly recoveredBytes: number;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** One answer per key, in the order of the keys. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  range(options: RangeOptions): Promise<readonly PutRow[]>;
  /** All of the rows or none of them, durable (fsynced) when the promise resolves. */
  write(rows: readonly Row[]): Promise<void>;
  close(): Promise<void>;
}
