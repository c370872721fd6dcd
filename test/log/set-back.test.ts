import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { cosign } from '../../proofs/cosignature.ts';
import { formatSignatureLines } from '../../proofs/note.ts';
import type { Log } from '../../src/log/types.ts';
import { ORIGIN, openTestLog, preparedEvent, publishAll, testKeys, until, withDirectory } from '../support/test-log.ts';

async function grow(directory: string, count: number, prefix: string): Promise<void> {
  const { log, keys } = await openTestLog(directory);
  await log.submit(Array.from({ length: count }, (_, i) => preparedEvent(`${prefix}-${i}`)));
  await publishAll(log, keys);
  await until(() => log.publishedSize() === log.treeSize());
  await log.close();
}

async function expectRefusal(log: Log, code: string, text: RegExp): Promise<void> {
  const { signing, healthy, problems } = log.health();
  expect(signing).toMatchObject({ state: 'refusing', code });
  expect(healthy).toBe(false);
  expect(problems.join(' ')).toMatch(text);
  await expect(log.submit([preparedEvent('after')])).rejects.toMatchObject({ code: 'log-stopped' });
  expect(log.head()).toBeUndefined();
}

describe('a log whose disk was set back', () => {
  it("refuses to sign yesterday's database and names the head it lost", async () => {
    await withDirectory(async (directory) => {
      await grow(directory, 5, 'early');
      await cp(join(directory, 'db'), join(directory, 'backup'), { recursive: true });
      await grow(directory, 7, 'late');
      await rm(join(directory, 'db'), { recursive: true });
      await cp(join(directory, 'backup'), join(directory, 'db'), { recursive: true });
      const { log } = await openTestLog(directory);
      await expectRefusal(log, 'rolled-back', /5 entries.*size 12.*entries 5 to 11 are lost/);
      expect(log.publishedSize()).toBe(5);
      await log.close();
    });
  });

  it('refuses to sign a database with another history of the same length', async () => {
    await withDirectory(async (directory) => {
      const [mine, other] = [join(directory, 'mine'), join(directory, 'other')];
      await grow(mine, 5, 'true');
      await grow(other, 5, 'forged');
      await rm(join(mine, 'db'), { recursive: true });
      await cp(join(other, 'db'), join(mine, 'db'), { recursive: true });
      const { log } = await openTestLog(mine);
      await expectRefusal(log, 'rolled-back', /disagree about the first 5 entries/);
      await log.close();
    });
  });

  it('refuses to sign without its guard file, with a damaged one, or with that of another log', async () => {
    await withDirectory(async (directory) => {
      await grow(directory, 2, 'e');
      const guard = join(directory, 'guard');
      const text = await readFile(guard, 'utf8');
      const cases: readonly [string | undefined, string, RegExp][] = [
        [undefined, 'guard-missing', /guard file .* is missing although the database has 2 entries/],
        [text.replace('\n2\n', '\n1\n'), 'guard-corrupt', /is damaged/],
        [text.slice(0, -3), 'guard-corrupt', /is damaged/],
        ['', 'guard-corrupt', /is damaged/],
      ];
      for (const [content, code, message] of cases) {
        if (content === undefined) await rm(guard);
        else await writeFile(guard, content);
        const { log } = await openTestLog(directory);
        await expectRefusal(log, code, message);
        await log.close();
      }
      await writeFile(guard, text);
      const { log } = await openTestLog(directory);
      expect(log.health().signing.state).toBe('signing');
      await log.close();
    });
  });

  it('stops signing when a witness hands in a larger head that carries its own signature', async () => {
    await withDirectory(async (directory) => {
      const [lost, restored] = [join(directory, 'lost'), join(directory, 'restored')];
      await grow(lost, 3, 'e');
      // The whole directory is set back, guard and all: only the witnesses remember.
      await cp(lost, restored, { recursive: true });
      const ahead = await openTestLog(lost);
      await ahead.log.submit([preparedEvent('newer')]);
      await until(() => ahead.log.signedSize() === 4);
      const head = ahead.log.head() ?? '';
      await ahead.log.close();

      const { log, keys } = await openTestLog(restored);
      await until(() => log.signedSize() === 3);
      const checkpoint = parseCheckpointBody(head.slice(0, head.indexOf('\n\n') + 1));
      const lines = formatSignatureLines(keys.witnesses.map((witness) => cosign(checkpoint, witness, 1_700_000_000)));
      await expect(log.addCosignatures(new TextEncoder().encode(head + lines))).rejects.toMatchObject({
        code: 'unknown-head',
      });
      expect(log.health().signing).toMatchObject({ state: 'refusing', code: 'rolled-back' });
      await expect(log.submit([preparedEvent('fork')])).rejects.toMatchObject({ code: 'log-stopped' });
      await log.close();
    });
  });

  it('asks the witnesses of its policy at start and refuses when one remembers more', async () => {
    await withDirectory(async (directory) => {
      const [lost, restored] = [join(directory, 'lost'), join(directory, 'restored')];
      await grow(lost, 3, 'e');
      await cp(lost, restored, { recursive: true });
      await grow(lost, 2, 'newer');
      const newest = await openTestLog(lost);
      const remembered = newest.log.checkpoint() ?? '';
      await newest.log.close();
      const keys = testKeys();
      const policyText = keys.policyText.replace(/^(witness w1 .*)$/m, '$1 http://127.0.0.1:1/w1/');
      const asked: string[] = [];
      const fetch = async (url: string | URL | Request): Promise<Response> => {
        asked.push(String(url));
        return new Response(remembered);
      };
      const { log } = await openTestLog(restored, { policyText, fetch });
      await expectRefusal(log, 'rolled-back', /witness w1 at http:\/\/127\.0\.0\.1:1\/w1 holds a head of size 5/);
      expect(asked).toHaveLength(1);
      expect(asked[0]).toMatch(/^http:\/\/127\.0\.0\.1:1\/w1\/[0-9a-f]{64}\/checkpoint$/);
      await log.close();
    });
  });

  it('does not start with a key that is not in its policy', async () => {
    await withDirectory(async (directory) => {
      const policyText = testKeys(3, 2, 'log.example/other').policyText;
      await expect(openTestLog(directory, { policyText })).rejects.toMatchObject({ code: 'wrong-origin' });
      expect(ORIGIN).toBe('log.example/test');
    });
  });
});
