import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareEvent } from '../../src/events/prepare.ts';
import type { Prepared } from '../../src/events/types.ts';
import type { DamageKind } from '../../src/log/damage.ts';
import { type FsckReport, fsck } from '../../src/log/fsck.ts';
import { type ChunkKind, chunkKey, idKey } from '../../src/log/rows.ts';
import { openMemoryStore, type SortedRows } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { bytesOf, DESIGN_EVENT, testContext } from '../support/prepare.ts';
import { ORIGIN, openTestLog, publishAll, testKeys, until, withDirectory } from '../support/test-log.ts';

/** Two full tiles and a half, in groups of 50, whose chunks also end at multiples of 32. */
const COUNT = 660;
/** First byte of the keys, as rows.ts lays them out. */
const KIND = { state: 1, tile: 2, entries: 3, id: 5, head: 6, published: 7, tail: 8 } as const;

interface Stored {
  readonly rows: SortedRows;
  readonly directory: string;
  readonly check: () => Promise<FsckReport>;
}

const eventOf = (id: string): Prepared => prepareEvent(bytesOf({ ...DESIGN_EVENT, event_id: id }), testContext());

async function withLog(use: (stored: Stored) => Promise<void>, count = COUNT): Promise<void> {
  await withDirectory(async (directory) => {
    const store = openMemoryStore();
    const { log, keys } = await openTestLog(directory, { openStore: async () => store });
    for (let from = 0; from < count; from += 50) {
      const width = Math.min(50, count - from);
      await log.submit(Array.from({ length: width }, (_, i) => eventOf(`e${from + i}`)));
    }
    await until(() => log.signedSize() === count);
    await publishAll(log, keys);
    await until(() => log.publishedSize() === count);
    await log.close();
    const check = (): Promise<FsckReport> =>
      fsck({
        store: store.reopen(),
        hasher: nativeHasher,
        directory,
        origin: ORIGIN,
        kind: 'audit',
        policyText: testKeys().policyText,
        onProgress: () => undefined,
      });
    await use({ rows: store.rows, directory, check });
  });
}

const rowsOf = ({ list }: SortedRows, kind: number): { key: Uint8Array; value: Uint8Array }[] =>
  list.filter(({ key }) => key[0] === kind);

/** The one row of this kind at this place, or an Error. */
function rowAt(rows: SortedRows, kind: number, place: number): { key: Uint8Array; value: Uint8Array } {
  const row = rowsOf(rows, kind).at(place);
  if (row === undefined) throw new Error(`there is no row ${place} of kind ${kind}`);
  return row;
}

/** The chunk that begins with this index, or an Error. */
function chunkFrom(rows: SortedRows, kind: ChunkKind, first: number): { key: Uint8Array; value: Uint8Array } {
  const row = rows.find(chunkKey(kind, first));
  if (row === undefined) throw new Error(`no chunk of ${kind} begins at ${first}`);
  return row;
}

function flip(row: { value: Uint8Array }, at: number): void {
  row.value[at] = (row.value[at] ?? 0) ^ 1;
}

function remove(rows: SortedRows, row: { key: Uint8Array }): void {
  rows.apply({ key: row.key, delete: true });
}

function found({ damages }: FsckReport): readonly (readonly [DamageKind, number | null])[] {
  return damages.map(({ kind, index }) => [kind, index] as const);
}

