import { describe, expect, it } from 'vitest';
import { nobleHasher } from '../../proofs/hash.ts';
import { COUNTS_KEY, decodeCounts } from '../../src/log/rows.ts';
import type { Store } from '../../src/store/contract.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { BLOCK_EVENTS, groupTerms, type IndexedEvent, LAYOUT, tailRow, tailRows } from '../../src/trail/postings.ts';
import { SearchIndex } from '../../src/trail/search-index.ts';
import { until, withDirectory } from '../support/test-log.ts';

const COUNT = 2 * BLOCK_EVENTS + 5000;
const GROUP = 700;

/** Deterministic events: dense, sparse, unique and absent terms. */
const events: readonly IndexedEvent[] = Array.from({ length: COUNT }, (_, index) => ({
  index,
  terms: [
    'all',
    `parity=${index % 2}`,
    `tenth=${index % 10}`,
    `rare=${index % 9001}`,
    `block=${Math.floor(index / BLOCK_EVENTS)}`,
    `unique=${index}`,
  ],
}));

const CONTAINERS = { gte: Uint8Array.of(9), lt: Uint8Array.of(10), limit: 1_000_000 };
const PAGES = { gte: Uint8Array.of(13), lt: Uint8Array.of(14), limit: 1_000_000 };
const TAIL = { gte: Uint8Array.of(8), lt: Uint8Array.of(9), limit: 1_000_000 };

function fail(error: unknown): void {
  throw error;
}

async function sealedBlocks(store: Store): Promise<number> {
  return decodeCounts(await store.get(COUNTS_KEY), LAYOUT.spanBlocks).sealed;
}

async function build(store: Store, upTo = COUNT): Promise<SearchIndex> {
  const index = await SearchIndex.load(store, 0, nativeHasher, fail);
  for (let from = 0; from < upTo; from += GROUP) {
    const group = events.slice(from, Math.min(upTo, from + GROUP));
    const parts = groupTerms(group);
    await store.write(parts.map((part) => tailRow(part, nativeHasher)));
    index.append(parts);
  }
  return index;
}

function expected(clauses: readonly (readonly string[])[], from: number, to: number, limit: number): readonly number[] {
  const matches = (event: IndexedEvent): boolean =>
    clauses.every((any) => any.some((term) => event.terms.includes(term)));
  return events
    .slice(from, to)
    .filter(matches)
    .slice(0, limit)
    .map(({ index }) => index);
}

const questions: readonly [readonly (readonly string[])[], number, number, number][] = [
  [[['all']], 0, COUNT, 5],
  [[['all']], COUNT - 3, COUNT, 100],
  [[['parity=1'], ['tenth=4']], 0, COUNT, 10],
  [[['parity=0'], ['tenth=4'], ['block=1']], 0, COUNT, 100_000],
  [[['rare=77']], 0, COUNT, 100],
  [[['rare=77', 'rare=8000'], ['parity=0']], 10_000, 30_000, 100],
  [[['unique=16383', 'unique=16384', 'unique=32767', 'unique=32768', 'unique=37767']], 0, COUNT, 100],
  [[['absent']], 0, COUNT, 100],
  [[['absent', 'tenth=3'], ['parity=1']], 16_380, 16_400, 100],
  [[['all'], ['unique=5']], 6, COUNT, 10],
  [[['all']], 7, 7, 10],
];

async function checkAll(index: SearchIndex): Promise<void> {
  for (const [clauses, from, to, limit] of questions) {
    const answer = await index.search({ clauses, from, to, limit });
    expect(answer.indices, JSON.stringify(clauses)).toEqual(expected(clauses, from, to, limit));
    expect(answer.complete).toBe(true);
  }
}

