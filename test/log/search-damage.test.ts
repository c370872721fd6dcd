import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCbor } from '../../proofs/cbor.ts';
import { prepareEvent } from '../../src/events/prepare.ts';
import type { Prepared } from '../../src/events/types.ts';
import type { Damage } from '../../src/log/damage.ts';
import { LOST_DISCLOSURE } from '../../src/log/disclosure.ts';
import { fsck } from '../../src/log/fsck.ts';
import { type RepairOptions, repair } from '../../src/log/repair.ts';
import { COUNTS_KEY, chunkKey, containerKey, type PageKind, pageKey } from '../../src/log/rows.ts';
import { openMemoryStore, SortedRows } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { compareTerms, hashOfText, openPage, type PageEntry, PageWriter, readPage } from '../../src/trail/pages.ts';
import { type IndexedEvent, type IndexLayout, tailRows } from '../../src/trail/postings.ts';
import { bytesOf, DESIGN_EVENT, testContext } from '../support/prepare.ts';
import {
  INDEX_KIND,
  INDEX_KINDS,
  loadSmall,
  rowsOfKind,
  rowsWithoutPages,
  scan,
  textOf,
  untilSettled,
} from '../support/small-index.ts';
import { flip, type Stored, withLog } from '../support/stored-log.ts';

/** A merged span, a block with pages of its own, and a tail. Of so many pages some are empty. */
const LAYOUT: IndexLayout = { blockEvents: 256, spanBlocks: 2, blockPages: 64, spanPages: 256, maxPaged: 20 };
const SIZES = { layout: LAYOUT, pace: { sliceEntries: 1000, batchBytes: 100_000, deletedRows: 1000 } };
const COUNT = 3 * 256 + 100;
/** First events of rows whose contents were lost, one in the span and one in the block behind it; 32 events each. */
const LOST = [64, 608];

const madeEvents: readonly Prepared[] = Array.from({ length: COUNT }, (_, i) =>
  prepareEvent(
    bytesOf({
      ...DESIGN_EVENT,
      event_id: `e${i}`,
      actor: { type: 'user', id: `u_${i % 37}` },
      target: { type: 'user', id: `t_${i}` },
    }),
    testContext(),
  ),
);
const events: readonly IndexedEvent[] = madeEvents.map(({ terms }, index) => ({ index, terms }));

interface Indexed extends Stored {
  readonly options: RepairOptions;
  readonly row: (key: Uint8Array) => { key: Uint8Array; value: Uint8Array };
}

/** One log for all tests; each gets rows of its own. */
let made: Stored;
let end: () => void;
let holding: Promise<void>;

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    const hold = (stored: Stored): Promise<void> => {
      made = stored;
      resolve();
      return new Promise((release) => {
        end = release;
      });
    };
    holding = withLog(hold, COUNT, (index) => madeEvents[index] ?? fail());
  });
});

afterAll(async () => {
  end();
  await holding;
});

/** The log with a search index of this layout, the first blocks of which an older version sealed. */
async function withIndex(use: (stored: Indexed) => Promise<void>, oldBlocks = 0): Promise<void> {
  const rows = new SortedRows();
  rows.list.push(
    ...made.rows.list
      .filter(({ key }) => !INDEX_KINDS.has(key[0]))
      .map(({ key, value }) => ({ key, value: value.slice() })),
  );
  for (const first of LOST) {
    const value = encodeCbor(Array.from({ length: 32 }, () => LOST_DISCLOSURE));
    rows.apply({ key: chunkKey('disclosures', first), value });
  }
  const store = openMemoryStore(rows);
  if (oldBlocks > 0) await store.write(rowsWithoutPages(events, oldBlocks, LAYOUT));
  await store.write(tailRows(events.slice(oldBlocks * LAYOUT.blockEvents), nativeHasher, LAYOUT));
  const index = await loadSmall(store, COUNT, undefined, SIZES);
  await untilSettled(store, COUNT, SIZES);
  await index.close();
  const options = { ...made.options, store, layout: LAYOUT, sources: [], contentMac: () => new Uint8Array(16) };
  const row = (key: Uint8Array) => rows.find(key) ?? fail();
  await use({ ...made, rows, store, options, row, check: () => fsck(options) });
}

function fail(): never {
  throw new Error('there is no such row');
}

/** The indices of damages that are all of the search index. */
function wrong(damages: readonly Damage[]): readonly (number | null)[] {
  expect(new Set(damages.map(({ kind }) => kind))).toEqual(new Set(['search-wrong']));
  return damages.map(({ index }) => index);
}

const isLost = (index: number): boolean => LOST.some((first) => index >= first && index < first + 32);

