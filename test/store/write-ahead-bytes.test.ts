/**
 * What was in the write-ahead log at an opening is looked at before LevelDB, which begins to open by itself, takes it away:
 * here the look takes longer than that. It decides how many entries a start compares with the tree.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { openLevelStore } from '../../src/store/leveldb.ts';

/** An opening of so small a database takes some 5 ms. */
const LOOK_MS = 100;

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs/promises')>();
  const readdir = async (directory: string): Promise<string[]> => {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    return original.readdir(directory);
  };
  return { ...original, readdir };
});

it('is known at each opening, however often the database is opened', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-write-ahead-'));
  try {
    for (let times = 0; times < 4; times++) {
      const store = await openLevelStore(directory);
      if (times > 0) expect(store.recoveredBytes).toBeGreaterThan(1_000);
      await store.write([{ key: Uint8Array.of(1, times), value: new Uint8Array(1_000).fill(times) }]);
      await store.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
