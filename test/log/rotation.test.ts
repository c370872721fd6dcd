import { describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { leafHash } from '../../proofs/hash.ts';
import { makeSignerKey, type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { checkCheckpoint, parsePolicy } from '../../proofs/policy.ts';
import { checkTlogProof, parseTlogProof } from '../../proofs/tlog-proof.ts';
import { keyLabel } from '../../proofs/validity.ts';
import type { Log } from '../../src/log/types.ts';
import { checkLog } from '../support/oracle.ts';
import {
  cosignHead,
  ORIGIN,
  openTestLog,
  preparedEvent,
  publishAll,
  type TestKeys,
  testKeys,
  until,
  withDirectory,
} from '../support/test-log.ts';
import { verdictOf } from '../support/tree.ts';

const before = testKeys(1, 1);
const oldSigner = only(before.signers);
const oldWitness = only(before.witnesses);
const newSigner = makeSignerKey(ORIGIN, 1, new Uint8Array(32).fill(7));
const newWitness = makeSignerKey(oldWitness.name, 4, new Uint8Array(32).fill(8));

/** The old log key signs below `end`, the new one from `start`; so do the two keys of the one witness. */
function rotated(start: number, end: number): TestKeys {
  const valid = (key: SignerKey, bounds: string): string => `#countersign: valid ${keyLabel(key)} ${bounds}\n`;
  const policyText =
    `log ${verifierKeyOf(oldSigner).vkey}\nlog ${verifierKeyOf(newSigner).vkey}\n` +
    valid(oldSigner, `until-size ${end}`) +
    valid(newSigner, `from-size ${start}`) +
    `witness w1 ${verifierKeyOf(oldWitness).vkey}\nwitness w1-new ${verifierKeyOf(newWitness).vkey}\n` +
    valid(oldWitness, `until-size ${end}`) +
    valid(newWitness, `from-size ${start}`) +
    'group w1-keys any w1 w1-new\nquorum w1-keys\n';
  return { signers: [oldSigner, newSigner], witnesses: [oldWitness, newWitness], policyText };
}

describe('a log that changes its key', () => {
  it('signs with the old key, with both, and with the new one, and every receipt verifies afterwards', async () => {
    await withDirectory(async (directory) => {
      const receipts: string[] = [];
      const first = await openTestLog(directory, { keys: before });
      await submit(first.log, 'one');
      await publishAll(first.log, before);
      receipts.push(await receiptOf(first.log, 0));
      await first.log.close();

      const keys = rotated(2, 3);
      const { log } = await openTestLog(directory, { keys });
      expect(signersOf(log.head())).toEqual([keyLabel(oldSigner)]);
      for (const [index, expected] of [
        [1, [oldSigner, newSigner]],
        [2, [newSigner]],
        [3, [newSigner]],
      ] as const) {
        await submit(log, `event ${index}`);
        await publishAll(log, keys);
        expect(signersOf(log.head())).toEqual(expected.map(keyLabel));
        receipts.push(await receiptOf(log, index));
      }
      await checkLog(log, []);

      const policy = parsePolicy(keys.policyText);
      for (const [index, receipt] of receipts.entries()) {
        const event = await log.eventAt(index);
        if (event === undefined) throw new Error('the event is missing');
        checkTlogProof(parseTlogProof(receipt), leafHash(event.entry), policy);
      }
      await log.close();
    });
  });

  it('takes no cosignature of a witness key that does not count at that size', async () => {
    await withDirectory(async (directory) => {
      const keys = rotated(0, 2);
      const { log } = await openTestLog(directory, { keys });
      await submit(log, 'one');
      await submit(log, 'two');
      await until(() => log.signedSize() === 2);
      await expect(cosignHead(log, [oldWitness])).rejects.toMatchObject({ code: 'invalid-cosignatures' });
      expect(log.publishedSize()).toBe(0);
      await cosignHead(log, [newWitness]);
      expect(log.publishedSize()).toBe(2);
      await log.close();
    });
  });

  it('refuses to sign, and says why, where the policy has no valid key for it', async () => {
    await withDirectory(async (directory) => {
      const gap = rotated(5, 9);
      const policyText = gap.policyText.replace('until-size 9', 'until-size 1');
      const { log } = await openTestLog(directory, { keys: { ...gap, policyText } });
      await submit(log, 'one');
      await until(() => log.health().signing.state === 'refusing');
      expect(log.health().signing).toMatchObject({ code: 'no-valid-key' });
      await expect(submit(log, 'two')).rejects.toMatchObject({ code: 'log-stopped' });
      await log.close();

      const { log: again } = await openTestLog(directory, { keys: rotated(1, 2) });
      await until(() => again.signedSize() === 1);
      expect(signersOf(again.head())).toEqual([oldSigner, newSigner].map(keyLabel));
      await again.close();
    });
  });

  it('still finds out a set-back database by a head that a retired key signed', async () => {
    await withDirectory(async (directory) => {
      const first = await openTestLog(directory, { keys: before });
      for (const id of ['one', 'two', 'three']) await submit(first.log, id);
      await publishAll(first.log, before);
      const head = first.log.head() ?? '';
      await first.log.close();
      await withDirectory(async (other) => {
        const { policyText } = rotated(0, 4);
        const { log } = await openTestLog(other, {
          keys: { signers: [newSigner], witnesses: [newWitness], policyText },
        });
        await expect(log.addCosignatures(new TextEncoder().encode(head))).rejects.toMatchObject({
          code: 'unknown-head',
        });
        expect(log.health().signing).toMatchObject({ state: 'refusing', code: 'rolled-back' });
        await log.close();
      });
    });
  });

  it('does not publish with a retired key what verifiers would refuse', async () => {
    await withDirectory(async (directory) => {
      const first = await openTestLog(directory, { keys: before });
      await submit(first.log, 'one');
      await publishAll(first.log, before);
      const published = first.log.checkpoint() ?? '';
      await first.log.close();

      const keys = rotated(1, 1);
      const policy = parsePolicy(keys.policyText);
      expect(verdictOf(() => checkCheckpoint(policy, published))).toBe('no-log-signature');
      const { log } = await openTestLog(directory, { keys });
      expect(log.checkpoint()).toBeUndefined();
      await until(() => signersOf(log.head()).join() === keyLabel(newSigner));
      await publishAll(log, keys);
      expect(verdictOf(() => checkCheckpoint(policy, log.checkpoint() ?? ''))).toBe('accepted');
      await log.close();
    });
  });
});

async function submit(log: Log, id: string): Promise<void> {
  await log.submit([preparedEvent(id)]);
}

async function receiptOf(log: Log, index: number): Promise<string> {
  await until(async () => (await log.receipt(index)) !== undefined);
  return (await log.receipt(index)) ?? '';
}

/** The keys of the log on a head, as they stand there. */
function signersOf(head: string | undefined): string[] {
  if (head === undefined) return [];
  const { note } = parseCheckpoint(head);
  return note.signatures.filter(({ name }) => name === ORIGIN).map(keyLabel);
}

function only(signers: readonly SignerKey[]): SignerKey {
  const [signer] = signers;
  if (signer === undefined) throw new Error('a test key is missing');
  return signer;
}