/** Events of the blocks [from, to) whose contents are there and that carry such a term. */
function eventsWith(from: number, to: number, isSuch: (term: string) => boolean): readonly number[] {
  return events
    .slice(from * LAYOUT.blockEvents, to * LAYOUT.blockEvents)
    .filter(({ index, terms }) => !isLost(index) && terms.some(isSuch))
    .map(({ index }) => index);
}

async function expectAnswers({ store }: Indexed, terms: readonly string[]): Promise<void> {
  const index = await loadSmall(store.reopen(), COUNT, undefined, SIZES);
  for (const term of terms) {
    const query = { clauses: [[term]], from: 0, to: COUNT, limit: COUNT };
    expect((await index.search(query)).indices, term).toEqual(scan(events, query));
  }
  await index.close();
}

/** Names these events, and only these; after `repair` every row is as it was. */
async function expectMended(stored: Indexed, before: string, expected: readonly number[]): Promise<void> {
  expect(textOf(stored.store)).not.toBe(before);
  expect(wrong((await stored.check()).damages)).toEqual(expected);
  expect((await repair(stored.options)).left).toEqual([]);
  expect(textOf(stored.store)).toBe(before);
}

/** Of these targets' pages none has a term of an event with lost contents. */
const PAGES = [
  { kind: 'spanPage', number: 0, pages: LAYOUT.spanPages, from: 0, to: 2, term: 't:t_0' },
  { kind: 'blockPage', number: 2, pages: LAYOUT.blockPages, from: 2, to: 3, term: 't:t_516' },
] as const;

