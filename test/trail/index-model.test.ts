import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/contract.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { checkIndexBlock } from '../../src/trail/check-index.ts';
import { addOffsets, addTerms, emptySet } from '../../src/trail/postings.ts';
import type { IndexQuery, SearchIndex } from '../../src/trail/search-index.ts';
import {
  countsOf,
  INDEX_KIND,
  loadSmall,
  rowsOfKind,
  rowsWithoutPages,
  SMALL,
  scan,
  smallEvents,
  TWINS,
  take,
  untilSettled,
} from '../support/small-index.ts';
import { until } from '../support/test-log.ts';
import '../support/seed.ts';

const { blockEvents, spanBlocks } = SMALL.layout;
const MAX_EVENTS = 1900;
const events = smallEvents(MAX_EVENTS);

const term = fc.oneof(
  fc.constantFrom('all', 'half=0', 'half=1', 'now and then', 'nobody', 'rare=7', '\u{1f600}=3', '\uffee=3', ...TWINS),
  fc.nat({ max: 22 }).map((n) => `few=${n}`),
  fc.nat({ max: 300 }).map((n) => `rare=${n}`),
  fc.nat({ max: MAX_EVENTS - 1 }).map((n) => `one=${n}`),
);
const question = fc.record({
  clauses: fc.array(fc.array(term, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
  from: fc.oneof(fc.constant(0), fc.nat({ max: MAX_EVENTS })),
  to: fc.oneof(fc.constant(MAX_EVENTS), fc.nat({ max: MAX_EVENTS })),
  limit: fc.constantFrom(1, 10, 100_000),
});
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 250 }) }) },
  { weight: 4, arbitrary: fc.record({ ask: question }) },
  { weight: 3, arbitrary: fc.record({ turns: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.constant({ restart: true }) },
);

/** Reads that take turns of the event loop, so that rows are written and deleted between a question and its reads. */
function slow(store: Store, turnsOfRead: () => number): Store {
  const late = async <T>(read: () => Promise<T>): Promise<T> => {
    await turns(turnsOfRead());
    return read();
  };
  return {
    ...store,
    getMany: (keys) => late(() => store.getMany(keys)),
    range: (options) => late(() => store.range(options)),
  };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('the search index, as submissions, questions and restarts come', () => {
  it(
    'answers each question like a plain scan, whatever of it is open, being sealed, merged or of an older version',
    () =>
      fc.assert(
        fc.asyncProperty(
          fc.nat({ max: 10 }),
          fc.array(step, { minLength: 5, maxLength: 40 }),
          fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 20 }),
          async (oldBlocks, steps, delays) => {
            const memory = openMemoryStore();
            if (oldBlocks > 0) await memory.write(rowsWithoutPages(events, oldBlocks, SMALL.layout));
            let reads = 0;
            const store = slow(memory, () => delays[reads++ % delays.length] ?? 0);
            let size = oldBlocks * blockEvents;
            let index: SearchIndex = await loadSmall(store, size);
            let asked: Promise<void>[] = [];
            const ask = async (query: IndexQuery): Promise<void> => {
              const bounded = { ...query, to: Math.min(query.to, size) };
              const expected = scan(events, bounded);
              const { indices, complete } = await index.search(bounded);
              expect(indices, JSON.stringify(query)).toEqual(expected);
              expect(complete).toBe(true);
            };
            for (const one of steps) {
              if ('append' in one) {
                const end = Math.min(MAX_EVENTS, size + one.append);
                await take(store, index, events.slice(size, end));
                size = end;
              } else if ('ask' in one) asked.push(ask(one.ask));
              else if ('turns' in one) await turns(one.turns);
              else {
                await Promise.all(asked);
                asked = [];
                await index.close();
                index = await loadSmall(store, size);
              }
            }
            await Promise.all(asked);
            await untilSettled(memory, size);
            const all = ['all', 'half=1', 'now and then', 'nobody', ...TWINS, ...(events[size - 1]?.terms ?? [])];
            for (const name of all) await ask({ clauses: [[name]], from: 0, to: size, limit: MAX_EVENTS });
            expect(await countsOf(memory)).toMatchObject(size < blockEvents ? {} : { paged: oldBlocks });
            await index.close();
          },
        ),
        { numRuns: 150 },
      ),
    120_000,
  );

  it('has a row of its own for frequent terms alone, and deletes what was merged', async () => {
    const store = openMemoryStore();
    const index = await loadSmall(store, 0);
    const size = 2 * spanBlocks * blockEvents + 3 * blockEvents + 10;
    await take(store, index, events.slice(0, size));
    await untilSettled(store, size);
    expect(await countsOf(store)).toEqual({ sealed: 11, paged: 0, merged: 2 });
    expect(rowsOfKind(store, INDEX_KIND.spanPage)).toHaveLength(2 * SMALL.layout.spanPages);
    expect(rowsOfKind(store, INDEX_KIND.blockPage)).toHaveLength(3 * SMALL.layout.blockPages);
    const names = new Set(
      rowsOfKind(store, INDEX_KIND.container).map(({ key }) => Buffer.from(key.slice(1, -5)).toString()),
    );
    expect([...names].sort()).toEqual(['all', 'half=0', 'half=1', 'now and then']);
    await index.close();
  });

  it('deletes no page that a question under way may still read', async () => {
    const memory = openMemoryStore();
    let release: (() => void) | undefined;
    let isHeld = false;
    const store: Store = {
      ...memory,
      getMany: async (keys) => {
        if (isHeld && release === undefined) await new Promise<void>((resolve) => (release = resolve));
        return memory.getMany(keys);
      },
    };
    const span = spanBlocks * blockEvents;
    const index = await loadSmall(store, 0);
    await take(store, index, events.slice(0, span - 1));
    await until(async () => (await countsOf(memory)).sealed === spanBlocks - 1, 'all but the last block to be sealed');
    isHeld = true;
    const query = { clauses: [['rare=40', 'one=3']], from: 0, to: span - 1, limit: 100 };
    const answer = index.search(query);
    await until(() => release !== undefined, 'the question to read');
    await take(store, index, events.slice(span - 1, span));
    await until(async () => (await countsOf(memory)).merged === 1, 'the span to be merged');
    await turns(50);
    expect(rowsOfKind(memory, INDEX_KIND.blockPage)).toHaveLength(spanBlocks * SMALL.layout.blockPages);
    release?.();
    expect((await answer).indices).toEqual(scan(events, query));
    await until(() => rowsOfKind(memory, INDEX_KIND.blockPage).length === 0, 'the pages to be deleted');
    await index.close();
  });

  it('is never taken for damaged while it is being sealed and merged', async () => {
    const memory = openMemoryStore();
    let reads = 0;
    const store = slow(memory, () => 9 * (reads++ % 7));
    const index = await loadSmall(memory, 0);
    const checks: Promise<void>[] = [];
    const check = async (block: number, size: number): Promise<void> => {
      const first = block * blockEvents;
      const count = Math.min(size - first, blockEvents);
      const wanted = { block, terms: new Map<string, number[]>(), derived: emptySet(), count };
      for (const { index: i, terms } of events.slice(first, first + count)) {
        addTerms(wanted.terms, i - first, terms);
        addOffsets(wanted.derived, [i - first]);
      }
      const { badOffsets, lacksPages } = await checkIndexBlock(store, nativeHasher, wanted, SMALL.layout);
      expect({ badOffsets, lacksPages }, `block ${block} of ${size}`).toEqual({ badOffsets: [], lacksPages: false });
    };
    for (let size = 0; size < MAX_EVENTS; ) {
      const end = Math.min(MAX_EVENTS, size + 90);
      await take(memory, index, events.slice(size, end));
      size = end;
      const newest = Math.floor((size - 1) / blockEvents);
      for (const block of [newest, newest - 1, newest - spanBlocks, newest - spanBlocks - 1]) {
        if (block >= 0) checks.push(check(block, size));
      }
      await turns(15);
    }
    await Promise.all(checks);
    expect(checks.length).toBeGreaterThan(50);
    await index.close();
  });

  it('goes on sealing beside a damaged page, and merges once that was mended', async () => {
    const store = openMemoryStore();
    let index = await loadSmall(store, 0);
    const span = spanBlocks * blockEvents;
    await take(store, index, events.slice(0, span - 1));
    await until(async () => (await countsOf(store)).sealed === spanBlocks - 1, 'all but the last block to be sealed');
    const page = rowsOfKind(store, INDEX_KIND.blockPage)[1];
    const flip = (): void => {
      if (page !== undefined) page.value[3] = (page.value[3] ?? 0) ^ 16;
    };
    flip();
    const size = 4 * span + 7;
    await take(store, index, events.slice(span - 1, size));
    await until(async () => (await countsOf(store)).sealed === 4 * spanBlocks, 'every full block to be sealed');
    const ask = (term: string) => index.search({ clauses: [[term]], from: 0, to: size, limit: size });
    const answers = await Promise.allSettled(events.slice(0, 200).map(({ index: i }) => ask(`one=${i}`)));
    const refused = answers.filter(({ status }) => status === 'rejected').length;
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(200);
    expect(await countsOf(store)).toMatchObject({ merged: 0 });
    await index.close();
    flip();
    index = await loadSmall(store, size);
    await untilSettled(store, size);
    expect(await countsOf(store)).toMatchObject({ merged: 4 });
    for (const { index: i } of events.slice(0, 200)) expect((await ask(`one=${i}`)).indices).toEqual([i]);
    await index.close();
  });
});
