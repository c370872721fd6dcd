/** What a start holds against the tree is at least what the database's write-ahead log can have lost something of. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newestWithin } from '../../src/log/load.ts';
import { chunkKey } from '../../src/log/rows.ts';
import { openLevelStore } from '../../src/store/leveldb.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { openTestLog, preparedEvent, withDirectory } from '../support/test-log.ts';

describe('the newest entries', () => {
  it('are as many as the bytes can have held, in whole rows', async () => {
    const store = openMemoryStore();
    const rows = Array.from({ length: 100 }, (_, i) => i * 32);
    await store.write(rows.map((first) => ({ key: chunkKey('disclosures', first), value: new Uint8Array(1_000) })));
    const within = (bytes: number): Promise<number> => newestWithin(store, 3_200, bytes, 'disclosures');
    // A row counts its bytes, and a hash of 32 bytes for each of its entries.
    expect(await within(0)).toBe(0);
    expect(await within(1)).toBe(32);
    expect(await within(1_000 + 32 * 32)).toBe(32);
    expect(await within(1_000 + 32 * 32 + 1)).toBe(64);
    expect(await within(70 * 2_024)).toBe(70 * 32);
    expect(await within(10_000_000)).toBe(3_200);
  });

  it('cover everything that stands in the write-ahead log alone', () =>
    withDirectory(async (directory) => {
      const { log } = await openTestLog(directory, { limits: { signIntervalMs: 3_600_000 } });
      const count = 3_000;
      for (let from = 0; from < count; from += 500) {
        await log.submit(
          Array.from({ length: 500 }, (_, i) => preparedEvent(`e${from + i}`, { note: 'x'.repeat(300) })),
        );
      }
      await log.close();
      const database = join(directory, 'db');
      const files = (await readdir(database)).filter((file) => file.endsWith('.log'));
      const bytes = await Promise.all(files.map(async (file) => (await stat(join(database, file))).size));
      const store = await openLevelStore(database);
      expect(store.recoveredBytes).toBe(bytes.reduce((sum, one) => sum + one, 0));
      expect(await newestWithin(store, count, store.recoveredBytes, 'disclosures')).toBe(count);
      await store.close();
      // Opened again, it has nothing but tables and an empty log.
      const again = await openLevelStore(database);
      expect(again.recoveredBytes).toBe(0);
      await again.close();
    }));
});