describe('the search index', () => {
  it('answers like a plain scan before, while and after blocks are sealed, and after it was opened again', async () => {
    await withDirectory(async (directory) => {
      const store = await openLevelStore(directory);
      const index = await build(store);
      await checkAll(index);
      await until(async () => (await sealedBlocks(store)) === 2, 'two blocks to be sealed');
      await checkAll(index);
      await until(async () => (await store.range(TAIL)).length < 10, 'the tail of the sealed blocks to be deleted');
      await index.close();
      const again = await SearchIndex.load(store, COUNT, nativeHasher, fail);
      await checkAll(again);
      await again.close();
      await store.close();
    });
  });

  it.each([
    { crashAt: 1, persisted: false },
    { crashAt: 2, persisted: true },
    { crashAt: 3, persisted: false },
    { crashAt: 3, persisted: true },
  ])('is sealed again after a crash at batch $crashAt of the sealing (persisted: $persisted)', async (crash) => {
    const size = BLOCK_EVENTS + 50;
    const store = openMemoryStore();
    for (let from = 0; from < size; from += GROUP) {
      await store.write(tailRows(events.slice(from, Math.min(size, from + GROUP)), nativeHasher));
    }
    const dying = store.reopen();
    dying.faultAt = (batch) =>
      batch >= crash.crashAt ? { code: 'store-failed', persisted: crash.persisted } : undefined;
    let failed = false;
    const broken = await SearchIndex.load(dying, size, nativeHasher, () => {
      failed = true;
    });
    await until(() => failed, 'the sealing to fail');
    await broken.close();

    const healed = store.reopen();
    const again = await SearchIndex.load(healed, size, nativeHasher, fail);
    await until(async () => (await sealedBlocks(healed)) === 1, 'the block to be sealed');
    for (const clauses of [[['parity=1']], [['rare=40']], [['unique=16383', 'unique=16384']]]) {
      const { indices } = await again.search({ clauses, from: 0, to: size, limit: 99_999 });
      expect(indices).toEqual(expected(clauses, 0, size, 99_999));
    }
    await again.close();
  });

  it('names the index where tail rows are missing, and refuses an altered row instead of answering wrongly', async () => {
    const store = openMemoryStore();
    await (await build(store, 3 * GROUP)).close();
    const second = (await store.range(TAIL))[1];
    await store.write([{ key: second?.key ?? new Uint8Array(), delete: true }]);
    await expect(SearchIndex.load(store, 3 * GROUP, nativeHasher, fail)).rejects.toMatchObject({
      code: 'corrupt-data',
      details: { index: GROUP },
    });

    const sealed = openMemoryStore();
    const index = await build(sealed, BLOCK_EVENTS + GROUP);
    await until(async () => (await sealed.range(TAIL)).length < 3, 'the block to be sealed');
    const ask = (term: string) => index.search({ clauses: [[term]], from: 0, to: BLOCK_EVENTS, limit: 10 });
    for (const row of await sealed.range(CONTAINERS)) row.value[1] = (row.value[1] ?? 0) ^ 4;
    await expect(ask('tenth=1')).rejects.toMatchObject({ code: 'corrupt-data' });
    expect((await ask('rare=17')).indices).toEqual([17, 9018]);
    for (const row of await sealed.range(PAGES)) row.value[1] = (row.value[1] ?? 0) ^ 4;
    for (const term of ['rare=18', 'absent']) await expect(ask(term)).rejects.toMatchObject({ code: 'corrupt-data' });
    for (const { key } of await sealed.range(PAGES)) await sealed.write([{ key, delete: true }]);
    for (const term of ['rare=19', 'nobody']) await expect(ask(term)).rejects.toMatchObject({ code: 'corrupt-data' });
    await index.close();
  });

  it('merges the first sixteen blocks, and answers from them like a plain scan', async () => {
    const spans = openMemoryStore();
    const many = 16 * BLOCK_EVENTS + 100;
    const index = await SearchIndex.load(spans, 0, nativeHasher, fail);
    const terms = (i: number): string[] => ['all', `few=${i % 5000}`, `one=${i}`, `twice=${i % (8 * BLOCK_EVENTS)}`];
    for (let from = 0; from < many; from += 4000) {
      const group = Array.from({ length: Math.min(4000, many - from) }, (_, i) => ({
        index: from + i,
        terms: terms(from + i),
      }));
      const parts = groupTerms(group);
      await spans.write(parts.map((part) => tailRow(part, nativeHasher)));
      index.append(parts);
    }
    const isMerged = async () => decodeCounts(await spans.get(COUNTS_KEY), LAYOUT.spanBlocks).merged === 1;
    await until(isMerged, 'the span to be merged', 30_000);
    await until(async () => (await spans.range({ ...PAGES, limit: 1 })).length === 0, 'the pages of its blocks to go');
    for (const i of [0, 77, BLOCK_EVENTS, 7 * BLOCK_EVENTS + 3, many - 1]) {
      const ask = async (term: string) =>
        (await index.search({ clauses: [['all'], [term]], from: 0, to: many, limit: many })).indices;
      expect(await ask(`one=${i}`)).toEqual([i]);
      expect(await ask(`few=${i % 5000}`)).toEqual(
        Array.from({ length: Math.ceil((many - (i % 5000)) / 5000) }, (_, n) => (i % 5000) + 5000 * n),
      );
      expect(await ask(`twice=${i % (8 * BLOCK_EVENTS)}`)).toContain(i);
    }
    const rows = spans.rows.list.length / many;
    expect(rows).toBeLessThan(0.02);
    await index.close();
  }, 60_000);

  it('gives the same rows with either hasher', () => {
    const group = events.slice(16_000, 16_800);
    expect(tailRows(group, nativeHasher)).toEqual(tailRows(group, nobleHasher));
    expect(tailRows(group, nativeHasher)).toHaveLength(2);
  });
});
