import { describe, expect, it } from 'vitest';
import type { Damage } from '../../src/log/damage.ts';
import { chunkKey, idKey, tileKey } from '../../src/log/rows.ts';
import type { Log } from '../../src/log/types.ts';
import { type MemoryStore, openMemoryStore } from '../../src/store/memory.ts';
import { openTestLog, preparedEvent, until, withDirectory } from '../support/test-log.ts';

const COUNT = 600;
const FAST = { scrubEntriesPerSecond: 1_000_000, scrubIntervalMs: 0, scrubDelayMs: 1 };

interface Running {
  readonly log: Log;
  readonly store: MemoryStore;
  readonly told: Damage[];
}

async function withRunning(use: (running: Running) => Promise<void>, limits: object = FAST): Promise<void> {
  await withDirectory(async (directory) => {
    const store = openMemoryStore();
    const { log } = await openTestLog(directory, { openStore: async () => store, limits });
    const told: Damage[] = [];
    log.subscribeDamage((damages) => told.push(...damages));
    for (let from = 0; from < COUNT; from += 50) {
      await log.submit(Array.from({ length: 50 }, (_, i) => preparedEvent(`e${from + i}`)));
    }
    await use({ log, store, told });
    await log.close();
  });
}

const passOver = (log: Log): (() => boolean) => {
  const before = log.health().scrub.lastPass?.endedAtMs ?? 0;
  return () => {
    const { lastPass } = log.health().scrub;
    return lastPass !== null && lastPass.endedAtMs > before && lastPass.size === COUNT;
  };
};

function flip(store: MemoryStore, key: Uint8Array, at: number): void {
  const row = store.rows.find(key);
  if (row === undefined) throw new Error('there is no such row');
  row.value[at] = (row.value[at] ?? 0) ^ 1;
}

describe('the scrubber', () => {
  it('passes over a whole log again and again and finds nothing, while submissions go on', () =>
    withRunning(async ({ log, told }) => {
      await until(passOver(log), 'a pass');
      await log.submit([preparedEvent('meanwhile')]);
      await until(() => log.health().scrub.lastPass?.size === COUNT + 1, 'a pass with the new event');
      expect(told).toEqual([]);
      expect(log.health().scrub).toMatchObject({ damages: [], damagedIndices: [] });
    }));

  it('names damage of every kind once, pass after pass, and the health report says what to do', () =>
    withRunning(async ({ log, store, told }) => {
      await until(passOver(log), 'a pass');
      flip(store, chunkKey('entries', 100), 40);
      flip(store, chunkKey('disclosures', 450), 60);
      flip(store, tileKey(0, 1), 5);
      store.rows.apply({ key: idKey('nothing-is-here', 'tok_test'), delete: true });
      await until(() => told.length >= 3, 'three damages');
      await until(passOver(log), 'a pass');
      await until(passOver(log), 'a second pass');
      expect(told.map(({ kind, index }) => [kind, index]).sort()).toEqual([
        ['contents-altered', 450],
        ['entry-altered', 100],
        ['tile-altered', 256],
      ]);
      const { healthy, problems, scrub } = log.health();
      expect(healthy).toBe(false);
      expect(problems.join(' ')).toMatch(/index 100, .*countersign fsck/);
      expect(scrub.damagedIndices).toContain(450);
    }));

  it('tells whoever listens later what it found before', () =>
    withRunning(async ({ log, store, told }) => {
      flip(store, chunkKey('entries', 100), 40);
      await until(() => told.length === 1, 'the damage');
      const later: Damage[] = [];
      log.subscribeDamage((damages) => later.push(...damages));
      expect(later).toEqual(told);
    }));

  it('forgets damage that a later pass does not find any more', () =>
    withRunning(async ({ log, store, told }) => {
      flip(store, chunkKey('entries', 100), 40);
      await until(() => told.length === 1, 'the damage');
      flip(store, chunkKey('entries', 100), 40);
      await until(() => log.health().scrub.damages.length === 0, 'a pass without it');
      expect(log.health().problems.filter((one) => one.startsWith('Stored data'))).toEqual([]);
    }));

  it('keeps to its rate and ends at once when the log closes', () =>
    withRunning(
      async ({ log }) => {
        const before = performance.now();
        await log.close();
        expect(performance.now() - before).toBeLessThan(2_000);
        expect(log.health().scrub.lastPass?.size ?? 0).toBe(0);
      },
      { ...FAST, scrubEntriesPerSecond: 1 },
    ));
});