describe('fsck', () => {
  it('finds nothing wrong with a whole log, and says with which heads it agrees', () =>
    withLog(async ({ check }) => {
      const report = await check();
      expect(found(report)).toEqual([]);
      expect(report.size).toBe(COUNT);
      expect(report.root).not.toBeNull();
      expect(report.heads.map(({ verdict }) => verdict)).toEqual(['agrees', 'agrees', 'agrees', 'agrees']);
    }));

  it('names an altered entry, wherever in the tree it is', async () => {
    // First and last of a tile; in the rightmost tile, which is not full: below each of its peaks.
    for (const index of [0, 255, 256, 511, 512, 640, 659]) {
      await withLog(async ({ rows, check }) => {
        const chunk = rowsOf(rows, KIND.entries).findLast(({ key }) => Buffer.from(key).readUIntBE(1, 6) <= index);
        if (chunk === undefined) throw new Error('there is no such chunk');
        const first = Buffer.from(chunk.key).readUIntBE(1, 6);
        let at = 0;
        for (let i = first; i < index; i++) at += 2 + Buffer.from(chunk.value).readUInt16BE(at);
        // Behind the length and the label, in the log time.
        flip(chunk, at + 2 + 30);
        expect(found(await check())).toEqual([['entry-altered', index]]);
      });
    }
  });

  it('tells an altered tile from altered entries, and both from each other in one window', () =>
    withLog(async ({ rows, check }) => {
      flip(rowAt(rows, KIND.tile, 0), 32 * 17);
      expect(found(await check())).toEqual([['tile-altered', 0]]);
      flip(chunkFrom(rows, 'entries', 100), 40);
      const both = found(await check());
      expect(both).toContainEqual(['tile-altered', 0]);
      expect(both).toContainEqual(['entry-altered', 100]);
      expect(both).toHaveLength(2);
    }));

  it('names every index of a chunk that is gone or malformed, of entries and of contents', () =>
    withLog(async ({ rows, check }) => {
      remove(rows, chunkFrom(rows, 'entries', 160));
      const row = chunkFrom(rows, 'disclosures', 416);
      row.value = row.value.slice(0, 100);
      const { damages, heads } = await check();
      const indices = (kind: DamageKind): number[] =>
        damages.flatMap((one) => (one.kind === kind ? (one.index ?? []) : []));
      expect(indices('entry-missing')).toEqual(Array.from({ length: 32 }, (_, i) => 160 + i));
      expect(indices('contents-missing')).toEqual(Array.from({ length: 32 }, (_, i) => 416 + i));
      expect(damages).toHaveLength(64);
      expect(indices('search-wrong')).toHaveLength(0);
      expect(heads.every(({ verdict }) => verdict === 'unchecked')).toBe(true);
    }));

  it('names contents that do not open their entry', () =>
    withLog(async ({ rows, check }) => {
      const row = chunkFrom(rows, 'disclosures', 200);
      flip(row, Buffer.from(row.value).indexOf('e217') + 3);
      expect(found(await check())).toEqual([['contents-altered', 217]]);
    }));

  it('finds an event id that is gone, leads elsewhere, or stands for no event', () =>
    withLog(async ({ rows, check }) => {
      const [gone, wrong] = [idKey('e17', 'tok_test'), idKey('e300', 'tok_test')];
      rows.apply({ key: gone, delete: true });
      const row = rows.find(wrong);
      if (row === undefined) throw new Error('the event has no id row');
      flip(row, 5);
      rows.apply({ key: idKey('nobody', 'tok_test'), value: row.value });
      const list = found(await check());
      expect(list).toContainEqual(['id-missing', 17]);
      expect(list).toContainEqual(['id-wrong', 300]);
      expect(list).toContainEqual(['id-stray', 301]);
    }));

  it('finds rows of the search index that are gone or altered, and names the events', () =>
    withLog(async ({ rows, check }) => {
      flip(rowAt(rows, KIND.tail, 1), 20);
      const { damages } = await check();
      expect(new Set(damages.map(({ kind }) => kind))).toEqual(new Set(['search-wrong']));
      expect(damages.map(({ index }) => index)).toEqual(Array.from({ length: 50 }, (_, i) => 50 + i));
    }));

  it('goes on without the row of the state, from the newest head', () =>
    withLog(async ({ rows, check }) => {
      remove(rows, rowAt(rows, KIND.state, 0));
      expect(found(await check())).toEqual([['state-damaged', null]]);
      flip(rowAt(rows, KIND.entries, 0), 40);
      expect(found(await check())).toContainEqual(['entry-altered', 0]);
    }));

  it('notices a database behind its guard, a damaged guard, and a damaged head', async () => {
    await withLog(async ({ directory, check }) => {
      await writeFile(join(directory, 'guard'), 'nothing\n');
      expect(found(await check())).toEqual([['guard-damaged', null]]);
    });
    await withLog(async ({ rows, check }) => {
      flip(rowAt(rows, KIND.head, 0), 20);
      expect(found(await check())).toEqual([['head-damaged', null]]);
    });
  });
});
