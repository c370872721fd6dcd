import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DamageKind } from '../../src/log/damage.ts';
import type { FsckReport } from '../../src/log/fsck.ts';
import { encodeIdRow, idKey } from '../../src/log/rows.ts';
import { COUNT, chunkFrom, flip, KIND, remove, rowAt, rowsOf, withLog } from '../support/stored-log.ts';

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
      const elsewhere = encodeIdRow(301, new Uint8Array(16));
      rows.apply({ key: wrong, value: elsewhere });
      rows.apply({ key: idKey('nobody', 'tok_test'), value: elsewhere });
      const altered = rows.find(idKey('e40', 'tok_test'));
      if (altered === undefined) throw new Error('the event has no id row');
      flip(altered, 12);
      const list = found(await check());
      expect(list).toContainEqual(['id-missing', 17]);
      expect(list).toContainEqual(['id-wrong', 300]);
      expect(list).toContainEqual(['id-wrong', 40]);
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
