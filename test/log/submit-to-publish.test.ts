import { describe, expect, it } from 'vitest';
import { checkInclusion } from '../../proofs/check.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { leafHash } from '../../proofs/hash.ts';
import { parseTlogProof } from '../../proofs/tlog-proof.ts';
import type { Log, SubmitResult } from '../../src/log/types.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { type Acknowledged, checkLog } from '../support/oracle.ts';
import { cosignHead, openTestLog, preparedEvent, publishAll, until, withDirectory } from '../support/test-log.ts';

async function submit(log: Log, ids: readonly string[]): Promise<readonly Acknowledged[]> {
  const results = await log.submit(ids.map((id) => preparedEvent(id, { detail: `about ${id}` })));
  return results.map((result, i) => acknowledge(ids[i] ?? '', result));
}

function acknowledge(eventId: string, result: SubmitResult): Acknowledged {
  if (result.status === 'conflict') throw new Error(`event ${eventId} is in conflict`);
  return { eventId, index: result.index, logTime: result.logTime, leafHash: result.leafHash };
}

const ids = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

describe('a log from submission to publication', () => {
  it('gives consecutive indices, publishes with a quorum, and everything verifies at every size up to 300', async () => {
    await withDirectory(async (directory) => {
      const { log, keys } = await openTestLog(directory);
      const acknowledged: Acknowledged[] = [];
      for (const count of [1, 2, 5, 60, 64, 65, 58, 1, 44]) {
        acknowledged.push(...(await submit(log, ids(`group-${acknowledged.length}`, count))));
        await publishAll(log, keys);
        await until(() => log.publishedSize() === log.treeSize());
        await checkLog(log, acknowledged);
      }
      expect(acknowledged.map(({ index }) => index)).toEqual(acknowledged.map((_, i) => i));
      await log.close();
    });
  });

  it('keeps everything over a restart and answers a repeated submission with the first receipt', async () => {
    await withDirectory(async (directory) => {
      const first = await openTestLog(directory);
      const event = preparedEvent('again', { n: 1 });
      const [original] = await first.log.submit([event]);
      const rest = await submit(first.log, ids('other', 300));
      await publishAll(first.log, first.keys);
      await first.log.close();

      const { log } = await openTestLog(directory);
      expect(log.publishedSize()).toBe(301);
      const [repeated] = await log.submit([event]);
      expect(repeated).toEqual({ ...original, status: 'duplicate' });
      await checkLog(log, [acknowledge('again', original ?? { status: 'conflict', index: 0 }), ...rest]);
      await log.close();
    });
  });

  it('refuses other content under a known id, also within one group and while the first is being written', async () => {
    await withDirectory(async (directory) => {
      const { log } = await openTestLog(directory);
      const [a, b] = await Promise.all([
        log.submit([preparedEvent('id', { n: 1 }), preparedEvent('id', { n: 1 }), preparedEvent('id', { n: 2 })]),
        log.submit([preparedEvent('id', { n: 3 })]),
      ]);
      expect(a.map(({ status }) => status)).toEqual(['accepted', 'duplicate', 'conflict']);
      expect(b.map(({ status }) => status)).toEqual(['conflict']);
      const later = await log.submit([preparedEvent('id', { n: 4 }), preparedEvent('id', { n: 1 })]);
      expect(later.map(({ status }) => status)).toEqual(['conflict', 'duplicate']);
      expect(log.treeSize()).toBe(1);
      const other = await log.submit([preparedEvent('id', { n: 4 }, 'tok_other')]);
      expect(other[0]).toMatchObject({ status: 'accepted', index: 1 });
      expect(await log.findEvent('id')).toEqual([0, 1]);
      await log.close();
    });
  });

  it('publishes nothing without the quorum, ignores strange cosignatures, and publishes once it is met', async () => {
    await withDirectory(async (directory) => {
      const { log, keys } = await openTestLog(directory);
      await submit(log, ids('e', 3));
      await until(() => log.signedSize() === 3);
      const [w1, w2] = keys.witnesses;
      if (w1 === undefined || w2 === undefined) throw new Error('two witnesses are needed');
      await cosignHead(log, [w1]);
      await cosignHead(log, [w1]);
      expect(log.checkpoint()).toBeUndefined();
      await expect(cosignHead(log, [{ ...w2, secret: w1.secret }])).rejects.toMatchObject({
        code: 'invalid-cosignatures',
      });
      await expect(log.addCosignatures(new TextEncoder().encode('junk'))).rejects.toMatchObject({
        code: 'invalid-cosignatures',
      });
      expect(log.checkpoint()).toBeUndefined();
      await cosignHead(log, [w2]);
      await until(() => log.publishedSize() === 3);
      expect(await log.waitForPublished(2, 0)).toBe(true);
      expect(await log.waitForPublished(3, 10)).toBe(false);
      await log.close();
    });
  });

  it('gives a receipt that leads from the entry to the cosigned checkpoint', async () => {
    await withDirectory(async (directory) => {
      const { log, keys } = await openTestLog(directory);
      await submit(log, ids('e', 70));
      expect(await log.receipt(69)).toBeUndefined();
      await publishAll(log, keys);
      await until(() => log.publishedSize() === 70);
      const receipt = parseTlogProof((await log.receipt(69)) ?? '');
      const { checkpoint } = parseCheckpoint(receipt.checkpoint);
      const entry = receipt.extra ?? new Uint8Array();
      checkInclusion({ ...receipt, size: checkpoint.size, leafHash: leafHash(entry), root: checkpoint.root });
      await log.close();
    });
  });

  it('finds events by their terms and combinations of them', async () => {
    await withDirectory(async (directory) => {
      const { log } = await openTestLog(directory, { openStore: async () => openMemoryStore() });
      const all = Array.from({ length: 1000 }, (_, i) => ({ i, two: i % 2, three: i % 3, big: i === 777 ? 1 : 0 }));
      for (let from = 0; from < all.length; from += 37) {
        await log.submit(all.slice(from, from + 37).map(({ i, ...content }) => preparedEvent(`e${i}`, content)));
      }
      const search = async (terms: readonly string[], from = 0, limit = 1000): Promise<readonly number[]> =>
        (await log.search({ terms, from, size: 1000, limit })).indices;
      const where = (match: (one: (typeof all)[number]) => boolean): readonly number[] =>
        all.filter(match).map(({ i }) => i);
      expect(await search(['two=1', 'three=2'])).toEqual(where((e) => e.two === 1 && e.three === 2));
      expect(await search(['three=0', 'two=0', 'big=1'])).toEqual([]);
      expect(await search(['big=1'])).toEqual([777]);
      expect(await search(['three=0', 'big=1'], 700)).toEqual([777]);
      expect(await search(['three=1'], 500, 7)).toEqual(where((e) => e.three === 1 && e.i >= 500).slice(0, 7));
      expect(await search(['none=1'])).toEqual([]);
      expect(await search([], 990)).toEqual([990, 991, 992, 993, 994, 995, 996, 997, 998, 999]);
      await log.close();
    });
  });

  it('finds the first index of a time', async () => {
    await withDirectory(async (directory) => {
      let now = 1_000_000_000_000_000;
      const { log } = await openTestLog(directory, { nowUs: () => now });
      for (let i = 0; i < 20; i++) {
        now += 1_000_000;
        await submit(log, [`e${i}`]);
      }
      expect(await log.indexAtTime(1_000_000_000_000_000)).toBe(0);
      expect(await log.indexAtTime(1_000_000_005_000_000)).toBe(4);
      expect(await log.indexAtTime(1_000_000_005_000_001)).toBe(5);
      expect(await log.indexAtTime(now + 1)).toBe(20);
      await log.close();
    });
  });

  it('pushes back before its queue overflows, and stores nothing of what it refused', async () => {
    await withDirectory(async (directory) => {
      const { log } = await openTestLog(directory, { limits: { maxQueuedEvents: 10 } });
      const first = log.submit(ids('a', 10).map((id) => preparedEvent(id)));
      await expect(log.submit([preparedEvent('b')])).rejects.toMatchObject({ code: 'overloaded' });
      await first;
      expect(log.treeSize()).toBe(10);
      expect((await log.submit([preparedEvent('b')]))[0]).toMatchObject({ status: 'accepted', index: 10 });
      await log.close();
    });
  });
});
