/** What a mirror does when its disk fails, forgets or lies: it signs nothing that it does not hold. */
import { describe, expect, it } from 'vitest';
import { hexEncode } from '../../proofs/bytes.ts';
import { leafHash, nodeHash, sha256 } from '../../proofs/hash.ts';
import { entriesKey, STATE_KEY, tileKey } from '../../witness/copy-rows.ts';
import { WitnessError, type WitnessErrorCode } from '../../witness/errors.ts';
import { originHash } from '../../witness/logs.ts';
import type { Mirror } from '../../witness/mirror.ts';
import { nativeHasher } from '../../witness/native-hasher.ts';
import { until } from '../support/test-log.ts';
import { tinyLog } from '../support/tiny-log.ts';
import { checkMirror, type MemoryDisk, memoryDisk, mirrorOn, transcript, upload } from './support/mirror.ts';

const log = tinyLog();
const prefix = originHash(log.origin);

async function filled(size: number, disk: MemoryDisk = memoryDisk()): Promise<{ disk: MemoryDisk; mirror: Mirror }> {
  const mirror = await mirrorOn(disk, [log]);
  await mirror.addCheckpoint(await log.addCheckpoint(0, size));
  expect(await upload(mirror, await log.addEntries(0, size))).toBe('200');
  return { disk, mirror };
}

function copyOf(disk: MemoryDisk): Map<string, Uint8Array> {
  const stored = disk.copies.get(log.origin);
  if (stored === undefined) throw new Error('there is no copy');
  return stored;
}

async function openingFails(disk: MemoryDisk): Promise<WitnessErrorCode | 'opened'> {
  try {
    await (await mirrorOn(disk, [log])).close();
    return 'opened';
  } catch (error) {
    if (error instanceof WitnessError) return error.code;
    throw error;
  }
}

describe('a mirror that starts again', () => {
  it('serves the same checkpoint and goes on from there', async () => {
    const { disk, mirror } = await filled(300);
    await mirror.close();
    const again = await mirrorOn(disk, [log]);
    expect((await checkMirror(again, log))?.size).toBe(300);
    await again.addCheckpoint(await log.addCheckpoint(300, 600));
    expect(await upload(again, await log.addEntries(300, 600, { packages: 1 }))).toBe('202 600 512');
    await again.close();
    const third = await mirrorOn(disk, [log]);
    expect(await upload(third, await log.addEntries(512, 600))).toBe('200');
    expect((await checkMirror(third, log))?.size).toBe(600);
    await third.close();
  });

  it('refuses when any row of the copy is missing or has a flipped bit', async () => {
    const { disk, mirror } = await filled(600);
    await mirror.close();
    const stored = copyOf(disk);
    for (const [key, value] of [...stored]) {
      stored.delete(key);
      const missing = await openingFails(disk);
      // Without the row of the mirror checkpoint the copy is whole, and unsigned.
      expect([key, missing]).toEqual([key, key === '14' ? 'opened' : 'state-corrupt']);
      for (const at of [0, Math.floor(value.length / 2), value.length - 1]) {
        stored.set(key, value.with(at, (value[at] ?? 0) ^ 0x10));
        expect([key, at, await openingFails(disk)]).toEqual([key, at, 'state-corrupt']);
      }
      stored.set(key, value);
    }
    expect(await openingFails(disk)).toBe('opened');
  });

  it('refuses when the database of heads was set back behind its copy', async () => {
    const { disk, mirror } = await filled(300);
    await mirror.close();
    const heads = memoryDisk();
    for (const [origin, stored] of disk.copies) heads.copies.set(origin, stored);
    expect(await openingFails(heads)).toBe('state-lost');
  });
});

describe('a mirror whose disk lies while it runs', () => {
  it('serves no altered tile or entry, signs nothing more over them, and says so', async () => {
    for (const key of [entriesKey(256), tileKey(0, 0), tileKey(0, 1)].map(hexEncode)) {
      const { disk, mirror } = await filled(600);
      // A fresh reader: the tiles that were just written are in nobody's cache.
      const stored = copyOf(disk);
      const value = stored.get(key) ?? new Uint8Array(0);
      stored.set(key, value.with(5, (value[5] ?? 0) ^ 1));
      const served = await Promise.allSettled(
        ['tile/0/000', 'tile/0/001', 'tile/entries/000', 'tile/entries/001'].map((path) =>
          mirror.resource(prefix, path),
        ),
      );
      expect(
        served.some(({ status }) => status === 'rejected'),
        key,
      ).toBe(true);
      expect(await upload(mirror, await log.addEntries(600, 600))).toBe('500');
      expect(await mirror.health()).toMatchObject({ healthy: false, problems: [expect.stringContaining(log.origin)] });
      await mirror.close();
    }
  });
});

