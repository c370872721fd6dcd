/** What surely was never written is not looked for, and nothing that was written is ever passed over. */
import { describe, expect, it } from 'vitest';
import { KnownKeys } from '../../src/log/known-keys.ts';
import { ALL_IDS, idKey } from '../../src/log/rows.ts';
import { StoreError } from '../../src/store/contract.ts';
import { type MemoryStore, openMemoryStore } from '../../src/store/memory.ts';

const VALUE = Uint8Array.of(1);
const keyOf = (i: number): Uint8Array => idKey(`event-${i}`, 'tok_1');

describe('known keys', () => {
  it('are all found, those of before and those that came since, while it is built and after', async () => {
    const store = openMemoryStore();
    await store.write(Array.from({ length: 2_500 }, (_, i) => ({ key: keyOf(i), value: VALUE })));
    const { known, asked } = counting(store, 2_500);
    const keys = Array.from({ length: 2_600 }, (_, i) => keyOf(i));
    const early = await known.getMany(keys);
    expect(early.filter((row) => row !== undefined)).toHaveLength(2_500);
    await built(known, asked);
    known.add(keys.slice(2_500));
    await store.write(keys.slice(2_500).map((key) => ({ key, value: VALUE })));
    const late = await known.getMany(keys);
    expect(late.filter((row) => row !== undefined)).toHaveLength(2_600);
    await known.close();
  });

  it('spare the store nearly every key that was never written', async () => {
    const store = openMemoryStore();
    await store.write(Array.from({ length: 1_000 }, (_, i) => ({ key: keyOf(i), value: VALUE })));
    const { known, asked } = counting(store, 1_000);
    await built(known, asked);
    asked.count = 0;
    const rows = await known.getMany(Array.from({ length: 20_000 }, (_, i) => keyOf(1_000_000 + i)));
    expect(rows).toEqual(Array.from({ length: 20_000 }, () => undefined));
    expect(asked.count).toBeLessThan(200);
    await known.close();
  });

  it('stay rare to be mistaken in a filter that is full, and in those behind it', async () => {
    const store = openMemoryStore();
    const { known, asked } = counting(store, 0);
    await built(known, asked);
    const written = 600_000;
    known.add(Array.from({ length: written }, (_, i) => keyOf(i)));
    asked.count = 0;
    await known.getMany(Array.from({ length: 20_000 }, (_, i) => keyOf(written + i)));
    expect(asked.count).toBeLessThan(20_000 * 0.02);
    // What it was told of is looked for, whether it was written or not.
    asked.count = 0;
    await known.getMany(Array.from({ length: 1_000 }, (_, i) => keyOf(600 * i)));
    expect(asked.count).toBe(1_000);
    await known.close();
  });

  it('are all looked for where the rows cannot be read', async () => {
    const store = openMemoryStore();
    const broken = { ...store, range: () => Promise.reject(new StoreError('store-failed', 'no')) };
    const known = new KnownKeys(broken, ALL_IDS, 0);
    await store.write([{ key: keyOf(1), value: VALUE }]);
    expect(await known.getMany([keyOf(1), keyOf(2)])).toEqual([VALUE, undefined]);
    await known.close();
    expect(await known.getMany([keyOf(1)])).toEqual([VALUE]);
  });
});

interface Asked {
  count: number;
}

function counting(store: MemoryStore, expected: number): { readonly known: KnownKeys; readonly asked: Asked } {
  const asked: Asked = { count: 0 };
  const getMany: MemoryStore['getMany'] = (keys) => {
    asked.count += keys.length;
    return store.getMany(keys);
  };
  return { known: new KnownKeys({ ...store, getMany }, ALL_IDS, expected), asked };
}

/** Until a key that nobody wrote is not looked for any more. */
async function built(known: KnownKeys, asked: Asked): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    const before = asked.count;
    await known.getMany([keyOf(-1), keyOf(-2), keyOf(-3)]);
    if (asked.count === before) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('the known keys were not read');
}
