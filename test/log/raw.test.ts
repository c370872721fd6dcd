import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8Encode } from '../../proofs/bytes.ts';
import { leafHash } from '../../proofs/hash.ts';
import { MAX_BUNDLE_ENTRY_BYTES } from '../../proofs/tile.ts';
import { restoredBytes } from '../../src/log/restore-entries.ts';
import { leafKey } from '../../src/log/rows.ts';
import { openMemoryStore, type WriteFault } from '../../src/store/memory.ts';
import { lostLogWorld } from '../support/lost-log.ts';
import { checkRawLog } from '../support/oracle.ts';
import '../support/seed.ts';
import { cosignHead, openTestRawLog, publishAll, until, withDirectory } from '../support/test-log.ts';

const bytes = (text: string): Uint8Array => utf8Encode(text);
const numbered = (from: number, count: number): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, i) => bytes(`entry ${from + i}`));

describe('a raw log', () => {
  it('hashes bytes as they are, publishes with a quorum, and everything verifies at each step', async () => {
    await withDirectory(async (directory) => {
      const { log, keys } = await openTestRawLog(directory);
      const acknowledged = new Map<number, Uint8Array>();
      for (const count of [1, 2, 60, 193, 1, 300]) {
        const entries = numbered(acknowledged.size, count);
        const results = await log.add(entries);
        for (const [i, { status, index, leafHash: hash }] of results.entries()) {
          const entry = entries[i] ?? bytes('');
          expect({ status, index }).toEqual({ status: 'accepted', index: acknowledged.size });
          expect(hash).toEqual(leafHash(entry));
          acknowledged.set(index, entry);
        }
        await publishAll(log, keys);
        await until(() => log.publishedSize() === log.treeSize());
        await checkRawLog(log, acknowledged);
      }
      await log.close();
    });
  });

  it('takes entries of no bytes and of as many as a bundle can hold, and none that is longer', async () => {
    await withDirectory(async (directory) => {
      const { log } = await openTestRawLog(directory);
      const longest = new Uint8Array(MAX_BUNDLE_ENTRY_BYTES).fill(7);
      expect((await log.add([new Uint8Array(0), longest])).map(({ index }) => index)).toEqual([0, 1]);
      const longer = new Uint8Array(MAX_BUNDLE_ENTRY_BYTES + 1);
      await expect(log.add([bytes('beside'), longer])).rejects.toMatchObject({ code: 'entry-too-large' });
      expect(log.treeSize()).toBe(2);
      expect(await log.entryAt(1)).toEqual(longest);
      expect(await log.entryAt(2)).toBeUndefined();
      await log.close();
    });
  });

  it('pushes back beyond its queue, and says when to come again', async () => {
    await withDirectory(async (directory) => {
      const { log } = await openTestRawLog(directory, { limits: { maxQueuedEvents: 10 } });
      const refused = log.add(numbered(0, 11));
      await expect(refused).rejects.toMatchObject({ code: 'overloaded', details: { retryAfterSeconds: 1 } });
      const bySize = await openTestRawLog(`${directory}/second`, { limits: { maxQueuedBytes: 300 } });
      await expect(bySize.log.add([new Uint8Array(400)])).rejects.toMatchObject({ code: 'overloaded' });
      await Promise.all([log.close(), bySize.log.close()]);
    });
  });
});

describe('duplicates in a raw log', () => {
  it('get the first index: in one call, while the first is being written, later, and after a restart', async () => {
    await withDirectory(async (directory) => {
      const { log } = await openTestRawLog(directory);
      const [first, second] = await Promise.all([
        log.add([bytes('a'), bytes('b'), bytes('a')]),
        log.add([bytes('b'), bytes('c')]),
      ]);
      expect(first.map(({ status, index }) => [status, index])).toEqual([
        ['accepted', 0],
        ['accepted', 1],
        ['duplicate', 0],
      ]);
      expect(second.map(({ status, index }) => [status, index])).toEqual([
        ['duplicate', 1],
        ['accepted', 2],
      ]);
      const inFlight = [log.add([bytes('d')]), log.add([bytes('d')])];
      await new Promise((resolve) => setImmediate(resolve));
      inFlight.push(log.add([bytes('d')]));
      expect((await Promise.all(inFlight)).flat().map(({ index }) => index)).toEqual([3, 3, 3]);
      await log.close();

      const again = await openTestRawLog(directory);
      expect(await again.log.add([bytes('c'), bytes('a')])).toMatchObject([
        { status: 'duplicate', index: 2 },
        { status: 'duplicate', index: 0 },
      ]);
      expect(again.log.treeSize()).toBe(4);
      await again.log.close();
    });
  });

  it('are entries of their own where they are not suppressed', async () => {
    await withDirectory(async (directory) => {
      const { log } = await openTestRawLog(directory, { deduplicate: false });
      const results = await log.add([bytes('a'), bytes('a')]);
      expect(results.map(({ status, index }) => [status, index])).toEqual([
        ['accepted', 0],
        ['accepted', 1],
      ]);
      await checkRawLog(
        log,
        new Map([
          [0, bytes('a')],
          [1, bytes('a')],
        ]),
      );
      await log.close();
    });
  });

  it('are not answered with an index that the tree contradicts', async () => {
    await withDirectory(async (directory) => {
      const store = openMemoryStore();
      const { log } = await openTestRawLog(directory, { openStore: async () => store });
      await log.add([bytes('a'), bytes('b')]);
      const row = store.rows.find(leafKey(leafHash(bytes('a'))));
      row?.value.set([1], 5);
      await expect(log.add([bytes('a')])).rejects.toMatchObject({ code: 'corrupt-data', details: { index: 1 } });
      await log.close();
    });
  });
});

