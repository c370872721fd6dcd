import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nobleHasher } from '../../proofs/hash.ts';
import type { Store } from '../../src/store/contract.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { withDirectory } from '../support/test-log.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
/** Several blocks of a table, and the places in it where one is damaged in turn. */
const ROWS = 2000;
const PARTS = 12;
const HOLE: Uint8Array = new Uint8Array(40).fill(0xff);
const implementations: readonly [string, (directory: string) => Promise<Store>][] = [
  ['LevelDB', openLevelStore],
  ['memory', async () => openMemoryStore()],
];

describe.each(implementations)('the store contract on %s', (_, open) => {
  const withStore = (work: (store: Store) => Promise<void>): Promise<void> =>
    withDirectory(async (directory) => {
      const store = await open(directory);
      try {
        await work(store);
      } finally {
        await store.close();
      }
    });

  it('returns what was written and nothing for what was not', () =>
    withStore(async (store) => {
      await store.write([
        { key: bytes(1), value: bytes(10) },
        { key: bytes(2), value: bytes() },
      ]);
      expect(await store.get(bytes(1))).toEqual(bytes(10));
      expect(await store.get(bytes(2))).toEqual(bytes());
      expect(await store.get(bytes(3))).toBeUndefined();
      expect(await store.getMany([bytes(3), bytes(1)])).toEqual([undefined, bytes(10)]);
    }));

  it('replaces and deletes in the order of the batch', () =>
    withStore(async (store) => {
      await store.write([
        { key: bytes(1), value: bytes(10) },
        { key: bytes(1), value: bytes(11) },
        { key: bytes(2), value: bytes(20) },
        { key: bytes(2), delete: true },
      ]);
      expect(await store.get(bytes(1))).toEqual(bytes(11));
      expect(await store.get(bytes(2))).toBeUndefined();
    }));

  it('reads ranges in byte order, from either end, within the bounds and the limit', () =>
    withStore(async (store) => {
      const keys = [bytes(1), bytes(1, 0), bytes(1, 255), bytes(2), bytes(200)];
      await store.write([...keys].reverse().map((key) => ({ key, value: key })));
      const read = async (options: Parameters<Store['range']>[0]): Promise<readonly Uint8Array[]> =>
        (await store.range(options)).map(({ key }) => key);
      expect(await read({ gte: bytes(), lt: bytes(255), limit: 10 })).toEqual(keys);
      expect(await read({ gte: bytes(1, 0), lt: bytes(2), limit: 10 })).toEqual(keys.slice(1, 3));
      expect(await read({ gte: bytes(1, 0), lt: bytes(200), limit: 1, reverse: true })).toEqual([bytes(2)]);
      expect(await read({ gte: bytes(3), lt: bytes(4), limit: 10 })).toEqual([]);
    }));

  it('refuses with store-closed after closing', () =>
    withStore(async (store) => {
      await store.close();
      await expect(store.get(bytes(1))).rejects.toMatchObject({ code: 'store-closed' });
      await expect(store.write([{ key: bytes(1), value: bytes() }])).rejects.toMatchObject({ code: 'store-closed' });
    }));
});

describe('LevelDB', () => {
  it('lets one opener in and tells the second that it is locked', () =>
    withDirectory(async (directory) => {
      const store = await openLevelStore(directory);
      await expect(openLevelStore(directory)).rejects.toMatchObject({ code: 'store-locked' });
      await store.close();
    }));

  it('tells the second opener that it is locked, also while files come and go', () =>
    withDirectory(async (directory) => {
      const store = await openLevelStore(directory);
      let isWriting = true;
      const value = new Uint8Array(4 * 1024 * 1024).map((_, i) => (i * 31) ^ (i >> 8));
      const writing = (async () => {
        for (let times = 0; isWriting; times++) await store.write([{ key: bytes(2, times & 255), value }]);
      })();
      for (let times = 0; times < 100; times++) {
        await expect(openLevelStore(directory)).rejects.toMatchObject({ code: 'store-locked' });
      }
      isWriting = false;
      await writing;
      await store.close();
    }));

  it('answers a range with all of its rows or with an error, also where it cannot read a block in the middle', () =>
    withDirectory(async (directory) => {
      const keyOf = (number: number): Uint8Array => bytes(1, number >> 8, number & 255);
      const open = await openLevelStore(directory);
      await open.write(Array.from({ length: ROWS }, (_, i) => ({ key: keyOf(i), value: new Uint8Array(300).fill(i) })));
      await open.close();
      // Opened again, it writes what was in its log into a table.
      await (await openLevelStore(directory)).close();
      const [table] = (await readdir(directory)).filter((name) => name.endsWith('.ldb'));
      const file = join(directory, table ?? '');
      const whole = await readFile(file);
      const outcomes = new Set<string>();
      for (let part = 1; part < PARTS; part++) {
        const hole = Math.floor((whole.length * part) / PARTS);
        await writeFile(file, Buffer.concat([whole.subarray(0, hole), HOLE, whole.subarray(hole + HOLE.length)]));
        const store = await openLevelStore(directory);
        for (const reverse of [false, true]) {
          const rows = await store.range({ gte: keyOf(0), lt: keyOf(ROWS), limit: ROWS - 500, reverse }).catch(String);
          const expected = Array.from({ length: ROWS - 500 }, (_, i) => keyOf(reverse ? ROWS - 1 - i : i));
          outcomes.add(typeof rows === 'string' ? 'refused' : 'answered');
          if (typeof rows !== 'string') expect(rows.map(({ key }) => key)).toEqual(expected);
        }
        await store.close();
      }
      expect(outcomes).toContain('refused');
    }));
});

describe('the native hasher', () => {
  it('gives the same bytes as the verifier at every length around its buffers', () => {
    const input = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
    for (const length of [0, 1, 31, 32, 33, 63, 64, 65, 500, 4094, 4095, 4096, 4097, 5000]) {
      const part = input.subarray(0, length);
      expect(nativeHasher.leaf(part)).toEqual(nobleHasher.leaf(part));
      expect(nativeHasher.sha256(part)).toEqual(nobleHasher.sha256(part));
    }
    const [left, right] = [nobleHasher.sha256(bytes(1)), nobleHasher.sha256(bytes(2))];
    expect(nativeHasher.node(left, right)).toEqual(nobleHasher.node(left, right));
  });
});