describe('a sealed search index', () => {
  it('is whole, and knows events that nobody else knows any more', () =>
    withIndex(async (stored) => {
      expect((await stored.check()).damages).toEqual([]);
      await expectAnswers(stored, ['a:u_5', 't:t_70', 't:t_610', 'n:acme', 't:t_800']);
    }));

  it.each(PAGES)('whose $kind is altered or gone names the events in it, and is made again', (of) =>
    withIndex(async (stored) => {
      const page = hashOfText(of.term) % of.pages;
      const key = pageKey(of.kind, page, of.number);
      const expected = eventsWith(of.from, of.to, (term) => hashOfText(term) % of.pages === page);
      expect(expected).toContain(Number(of.term.slice(4)));
      const before = textOf(stored.store);
      flip(stored.row(key), 5);
      await expectMended(stored, before, expected);
      stored.rows.apply({ key, delete: true });
      await expectMended(stored, before, expected);
      await expectAnswers(stored, [of.term, 'n:acme']);
    }),
  );

  it.each([
    { kind: 'spanPage', number: 0, pages: LAYOUT.spanPages, term: 't:t_300', lost: 't:t_70' },
    { kind: 'blockPage', number: 2, pages: LAYOUT.blockPages, term: 't:t_700', lost: 't:t_610' },
  ] as const)('whose $kind forgot a term names its event, and keeps what it alone knows', ({ kind, number, ...of }) =>
    withIndex(async (stored) => {
      const before = textOf(stored.store);
      for (const [term, expected] of [
        [of.term, [Number(of.term.slice(4))]],
        [of.lost, []],
      ] as const) {
        const key = pageKey(kind, hashOfText(term) % of.pages, number);
        const page = readPage(openPage(key, stored.row(key).value, nativeHasher));
        const entry = page.get(term);
        expect(entry?.offsets).toHaveLength(1);
        page.delete(term);
        stored.rows.apply(rowOf(kind, hashOfText(term) % of.pages, number, page));
        if (expected.length > 0) await expectMended(stored, before, expected);
        // Nobody can tell that an event of which nothing is left had this term.
        else expect((await stored.check()).damages).toEqual([]);
      }
    }),
  );

  it('whose page says of an event what the event does not say names it, and is made right', () =>
    withIndex(async (stored) => {
      const before = textOf(stored.store);
      const number = hashOfText('t:t_0') % LAYOUT.spanPages;
      const key = pageKey('spanPage', number, 0);
      const page = readPage(openPage(key, stored.row(key).value, nativeHasher));
      page.set('t:t_0', { own: 0, offsets: [0, 9, 300] });
      stored.rows.apply(rowOf('spanPage', number, 0, page));
      await expectMended(stored, before, [9, 300]);
    }));

  it('whose empty page is gone names the first event of its blocks: terms that do not occur cannot be told', () =>
    withIndex(async (stored) => {
      const before = textOf(stored.store);
      const emptyPages = (kind: PageKind) =>
        rowsOfKind(stored.store, INDEX_KIND[kind]).filter(({ value }) => value.length === 4);
      for (const [kind, first] of [
        ['spanPage', 0],
        ['blockPage', 512],
      ] as const) {
        const [empty] = emptyPages(kind);
        stored.rows.apply({ key: empty?.key ?? fail(), delete: true });
        await expectMended(stored, before, [first]);
      }
    }));

  it.each([
    { block: 1, place: 'a merged block' },
    { block: 2, place: 'a block with pages' },
  ])('whose container in $place is altered or gone names its events, and has it again', ({ block }) =>
    withIndex(async (stored) => {
      const before = textOf(stored.store);
      const key = containerKey('n:acme', block);
      const expected = eventsWith(block, block + 1, (term) => term === 'n:acme');
      flip(stored.row(key), 3);
      const { damages } = await stored.check();
      expect(wrong(damages)).toEqual(expected);
      stored.rows.apply({ key, delete: true });
      expect(wrong((await stored.check()).damages)).toEqual(expected);
      expect((await repair(stored.options)).left).toEqual([]);
      // The bitmap was the only one that knew which of the lost events of block 2 had the term.
      if (block === 1) expect(textOf(stored.store)).toBe(before);
      const index = await loadSmall(stored.store.reopen(), COUNT, undefined, SIZES);
      const found = await index.search({ clauses: [['n:acme']], from: 0, to: COUNT, limit: COUNT });
      expect(found.indices).toEqual(events.map(({ index: i }) => i).filter((i) => block === 1 || i < 608 || i >= 640));
      await index.close();
    }),
  );

  it('of which every page of a span is gone is made again, but for the terms of events that are lost', () =>
    withIndex(async (stored) => {
      await stored.store.write(rowsOfKind(stored.store, INDEX_KIND.spanPage).map(({ key }) => ({ key, delete: true })));
      expect(wrong((await stored.check()).damages)).toEqual(eventsWith(0, 2, () => true));
      expect((await repair(stored.options)).left).toEqual([]);
      await expectAnswers(stored, ['t:t_0', 't:t_511', 't:t_610', 'n:acme']);
      const index = await loadSmall(stored.store.reopen(), COUNT, undefined, SIZES);
      const lost = await index.search({ clauses: [['t:t_70']], from: 0, to: COUNT, limit: 1 });
      expect(lost.indices).toEqual([]);
      await index.close();
    }));

  it.each([1, 3])('of which a version without pages wrote %i blocks is checked and mended as it is', (oldBlocks) =>
    withIndex(async (stored) => {
      expect((await stored.check()).damages).toEqual([]);
      const before = textOf(stored.store);
      flip(stored.row(containerKey('t:t_5', 0)), 2);
      await expectMended(stored, before, [5]);
      await expectAnswers(stored, ['t:t_5', 't:t_70', 't:t_300', 't:t_610', 'n:acme']);
    }, oldBlocks),
  );

  it.each([0, 1])('knows again how far it has come when that row is altered or gone (%i blocks without pages)', (old) =>
    withIndex(async (stored) => {
      const before = textOf(stored.store);
      const { value } = stored.row(COUNTS_KEY);
      for (let at = 0; at < value.length; at += 7) {
        flip(stored.row(COUNTS_KEY), at);
        await expect(loadSmall(stored.store.reopen(), COUNT)).rejects.toMatchObject({ code: 'corrupt-data' });
        await expectMended(stored, before, [0]);
      }
      stored.rows.apply({ key: COUNTS_KEY, delete: true });
      await expectMended(stored, before, [0]);
    }, old),
  );

  it('is right when `repair` is run again after a crash at any of its writes', async () => {
    for (let failing = 1; failing <= 4; failing++) {
      await withIndex(async (stored) => {
        const before = textOf(stored.store);
        for (const { kind, term, pages, number } of PAGES) {
          flip(stored.row(pageKey(kind, hashOfText(term) % pages, number)), 5);
        }
        flip(stored.row(containerKey('n:acme', 1)), 3);
        flip(stored.row(COUNTS_KEY), 3);
        const store = stored.store.reopen();
        const fault = { code: 'store-failed', persisted: failing % 2 === 0 } as const;
        store.faultAt = (batch) => (batch === failing ? fault : undefined);
        const crashing = repair({ ...stored.options, store });
        // The row of the counts, the span, the block.
        if (failing <= 3) await expect(crashing).rejects.toMatchObject({ code: 'store-failed' });
        else expect((await crashing).left).toEqual([]);
        expect((await repair(stored.options)).left).toEqual([]);
        expect(textOf(stored.store)).toBe(before);
      });
    }
  }, 60_000);
});

function rowOf(kind: PageKind, page: number, number: number, entries: ReadonlyMap<string, PageEntry>) {
  const writer = new PageWriter(nativeHasher);
  const sorted = [...entries].sort(([a], [b]) => compareTerms(a, b));
  for (const [term, { own, offsets }] of sorted) writer.addText(term, own, offsets);
  return writer.takeRow(kind, page, number);
}
