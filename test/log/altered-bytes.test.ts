import { describe, expect, it } from 'vitest';
import { chunkKey, idKey } from '../../src/log/rows.ts';
import type { Log } from '../../src/log/types.ts';
import { openMemoryStore, type SortedRows } from '../../src/store/memory.ts';
import { openTestLog, preparedEvent, until, withDirectory } from '../support/test-log.ts';

const COUNT = 600;
/** First byte of the keys, as rows.ts lays them out. */
const KIND = { state: 1, tile: 2, entries: 3, disclosures: 4, shortcut: 12 } as const;

/** A stored log of 600 events; `damage` is done to its rows before it is opened again. */
async function reopened(damage: (rows: SortedRows) => void, use: (log: Promise<Log>) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const store = openMemoryStore();
    const { log } = await openTestLog(directory, { openStore: async () => store });
    for (let from = 0; from < COUNT; from += 50) {
      await log.submit(Array.from({ length: 50 }, (_, i) => preparedEvent(`e${from + i}`)));
    }
    await until(() => log.signedSize() === COUNT);
    await log.close();
    damage(store.rows);
    // The start-up check is narrowed to the newest entries, so that older damage is met by the reads.
    const limits = { startCheckEntries: 10 };
    const opened = openTestLog(directory, { openStore: async () => store.reopen(), limits }).then((one) => one.log);
    await use(opened);
    await opened.then(
      (one) => one.close(),
      () => undefined,
    );
  });
}

const rowsOf = (rows: SortedRows, kind: number): { key: Uint8Array; value: Uint8Array }[] =>
  rows.list.filter(({ key }) => key[0] === kind);

function flip(row: { value: Uint8Array } | undefined, at: number, bit = 0): void {
  if (row === undefined) throw new Error('there is no such row');
  row.value[at] = (row.value[at] ?? 0) ^ (1 << bit);
}