describe('a mirror whose disk fails', () => {
  it('at any one write leaks no signature, and goes on after a start with what it had', async () => {
    for (const effect of ['lost', 'kept'] as const) {
      for (let failing = 1; failing <= 4; failing++) {
        const disk = memoryDisk();
        const mirror = await mirrorOn(disk, [log]);
        await mirror.addCheckpoint(await log.addCheckpoint(0, 600));
        let writes = 0;
        disk.fault = () => (++writes === failing ? effect : undefined);
        // Three packages and the mirror checkpoint are four writes.
        expect(await upload(mirror, await log.addEntries(0, 600))).toBe('500');
        expect((await mirror.checkpoint(prefix)).status).toBe(404);
        const known = (await mirror.health()).logs[0]?.stored ?? 0;
        expect(known).toBe(Math.min(600, (failing - 1) * 256));
        expect(await upload(mirror, await log.addEntries(known, 600))).toBe('500');
        await mirror.close();
        disk.fault = () => undefined;
        const again = await mirrorOn(disk, [log]);
        const stored = (await again.health()).logs[0]?.stored ?? 0;
        expect(stored).toBe(Math.min(600, (effect === 'kept' ? failing : failing - 1) * 256));
        expect(await upload(again, await log.addEntries(stored, 600))).toBe('200');
        expect((await checkMirror(again, log))?.size).toBe(600);
        await again.close();
      }
    }
  });

  it('recovers by itself when there is room again', async () => {
    const disk = memoryDisk();
    const mirror = await mirrorOn(disk, [log], { reopenMs: 5 });
    await mirror.addCheckpoint(await log.addCheckpoint(0, 600));
    disk.fault = () => 'lost';
    expect(await upload(mirror, await log.addEntries(0, 600))).toBe('500');
    expect((await mirror.health()).healthy).toBe(false);
    disk.fault = () => undefined;
    await until(async () => (await mirror.health()).healthy);
    expect(await upload(mirror, await log.addEntries(0, 600))).toBe('200');
    expect((await checkMirror(mirror, log))?.size).toBe(600);
    await mirror.close();
  });

  it('makes its cosignature again when a crash came between the checkpoint and the signature', async () => {
    const { disk, mirror } = await filled(40);
    const before = (await mirror.checkpoint(prefix)).body;
    await mirror.close();
    const again = await mirrorOn(disk, [log]);
    expect((await again.checkpoint(prefix)).body).toBe(before);
    expect(await transcript(again.checkpoint(prefix))).toBe('200');
    await again.close();
  });
});

describe('entries of every length', () => {
  it('are copied, served and read back, the longest and the empty one among them', async () => {
    const lengths = [0, 1, 4_094, 4_095, 4_096, 65_535, 65_535, 65_535];
    const odd = tinyLog({
      origin: 'log.example/odd',
      count: 300,
      entry: (index) => new Uint8Array(lengths[index % lengths.length] ?? 0).fill(index),
    });
    const disk = memoryDisk();
    const mirror = await mirrorOn(disk, [odd]);
    await mirror.addCheckpoint(await odd.addCheckpoint(0, 300));
    expect(await upload(mirror, await odd.addEntries(0, 300))).toBe('200');
    await mirror.close();
    const again = await mirrorOn(disk, [odd]);
    expect((await checkMirror(again, odd))?.size).toBe(300);
    await again.close();
    expect([...copyKeys(disk, odd.origin)].filter((key) => key.startsWith('13')).length).toBeGreaterThan(2);
  });

  it('hash natively as they do in proofs/', () => {
    for (const length of [0, 1, 4_095, 4_096, 70_000]) {
      const entry = new Uint8Array(length).fill(7);
      expect(nativeHasher.leaf(entry)).toEqual(leafHash(entry));
      expect(nativeHasher.sha256(entry)).toEqual(sha256(entry));
    }
    const [left, right] = [sha256(STATE_KEY), sha256(Uint8Array.of(2))];
    expect(nativeHasher.node(left, right)).toEqual(nodeHash(left, right));
  });
});

function copyKeys(disk: MemoryDisk, origin: string): Iterable<string> {
  return disk.copies.get(origin)?.keys() ?? [];
}