const faults: readonly WriteFault[] = [
  { code: 'store-failed', persisted: false },
  { code: 'store-failed', persisted: true },
];

describe.each(faults)('a raw log whose write fails with $code (persisted: $persisted)', (fault) => {
  it('loses nothing that was acknowledged, and the same bytes again complete it', async () => {
    const entries = numbered(0, 8);
    for (let failing = 1; failing <= 12; failing++) {
      await withDirectory(async (directory) => {
        const store = openMemoryStore();
        store.faultAt = (batch) => (batch === failing ? fault : undefined);
        const first = await openTestRawLog(directory, { openStore: async () => store });
        const acknowledged = new Map<number, Uint8Array>();
        for (const entry of entries) {
          try {
            for (const { index } of await first.log.add([entry])) acknowledged.set(index, entry);
            await cosignHead(first.log, first.keys.witnesses).catch(() => undefined);
          } catch (error) {
            expect(error).toMatchObject({ code: 'log-stopped' });
          }
        }
        await first.log.close();

        const { log } = await openTestRawLog(directory, { openStore: async () => store.reopen() });
        await checkRawLog(log, acknowledged);
        for (const [index, entry] of acknowledged) expect(await log.add([entry])).toMatchObject([{ index }]);
        for (const entry of entries) await log.add([entry]);
        expect(log.treeSize()).toBe(entries.length);
        await checkRawLog(log, acknowledged);
        await log.close();
      });
    }
  });
});

describe('any bytes in any groups', () => {
  it('come back as they were, with one index for the same bytes', async () => {
    // Few short ones, so that many are equal, and some that fill more than one row.
    const entry = fc.oneof(
      fc.uint8Array({ maxLength: 1 }),
      fc.uint8Array({ maxLength: 600 }),
      fc.constant(new Uint8Array(60_000)),
    );
    const rounds = fc.array(fc.array(fc.array(entry, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 }));
    await fc.assert(
      fc.asyncProperty(rounds, (given) =>
        withDirectory(async (directory) => {
          const { log, keys } = await openTestRawLog(directory, { openStore: async () => openMemoryStore() });
          const acknowledged = new Map<number, Uint8Array>();
          const known = new Map<string, number>();
          for (const groups of given) {
            const answers = await Promise.all(groups.map((group) => log.add(group)));
            for (const [i, added] of groups.flat().entries()) {
              const { index } = answers.flat()[i] ?? { index: -1 };
              const name = Buffer.from(added).toString('latin1');
              expect(index).toBe(known.get(name) ?? known.size);
              known.set(name, index);
              acknowledged.set(index, added);
            }
          }
          expect(log.treeSize()).toBe(known.size);
          if (known.size > 0) await publishAll(log, keys);
          await checkRawLog(log, acknowledged);
          await log.close();
        }),
      ),
      { numRuns: 25 },
    );
  });
});

describe('a lost raw log', () => {
  it('comes back from a mirror, which never knew what it copied, with everything that it had', async () => {
    await withDirectory(async (directory) => {
      const world = await lostLogWorld(directory);
      const log = await world.openRaw();
      const entries = numbered(0, 700);
      await log.add(entries);
      await until(() => log.publishedSize() === entries.length, 'the checkpoint');
      await until(async () => (await world.mirror.health()).logs[0]?.size === entries.length, 'the mirror');
      await world.lose();
      const restored = await world.restore({ entries: restoredBytes(true) });
      expect(restored).toMatchObject({ size: entries.length });
      const again = await world.openRaw();
      expect(await again.add([entries[699] ?? bytes('')])).toMatchObject([{ status: 'duplicate', index: 699 }]);
      expect(await again.add([bytes('new')])).toMatchObject([{ status: 'accepted', index: 700 }]);
      await checkRawLog(again, new Map(entries.map((entry, index) => [index, entry])));
      await world.close();
    });
  });
});
