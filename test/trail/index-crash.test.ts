import { describe, expect, it } from 'vitest';
import { COUNTS_KEY, encodeCounts } from '../../src/log/rows.ts';
import type { PutRow } from '../../src/store/contract.ts';
import { type MemoryStore, openMemoryStore, SortedRows } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { readCounts } from '../../src/trail/index-counts.ts';
import type { IndexSizes } from '../../src/trail/index-pace.ts';
import { tailRows } from '../../src/trail/postings.ts';
import type { SearchIndex } from '../../src/trail/search-index.ts';
import {
  countsOf,
  isSettled,
  loadSmall,
  rowsWithoutPages,
  SMALL,
  scan,
  smallEvents,
  TWINS,
  textOf,
} from '../support/small-index.ts';
import { until } from '../support/test-log.ts';

/** Larger batches: the writes are counted, and each of them fails once. */
const SIZES: IndexSizes = { ...SMALL, pace: { ...SMALL.pace, batchBytes: 2500, deletedRows: 12 } };
const { blockEvents, spanBlocks } = SIZES.layout;
/** Three spans, two blocks and a beginning. */
const SIZE = (3 * spanBlocks + 2) * blockEvents + 11;
const GROUP = 13;
const events = smallEvents(SIZE);

/** The rows of a log that was killed before anything was sealed, and perhaps was begun by a version without pages. */
function unsealed(oldBlocks: number): MemoryStore {
  const rows: PutRow[] = oldBlocks === 0 ? [] : [...rowsWithoutPages(events, oldBlocks, SIZES.layout)];
  for (let from = oldBlocks * blockEvents; from < SIZE; from += GROUP) {
    rows.push(...tailRows(events.slice(from, from + GROUP), nativeHasher, SIZES.layout));
  }
  const sorted = new SortedRows();
  for (const row of rows) sorted.apply(row);
  return openMemoryStore(sorted);
}

function copyOf({ rows }: MemoryStore): MemoryStore {
  const copy = new SortedRows();
  for (const { key, value } of rows.list) copy.list.push({ key, value });
  return openMemoryStore(copy);
}

/** Loses the row that says how far the index has come, and writes what follows from the others. */
async function forgetCounts(store: MemoryStore): Promise<void> {
  await store.write([{ key: COUNTS_KEY, delete: true }]);
  const { counts, isDamaged } = await readCounts(store, SIZES.layout);
  expect(isDamaged).toBe(counts.sealed > 0);
  await store.write([{ key: COUNTS_KEY, value: encodeCounts(counts) }]);
}

const QUESTIONS = [
  [['all']],
  [['now and then'], ['half=1']],
  [['rare=17', 'few=3', ...TWINS]],
  [['one=100', 'one=31', 'one=32']],
].map((clauses) => {
  const query = { clauses, from: 0, to: SIZE, limit: SIZE };
  return { query, expected: scan(events, query) };
});

async function expectRight(index: SearchIndex): Promise<void> {
  for (const { query, expected } of QUESTIONS) {
    expect((await index.search(query)).indices.join(), JSON.stringify(query)).toBe(expected.join());
  }
}

/** Opens the index on the store, asks all the while, and returns whether a write failed before everything was done. */
async function runUntil(store: MemoryStore, faultAt: MemoryStore['faultAt']): Promise<boolean> {
  store.faultAt = faultAt;
  let failed = false;
  const index = await loadSmall(store, SIZE, () => (failed = true), SIZES);
  await until(async () => {
    await expectRight(index);
    return failed || (await isSettled(store, SIZE, SIZES));
  });
  await index.close();
  return failed;
}

describe.each([0, 6])('an index of which a version without pages wrote %i blocks', (oldBlocks) => {
  const before = unsealed(oldBlocks);

  it('is right at each moment when any write of sealing, merging and deleting fails, and ends as if none had', async () => {
    const whole = copyOf(before);
    expect(await runUntil(whole, () => undefined)).toBe(false);
    expect(await countsOf(whole)).toEqual({ sealed: 14, paged: oldBlocks, merged: 3 });
    let writes = 0;
    for (let failing = 1; ; failing++) {
      let failed = false;
      for (const persisted of [false, true]) {
        const store = copyOf(before);
        failed = await runUntil(store, (batch) =>
          batch === failing ? { code: 'store-failed', persisted } : undefined,
        );
        if (!failed) break;
        const withoutCounts = copyOf(store);
        await forgetCounts(withoutCounts);
        for (const again of [store.reopen(), withoutCounts]) {
          expect(await runUntil(again, () => undefined)).toBe(false);
          expect(textOf(again)).toBe(textOf(whole));
        }
      }
      if (!failed) break;
      writes = failing;
    }
    expect(writes).toBeGreaterThan(20);
  }, 120_000);

  it('gets there although every start can make only a few writes', async () => {
    const store = copyOf(before);
    let starts = 0;
    for (; starts < 50; starts++) {
      const failed = await runUntil(store.reopen(), (batch) =>
        batch > 9 ? { code: 'store-failed', persisted: false } : undefined,
      );
      if (!failed) break;
    }
    const whole = copyOf(before);
    await runUntil(whole, () => undefined);
    expect(textOf(store)).toBe(textOf(whole));
    expect(starts).toBeGreaterThan(1);
  }, 60_000);
});
