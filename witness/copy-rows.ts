/**
 * Where a copy of a log lies: one LevelDB database a log, and the layout of its rows. Everything about the tree is
 * written once and never changed; what is replaced are three small rows. LevelDB checks nothing that it reads, so
 * copy.ts does.
 *
 *   0x11                       how far the copy goes: compact range of what it holds
 *   0x12 level:u8 index:u48    a full tile, 256 hashes
 *   0x13 firstIndex:u48        consecutive entries as an entry bundle; never across a multiple of 256
 *   0x14                       the mirror checkpoint, as a head record
 *   0x15                       the newest checkpoint that the log published, with the lines of known witnesses
 */
import { Level } from 'level';
import { compareBytes, concatBytes, hexDecode, hexEncode } from '../proofs/bytes.ts';
import { messageOf, WitnessError } from './errors.ts';
import type { Row } from './rows.ts';

export interface CopyRows {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** Rows with gte ≤ key < lt, in order, at most `limit`. */
  range(bounds: { readonly gte: Uint8Array; readonly lt: Uint8Array; readonly limit: number }): Promise<readonly Row[]>;
  /** All of them or none, fsynced. Throws `store-failed`. */
  write(rows: readonly Row[]): Promise<void>;
  close(): Promise<void>;
}

export const STATE_KEY: Uint8Array = Uint8Array.of(0x11);
export const MIRRORED_KEY: Uint8Array = Uint8Array.of(0x14);
export const PUBLISHED_KEY: Uint8Array = Uint8Array.of(0x15);

export function tileKey(level: number, index: number): Uint8Array {
  return concatBytes(Uint8Array.of(0x12, level), uint48(index));
}

export function entriesKey(firstIndex: number): Uint8Array {
  return concatBytes(Uint8Array.of(0x13), uint48(firstIndex));
}

export function firstIndexOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint16(1) * 2 ** 32 + view.getUint32(3);
}

const WRITE_BUFFER_BYTES = 8 * 1024 * 1024;

/** Opens (and creates) the database of one copy. Throws `store-locked` or `store-failed`. */
export async function openCopyRows(directory: string): Promise<CopyRows> {
  const db = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  const guarded = async <T>(verb: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw storeError(error, `the copy in ${directory} could not ${verb}`);
    }
  };
  await guarded('be opened', () => db.open());
  return {
    get: (key) => guarded('be read', () => db.get(key)),
    range: ({ gte, lt, limit }) =>
      guarded('be read', async () =>
        (await db.iterator({ gte, lt, limit }).all()).map(([key, value]) => ({ key, value })),
      ),
    write: (rows) =>
      guarded('be written', async () => {
        const batch = db.batch();
        for (const { key, value } of rows) batch.put(key, value);
        await batch.write({ sync: true });
      }),
    close: () => guarded('be closed', () => db.close()),
  };
}

/** Rows in memory, for tests and conformance runs. `stored` is what a test may damage. */
export function memoryCopyRows(stored: Map<string, Uint8Array> = new Map()): CopyRows {
  return {
    get: async (key) => stored.get(hexEncode(key)),
    range: async ({ gte, lt, limit }) =>
      [...stored]
        .map(([key, value]) => ({ key: hexDecode(key), value }))
        .filter(({ key }) => compareBytes(key, gte) >= 0 && compareBytes(key, lt) < 0)
        .sort((a, b) => compareBytes(a.key, b.key))
        .slice(0, limit),
    write: async (rows) => {
      for (const { key, value } of rows) stored.set(hexEncode(key), value.slice());
    },
    close: async () => {},
  };
}

function uint48(value: number): Uint8Array {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(value / 2 ** 32));
  view.setUint32(2, value % 2 ** 32);
  return bytes;
}

function storeError(error: unknown, what: string): WitnessError {
  const reasons = [error, error instanceof Error ? error.cause : undefined].filter((one) => one !== undefined);
  const locked = reasons.some((one) => one instanceof Error && 'code' in one && one.code === 'LEVEL_LOCKED');
  const text = reasons.map(messageOf).join(': ');
  return new WitnessError(locked ? 'store-locked' : 'store-failed', `${what}: ${text}`, error);
}
