import { describe, expect, it } from 'vitest';
import { openMemoryStore, type WriteFault } from '../../src/store/memory.ts';
import { type Acknowledged, checkLog } from '../support/oracle.ts';
import { cosignHead, openTestLog, preparedEvent, until, withDirectory } from '../support/test-log.ts';

const EVENTS = 12;
const BATCHES = 18;

const faults: readonly WriteFault[] = [
  { code: 'store-failed', persisted: false },
  { code: 'store-failed', persisted: true },
  { code: 'store-full', persisted: false },
  { code: 'store-full', persisted: true },
];

describe.each(faults)('a write that fails with $code (persisted: $persisted)', (fault) => {
  it('loses no acknowledged event, whichever batch it hits, and a resubmission completes the log', async () => {
    for (let failing = 1; failing <= BATCHES; failing++) {
      await withDirectory(async (directory) => {
        const store = openMemoryStore();
        store.faultAt = (batch) => (batch === failing ? fault : undefined);
        const first = await openTestLog(directory, { openStore: async () => store });
        const acknowledged: Acknowledged[] = [];
        const events = Array.from({ length: EVENTS }, (_, i) => preparedEvent(`e${i}`));
        for (const event of events) {
          try {
            const [result] = await first.log.submit([event]);
            if (result === undefined || result.status === 'conflict') throw new Error('an unexpected conflict');
            acknowledged.push({ eventId: event.eventId, ...result });
            await cosignHead(first.log, first.keys.witnesses).catch(() => undefined);
          } catch (error) {
            expect(error).toMatchObject({ code: 'log-stopped' });
          }
        }
        await first.log.close();

        const { log, keys } = await openTestLog(directory, { openStore: async () => store.reopen() });
        await checkLog(log, acknowledged);
        for (const event of events) {
          const [result] = await log.submit([event]);
          const known = acknowledged.find(({ eventId }) => eventId === event.eventId);
          expect(result?.status).not.toBe('conflict');
          if (known !== undefined) expect(result).toMatchObject({ status: 'duplicate', index: known.index });
        }
        expect(log.treeSize()).toBe(EVENTS);
        await until(() => log.signedSize() === EVENTS);
        await cosignHead(log, keys.witnesses);
        await until(() => log.publishedSize() === EVENTS);
        await checkLog(log, acknowledged);
        await log.close();
      });
    }
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
