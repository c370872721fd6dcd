import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Prepared } from '../../src/events/types.ts';
import { type Store, StoreError } from '../../src/store/contract.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { openMemoryStore, type WriteFault } from '../../src/store/memory.ts';
import { type Acknowledged, checkLog } from '../support/oracle.ts';
import { cosignHead, openTestLog, preparedEvent, type TestLog, until, withDirectory } from '../support/test-log.ts';

const EVENTS = 12;
const BATCHES = 18;

const faults: readonly WriteFault[] = [
  { code: 'store-failed', persisted: false },
  { code: 'store-failed', persisted: true },
  { code: 'store-full', persisted: false },
  { code: 'store-full', persisted: true },
];

/** The same faults on both stores; on disk every third batch, because each opening takes its time. */
const stores = [
  { medium: 'memory', step: 1 },
  { medium: 'LevelDB', step: 3 },
] as const;

interface Medium {
  /** The rows as the next process finds them; `faultAt` is asked before each batch of this opening. */
  readonly open: (faultAt?: (batch: number) => WriteFault | undefined) => () => Promise<Store>;
}

function mediumOf(medium: 'memory' | 'LevelDB', directory: string): Medium {
  const memory = openMemoryStore();
  const database = join(directory, 'faulty');
  return {
    open: (faultAt) => async () =>
      faulty(medium === 'memory' ? memory.reopen() : await openLevelStore(database), faultAt ?? (() => undefined)),
  };
}

/** Any store, with writes that fail, or fail although they took effect. */
function faulty(store: Store, faultAt: (batch: number) => WriteFault | undefined): Store {
  let batches = 0;
  return {
    ...store,
    write: async (rows) => {
      batches += 1;
      const fault = faultAt(batches);
      if (fault === undefined || fault.persisted) await store.write(rows);
      if (fault !== undefined) throw new StoreError(fault.code, `injected fault at batch ${batches}`);
    },
  };
}

const at = (failing: number, fault: WriteFault) => (batch: number) => (batch === failing ? fault : undefined);

/** Submits the events one by one and returns what was acknowledged. */
async function submitAll({ log, keys }: TestLog, events: readonly Prepared[]): Promise<readonly Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  for (const event of events) {
    try {
      const [result] = await log.submit([event]);
      if (result === undefined || result.status === 'conflict') throw new Error('an unexpected conflict');
      acknowledged.push({ eventId: event.eventId, ...result });
      await cosignHead(log, keys.witnesses).catch(() => undefined);
    } catch (error) {
      expect(error).toMatchObject({ code: 'log-stopped' });
    }
  }
  return acknowledged;
}

/** Everything acknowledged is there with its index, and sending everything again completes the log. */
async function expectWhole(
  { log, keys }: TestLog,
  events: readonly Prepared[],
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  await checkLog(log, acknowledged);
  for (const event of events) {
    const [result] = await log.submit([event]);
    const known = acknowledged.find(({ eventId }) => eventId === event.eventId);
    expect(result?.status).not.toBe('conflict');
    if (known !== undefined) expect(result).toMatchObject({ status: 'duplicate', index: known.index });
  }
  expect(log.treeSize()).toBe(events.length);
  await until(() => log.signedSize() === events.length);
  await cosignHead(log, keys.witnesses);
  await until(() => log.publishedSize() === events.length);
  await checkLog(log, acknowledged);
}

const testEvents = (): readonly Prepared[] => Array.from({ length: EVENTS }, (_, i) => preparedEvent(`e${i}`));

describe.each(stores)('on $medium', ({ medium, step }) => {
  describe.each(faults)('a write that fails with $code (persisted: $persisted)', (fault) => {
    it('loses no acknowledged event, whichever batch it hits, and a resubmission completes the log', async () => {
      for (let failing = 1; failing <= BATCHES; failing += step) {
        await withDirectory(async (directory) => {
          const { open } = mediumOf(medium, directory);
          const events = testEvents();
          const first = await openTestLog(directory, { openStore: open(at(failing, fault)) });
          const acknowledged = await submitAll(first, events);
          await first.log.close();
          const second = await openTestLog(directory, { openStore: open() });
          await expectWhole(second, events, acknowledged);
          await second.log.close();
        });
      }
    }, 60_000);

    it('nor when the next start fails in the same way, at any of its first writes', async () => {
      for (const failing of [2, 5, 9].slice(0, medium === 'memory' ? 3 : 1)) {
        for (let again = 1; again <= 3; again++) {
          await withDirectory(async (directory) => {
            const { open } = mediumOf(medium, directory);
            const events = testEvents();
            const acknowledged = new Map<string, Acknowledged>();
            for (const faultAt of [at(failing, fault), at(again, fault)]) {
              const opened = await openTestLog(directory, { openStore: open(faultAt) });
              for (const one of await submitAll(opened, events)) {
                const before = acknowledged.get(one.eventId);
                if (before !== undefined) expect(one.index).toBe(before.index);
                else acknowledged.set(one.eventId, one);
              }
              await opened.log.close();
            }
            const last = await openTestLog(directory, { openStore: open() });
            await expectWhole(last, events, [...acknowledged.values()]);
            await last.log.close();
          });
        }
      }
    }, 60_000);
  });
});

