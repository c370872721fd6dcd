import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../proofs/hash.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { tileOfNode } from '../../proofs/tile.ts';
import { inclusion } from '../../src/log/prove.ts';
import { TreeReader } from '../../src/log/tree-reader.ts';
import type { Store } from '../../src/store/contract.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { openTestRawLog, withDirectory } from '../support/test-log.ts';
import '../support/seed.ts';
import { loadState } from '../../src/log/load.ts';

/** One for each of the three tile levels of ten million leaves on the way up, and the right edge of the two lower ones. */
const MAX_TILE_READS = 5;
const TILE_ROW = 2;

describe('an inclusion proof', () => {
  it('touches at most five tiles at any index of any size up to sixteen million leaves', async () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 2 ** 24 }), fc.integer({ min: 9_990_000, max: 10_010_000 }));
    await fc.assert(
      fc.asyncProperty(sizes, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), async (size, place) => {
        const tiles = new Set<string>();
        await proveInclusion(Math.floor(place * size), size, async (nodes) => {
          for (const { level, index } of nodes.map(tileOfNode)) tiles.add(`${level}/${index}`);
          return nodes.map(() => sha256(new Uint8Array(0)));
        });
        expect(tiles.size).toBeLessThanOrEqual(MAX_TILE_READS);
      }),
      { numRuns: 2_000 },
    );
  });

  it('reads no more than these from the store when nothing is in memory, with its own check', async () => {
    await withDirectory(async (directory) => {
      const rows = openMemoryStore();
      const { log } = await openTestRawLog(directory, { openStore: async () => rows, deduplicate: false });
      const leaves = 2 * 65_536 + 300;
      for (let first = 0; first < leaves; first += 5_000) {
        const count = Math.min(5_000, leaves - first);
        await log.add(Array.from({ length: count }, (_, i) => new TextEncoder().encode(`${first + i}`)));
      }
      await log.close();
      const store = rows.reopen();
      const state = await loadState(store, nativeHasher);
      let reads = 0;
      const counting: Store = {
        ...store,
        getMany: (keys) => {
          reads += keys.filter(([kind]) => kind === TILE_ROW).length;
          return store.getMany(keys);
        },
      };
      for (const index of [0, 1, 255, 256, 65_535, 65_536, 100_000, leaves - 301, leaves - 1]) {
        reads = 0;
        const reader = new TreeReader(counting, nativeHasher);
        await inclusion({ reader, hasher: nativeHasher, state }, index, leaves);
        expect(reads, `index ${index}`).toBeLessThanOrEqual(MAX_TILE_READS);
      }
    });
  });
});
