import { cp, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Log } from '../../src/log/types.ts';
import { seededRandom } from '../faults/random.ts';
import { type Acknowledged, checkLog } from '../support/oracle.ts';
import { openTestLog, preparedEvent, until, withDirectory } from '../support/test-log.ts';

const COUNT = 240;
const GROUP = 12;
const FLIPS = Number(process.env['WAL_FLIPS'] ?? 24);
/** LevelDB's reader drops the rest of a block in which a checksum does not fit. */
const BLOCK_BYTES = 32_768;

/** A log as `kill -9` leaves it: everything is in LevelDB's write-ahead log, nothing in tables. */
async function killedLog(directory: string): Promise<{ readonly acknowledged: Acknowledged[]; readonly copy: string }> {
  const copy = join(directory, 'killed');
  // One head, of the empty log, and none later: what stands last in the file is what was acknowledged last.
  const { log } = await openTestLog(join(directory, 'live'), { limits: { signIntervalMs: 3_600_000 } });
  await until(() => log.head() !== undefined);
  const acknowledged: Acknowledged[] = [];
  for (let from = 0; from < COUNT; from += GROUP) {
    const events = Array.from({ length: GROUP }, (_, i) => preparedEvent(`e${from + i}`, { note: 'x'.repeat(300) }));
    for (const [i, result] of (await log.submit(events)).entries()) {
      if (result.status === 'conflict') throw new Error('an unexpected conflict');
      acknowledged.push({ eventId: `e${from + i}`, ...result });
    }
  }
  // The files as they are in the page cache at this moment, before anything is closed.
  // A file on its way to its place may be gone before it is copied.
  await cp(join(directory, 'live'), copy, { recursive: true, filter: (file) => !file.endsWith('.new') });
  await log.close();
  return { acknowledged, copy };
}

async function flipBit(file: string, byte: number, bit: number): Promise<void> {
  const handle = await open(file, 'r+');
  const buffer = Buffer.alloc(1);
  await handle.read(buffer, 0, 1, byte);
  await handle.write(Buffer.from([(buffer[0] ?? 0) ^ (1 << bit)]), 0, 1, byte);
  await handle.close();
}

/** Refused, or every promise is kept: entries, ids and search rows. */
async function judge(copy: string, acknowledged: readonly Acknowledged[]): Promise<'refused' | 'whole'> {
  let log: Log;
  try {
    ({ log } = await openTestLog(copy));
  } catch (error) {
    expect(['corrupt-data', 'store-corrupt', 'store-failed']).toContain((error as { code?: unknown }).code);
    return 'refused';
  }
  try {
    if (log.health().signing.state === 'refusing') {
      expect(log.health().problems.join(' ')).toMatch(/entries \d+ to \d+ (are lost|were acknowledged)/);
      await expect(log.submit([preparedEvent('new')])).rejects.toMatchObject({ code: 'log-stopped' });
      return 'refused';
    }
    await until(() => log.signedSize() === COUNT);
    await checkLog(log, acknowledged);
    const again = await log.submit(
      acknowledged.map(({ eventId }) => preparedEvent(eventId, { note: 'x'.repeat(300) })),
    );
    expect(again.map(({ index }) => index)).toEqual(acknowledged.map(({ index }) => index));
    const found = await log.search({ terms: ['action="test.run"'], from: 0, size: COUNT, limit: COUNT });
    expect(found.indices).toHaveLength(COUNT);
    return 'whole';
  } finally {
    await log.close();
  }
}

describe("one bit of LevelDB's write-ahead log", () => {
  it(
    'never costs an acknowledged event, an id or a search row in silence, wherever it is',
    () =>
      withDirectory(async (directory) => {
        const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 0x7fff_ffff));
        const random = seededRandom(seed);
        const { acknowledged, copy } = await killedLog(directory);
        const [name] = (await readdir(join(copy, 'db'))).filter((file) => file.endsWith('.log'));
        if (name === undefined) throw new Error('there is no write-ahead log');
        const { size } = await stat(join(copy, 'db', name));
        expect(size).toBeGreaterThan(3 * BLOCK_BYTES);
        // The first and the last record, both sides of each block's border, and anywhere.
        const borders = Array.from({ length: Math.floor(size / BLOCK_BYTES) }, (_, i) => (i + 1) * BLOCK_BYTES);
        const positions = [4, 20, size - 1, size - 40, ...borders.flatMap((at) => [at - 1, at + 7])];
        while (positions.length < FLIPS) positions.push(random.below(size));
        const outcomes = { refused: 0, whole: 0 };
        for (const [i, position] of positions.entries()) {
          const flipped = join(directory, `${i}`);
          await cp(copy, flipped, { recursive: true });
          await flipBit(join(flipped, 'db', name), position, random.below(8));
          try {
            outcomes[await judge(flipped, acknowledged)] += 1;
          } catch (error) {
            throw new Error(`byte ${position} of ${size}, seed ${seed}`, { cause: error });
          }
        }
        expect(outcomes.refused).toBeGreaterThan(0);
      }),
    60_000,
  );

  it(
    'nor does a cut tail of it, even before any head covered what was acknowledged',
    () =>
      withDirectory(async (directory) => {
        const { acknowledged, copy } = await killedLog(directory);
        const [name] = (await readdir(join(copy, 'db'))).filter((file) => file.endsWith('.log'));
        const file = join(copy, 'db', name ?? '');
        const { size } = await stat(file);
        for (const kept of [size - 1, size - 3000, Math.floor(size / 2), 0]) {
          const torn = join(directory, `torn-${kept}`);
          await cp(copy, torn, { recursive: true });
          const handle = await open(join(torn, 'db', name ?? ''), 'r+');
          await handle.truncate(kept);
          await handle.close();
          expect(await judge(torn, acknowledged), `${kept} of ${size} bytes kept`).toBe('refused');
        }
      }),
    60_000,
  );
});