describe('a write of which nobody knows what became of it', () => {
  it('is never tried again: the log stays stopped until a person has looked, although the disk works again', async () => {
    await withDirectory(async (directory) => {
      const { open } = mediumOf('memory', directory);
      let failing = true;
      const fault: WriteFault = { code: 'store-failed', persisted: false };
      const { log } = await openTestLog(directory, { openStore: open(() => (failing ? fault : undefined)) });
      await expect(log.submit([preparedEvent('a')])).rejects.toMatchObject({ code: 'log-stopped' });
      failing = false;
      await expect(log.submit([preparedEvent('b')])).rejects.toMatchObject({ code: 'log-stopped' });
      expect(log.health()).toMatchObject({ healthy: false, accepting: false, treeSize: 0 });
      await log.close();
    });
  });

  it('leaves the log stopped when what is read back from disk is not what was acknowledged', async () => {
    await withDirectory(async (directory) => {
      const memory = openMemoryStore();
      let opened = 0;
      let full = false;
      const openStore = async (): Promise<Store> => {
        opened += 1;
        // From the second opening on another disk: what was acknowledged is not on it.
        const store = opened === 1 ? memory.reopen() : openMemoryStore();
        return faulty(store, () => (full ? { code: 'store-full', persisted: false } : undefined));
      };
      const { log } = await openTestLog(directory, { openStore });
      await log.submit([preparedEvent('a')]);
      full = true;
      await expect(log.submit([preparedEvent('b')])).rejects.toMatchObject({ code: 'log-stopped' });
      full = false;
      await until(
        () =>
          log
            .health()
            .problems.some((problem) =>
              /rolled-back|not what was acknowledged|are lost|is missing|were acknowledged/.test(problem),
            ),
        'the refusal',
      );
      await expect(log.submit([preparedEvent('c')])).rejects.toMatchObject({ code: 'log-stopped' });
      expect(log.health().accepting).toBe(false);
      await log.close();
    });
  });
});

describe('a full disk', () => {
  it('is got over by itself: refused while full, taken again when there is room, nothing lost', async () => {
    await withDirectory(async (directory) => {
      let full = false;
      const rows = openMemoryStore();
      const openStore = async () => {
        const store = rows.reopen();
        store.faultAt = () => (full ? { code: 'store-full', persisted: false } : undefined);
        return store;
      };
      const { log } = await openTestLog(directory, { openStore });
      const [first] = await log.submit([preparedEvent('before')]);
      full = true;
      await expect(log.submit([preparedEvent('during')])).rejects.toMatchObject({ code: 'log-stopped' });
      await expect(log.submit([preparedEvent('still')])).rejects.toMatchObject({ code: 'log-stopped' });
      expect(log.health()).toMatchObject({ healthy: false, accepting: false });
      full = false;
      await until(() => log.health().accepting, 'the log to take submissions again');
      expect((await log.submit([preparedEvent('after')]))[0]).toMatchObject({ status: 'accepted', index: 1 });
      if (first === undefined || first.status === 'conflict') throw new Error('the first event was not taken');
      await checkLog(log, [{ eventId: 'before', ...first }]);
      await log.close();
    });
  });
});

describe('the clock', () => {
  it('never makes log time go back; a long step back refuses submissions and heads until it is over', async () => {
    await withDirectory(async (directory) => {
      let now = 1_700_000_000_000_000;
      const { log } = await openTestLog(directory, { nowUs: () => now });
      const [a] = await log.submit([preparedEvent('a')]);
      now -= 500_000;
      const [b] = await log.submit([preparedEvent('b')]);
      expect(b).toMatchObject({ logTime: (a as { logTime: number }).logTime + 1 });
      now -= 10_000_000;
      await expect(log.submit([preparedEvent('c')])).rejects.toMatchObject({ code: 'clock-backwards' });
      now += 20_000_000;
      expect((await log.submit([preparedEvent('c')]))[0]).toMatchObject({ status: 'accepted', index: 2 });
      await until(() => log.signedSize() === 3);
      await log.close();
    });
  });
});