describe('bytes altered on disk', () => {
  it('are never served: an altered entry is named by its index, and its neighbours in other rows are served', async () => {
    await reopened(
      (rows) => flip(rows.find(chunkKey('entries', 100)), 40),
      async (opened) => {
        const log = await opened;
        await expect(log.eventAt(100)).rejects.toMatchObject({ code: 'corrupt-data', details: { index: 100 } });
        await expect(log.receipt(100)).resolves.toBeUndefined();
        await expect(log.entryBundle(0, 256)).rejects.toMatchObject({ code: 'corrupt-data', details: { index: 100 } });
        expect((await log.eventAt(99))?.index).toBe(99);
      },
    );
  });

  it('are never served: altered contents do not open their entry', async () => {
    await reopened(
      (rows) => {
        const row = rowsOf(rows, KIND.disclosures)[0];
        const at = Buffer.from(row?.value ?? []).indexOf('test.run');
        flip(row, at);
      },
      async (opened) => {
        const log = await opened;
        await expect(log.eventAt(0)).rejects.toMatchObject({ code: 'corrupt-data', details: { index: 0 } });
        expect((await log.eventAt(1))?.index).toBe(1);
      },
    );
  });

  it('are never served: contents that would make the same field id twice are altered contents', async () => {
    await withDirectory(async (directory) => {
      const store = openMemoryStore();
      const { log } = await openTestLog(directory, { openStore: async () => store });
      await log.submit([preparedEvent('e0', { x: 1, y: 2 })]);
      const row = rowsOf(store.rows, KIND.disclosures)[0];
      flip(row, Buffer.from(row?.value ?? []).indexOf(Uint8Array.of(0x61, 0x78)) + 1);
      await until(() => log.signedSize() === 1);
      await expect(log.eventAt(0)).rejects.toMatchObject({ code: 'corrupt-data', details: { index: 0 } });
      await log.close();
    });
  });

  it.each([0, 5, 9, 21, 25])(
    'refuse a known event when byte %i of its id row changed, and store nothing twice',
    async (at) => {
      await reopened(
        (rows) => flip(rows.find(idKey('e100', 'tok_test')), at),
        async (opened) => {
          const log = await opened;
          const size = log.treeSize();
          await expect(log.submit([preparedEvent('e100')])).rejects.toMatchObject({ code: 'corrupt-data' });
          // Whoever sends beside it is not refused with it.
          const [known, fresh] = await Promise.all([
            log.submit([preparedEvent('e99')]),
            log.submit([preparedEvent('fresh')]),
            log.submit([preparedEvent('e100')]).catch(() => undefined),
          ]);
          expect(known[0]).toMatchObject({ status: 'duplicate', index: 99 });
          expect(fresh[0]).toMatchObject({ status: 'accepted', index: size });
          expect(log.treeSize()).toBe(size + 1);
        },
      );
    },
  );

  it('do no harm in a shortcut, which costs time and never an answer, whether it is altered, cut or gone', async () => {
    const damages: ((rows: SortedRows) => void)[] = [
      (rows) => flip(rowsOf(rows, KIND.shortcut)[0], 5),
      (rows) => rowsOf(rows, KIND.shortcut)[0]?.value.fill(0),
      (rows) => rowsOf(rows, KIND.shortcut)[0]?.value.fill(255, 512),
      (rows) =>
        rowsOf(rows, KIND.shortcut).forEach((row) => void rows.apply({ key: row.key, value: row.value.slice(0, 7) })),
      (rows) => rowsOf(rows, KIND.shortcut).forEach((row) => void rows.apply({ key: row.key, delete: true })),
    ];
    for (const damage of damages) {
      await reopened(damage, async (opened) => {
        const log = await opened;
        const indices = [0, 31, 32, 49, 50, 100, 255, 256, 299, 599];
        expect((await log.eventsAt(indices)).map(({ index }) => index)).toEqual(indices);
        expect((await log.inclusionProof(100, COUNT)).length).toBeGreaterThan(0);
        expect((await log.tile({ level: 0, index: 0, width: 256 }))?.length).toBe(8192);
      });
    }
  });

  it.each([0, 31, 4000, 8191])(
    'stop the log at start when byte %i of a tile at the right edge is altered',
    async (at) => {
      await reopened(
        (rows) => flip(rowsOf(rows, KIND.tile)[1], at, 7),
        async (opened) => {
          await expect(opened).rejects.toMatchObject({ code: 'corrupt-data' });
        },
      );
    },
  );

  it('stop the log at start when an entry of the right edge is altered, a chunk is missing or the state is damaged', async () => {
    const damages: ((rows: SortedRows) => void)[] = [
      (rows) => flip(rowsOf(rows, KIND.entries).at(-1), 30),
      (rows) =>
        void rows.list.splice(rows.list.indexOf(rowsOf(rows, KIND.entries).at(-1) ?? (rows.list[0] as never)), 1),
      (rows) => flip(rowsOf(rows, KIND.state)[0], 60),
      (rows) => void rows.list.splice(rows.list.indexOf(rowsOf(rows, KIND.state)[0] ?? (rows.list[0] as never)), 1),
    ];
    for (const damage of damages) {
      await reopened(damage, async (opened) => {
        await expect(opened).rejects.toMatchObject({ code: 'corrupt-data' });
      });
    }
  });

  it('are not signed: a log whose older entries changed under it refuses the next head', async () => {
    await withDirectory(async (directory) => {
      const store = openMemoryStore();
      const { log } = await openTestLog(directory, {
        openStore: async () => store,
        limits: { headPatienceMs: 100_000 },
      });
      await until(() => log.head() !== undefined);
      await log.submit(Array.from({ length: 5 }, (_, i) => preparedEvent(`e${i}`)));
      flip(rowsOf(store.rows, KIND.entries)[0], 20);
      await log.close();
      const again = openTestLog(directory, { openStore: async () => store.reopen() });
      await expect(again).rejects.toMatchObject({ code: 'corrupt-data' });
    });
  });
});
