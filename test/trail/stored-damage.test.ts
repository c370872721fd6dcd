import { describe, expect, it } from 'vitest';
import { chunkKey } from '../../src/log/rows.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { openTestLog, preparedEvent, until, withDirectory } from '../support/test-log.ts';
import { openWatched } from '../support/watched.ts';

describe('damage that the scrubber finds', () => {
  it('is one finding for a run of entries, and the same one after a restart', () =>
    withDirectory(async (directory) => {
      const store = openMemoryStore();
      const { log } = await openTestLog(directory, { openStore: async () => store });
      await log.submit(Array.from({ length: 10 }, (_, i) => preparedEvent(`e${i}`)));
      await log.close();
      const row = store.rows.find(chunkKey('disclosures', 0));
      if (row === undefined) throw new Error('there is no such row');
      row.value = row.value.slice(0, 40);
      const limits = { scrubDelayMs: 1, scrubIntervalMs: 0, scrubEntriesPerSecond: 1_000_000 };
      for (let start = 0; start < 2; start++) {
        const watched = await openWatched(directory, { log: { openStore: async () => store.reopen(), limits } });
        const damage = async (): Promise<unknown> => {
          const found = await watched.findings();
          return found.filter(({ kind }) => kind === 'stored-data-damaged');
        };
        await until(async () => ((await damage()) as unknown[]).length > 0, 'the finding');
        await until(() => (watched.log.health().scrub.lastPass?.damageCount ?? 0) === 10, 'a whole pass');
        expect(await damage()).toMatchObject([
          { severity: 'critical', firstIndex: 0, lastIndex: 9, count: 10, evidence: { damage: 'contents-missing' } },
        ]);
        await watched.close();
      }
    }));
});
