import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../proofs/hash.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { checkCheckpoint, type Policy, parsePolicy, quorumSatisfied } from '../../proofs/policy.ts';
import { keyLabel } from '../../proofs/validity.ts';
import { changeLogKeys, changeWitnessKeys, rewritePolicy } from '../../src/cli/rotate-policy.ts';
import { cli } from '../support/network.ts';
import { signedCheckpoint, testSigner } from '../support/signed.ts';
import { verdictOf } from '../support/tree.ts';

const vkey = (name: string, type: 1 | 4 | 6): string => verifierKeyOf(testSigner(name, type)).vkey;
const bounds = { from: { fromSize: 11 }, until: { untilSize: 20 } };

/** A key of the name of `of`, made from another seed. */
function fresh(of: string, type: 1 | 4 | 6, seed: string): ReturnType<typeof testSigner> {
  const other = testSigner(seed, type);
  const { keyId } = verifierKeyOf({ ...other, name: of });
  return { ...other, name: of, keyId };
}

const w1New = fresh('w1', 4, 'w1-again');
const PLAIN = `# Ours.\n# Two of three.\nlog ${vkey('example.com/log', 1)} https://log.example\n${['w1', 'w2', 'w3']
  .map((name) => `witness ${name} ${vkey(name, 4)} https://${name}.example\n`)
  .join('')}group two 2 w1 w2 w3\nquorum two\n`;

describe('a change of keys in a policy', () => {
  it('puts old and new key of a witness in one group where the old one stood', () => {
    const { policy, retired } = changeWitnessKeys(parsePolicy(PLAIN), 'w1', {
      newKeys: [verifierKeyOf(w1New)],
      ...bounds,
    });
    const name = `w1-${keyLabel(w1New).slice(-8)}`;
    expect(retired.map(keyLabel)).toEqual([keyLabel(testSigner('w1', 4))]);
    expect(policy.groups).toEqual([
      { name: 'w1-keys', threshold: 1, members: ['w1', name] },
      { name: 'two', threshold: 2, members: ['w1-keys', 'w2', 'w3'] },
    ]);
    expect(policy.witnesses[1]).toMatchObject({ name, url: 'https://w1.example', validity: { fromSize: 11 } });
    expect(quorumSatisfied(policy, new Set(['w1', name]))).toBe(false);
    expect(quorumSatisfied(policy, new Set([name, 'w3']))).toBe(true);
    const text = rewritePolicy(PLAIN, policy);
    expect(text.startsWith('# Ours.\n# Two of three.\nlog ')).toBe(true);
    expect(parsePolicy(text)).toEqual(policy);
  });

  it('grows the group of a witness that has one, and follows the newest key', () => {
    const again = fresh('w1', 4, 'w1-third');
    const once = changeWitnessKeys(parsePolicy(PLAIN), 'w1', { newKeys: [verifierKeyOf(w1New)], ...bounds });
    const twice = changeWitnessKeys(once.policy, 'w1', {
      newKeys: [verifierKeyOf(again)],
      from: { fromSize: 30 },
      until: { untilSize: 40 },
    });
    expect(twice.retired.map(keyLabel)).toEqual([keyLabel(w1New)]);
    expect(twice.policy.groups[0]?.members).toEqual([
      'w1',
      ...[w1New, again].map((key) => `w1-${keyLabel(key).slice(-8)}`),
    ]);
    expect(twice.policy.witnesses.slice(0, 3).map(({ validity }) => validity)).toEqual([
      { untilSize: 20 },
      { fromSize: 11, untilSize: 40 },
      { fromSize: 30 },
    ]);
  });

  it('changes a quorum that is one witness', () => {
    const alone = parsePolicy(`witness w1 ${vkey('w1', 4)}\nquorum w1\n`);
    const { policy } = changeWitnessKeys(alone, 'w1', { newKeys: [verifierKeyOf(w1New)], ...bounds });
    expect(policy.quorum).toBe('w1-keys');
    expect(quorumSatisfied(policy, new Set(['w1']))).toBe(true);
  });

  it('refuses a key that follows none, and an old key that would end before it began', () => {
    const policy = parsePolicy(PLAIN);
    const newKeys = [verifierKeyOf(fresh('example.com/log', 6, 'pq'))];
    expect(() => changeLogKeys(policy, 'example.com/log', { newKeys, ...bounds })).toThrow('no key of');
    const first = changeLogKeys(policy, 'example.com/log', {
      newKeys: [verifierKeyOf(fresh('example.com/log', 1, 'second'))],
      ...bounds,
    });
    const second = changeLogKeys(first.policy, 'example.com/log', {
      newKeys: [verifierKeyOf(fresh('example.com/log', 1, 'third'))],
      from: { fromSize: 5 },
      until: { untilSize: 11 },
    });
    expect(() => rewritePolicy(PLAIN, second.policy)).toThrow('empty');
  });

  it('is taken over by a verifier with `key rotate policy`', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'countersign-policy-'));
    try {
      const file = path.join(directory, 'policy.txt');
      await writeFile(file, PLAIN);
      const newVkey = ['--new-vkey', verifierKeyOf(w1New).vkey];
      expect((await cli(['key', 'rotate', 'policy', file, ...newVkey])).code).toBe(2);
      expect((await cli(['key', 'rotate', 'policy', file, ...newVkey, '--until-time', 'soon'])).code).toBe(2);
      expect(await readFile(file, 'utf8')).toBe(PLAIN);
      const times = ['--from-time', '2026-06-01T00:00:00Z', '--until-time', '2026-09-01T00:00:00Z'];
      const { code, out } = await cli(['key', 'rotate', 'policy', file, ...newVkey, ...times]);
      expect([code, out]).toEqual([0, expect.stringContaining('counts until 2026-09-01T00:00:00Z')]);
      const policy = parsePolicy(await readFile(file, 'utf8'));
      const at = (time: string, ...signers: ReturnType<typeof testSigner>[]): string => verdict(policy, time, signers);
      expect(at('2026-05-31T23:59:59Z', testSigner('w1', 4), testSigner('w2', 4))).toBe('accepted');
      expect(at('2026-05-31T23:59:59Z', w1New, testSigner('w2', 4))).toBe('quorum-not-met');
      expect(at('2026-07-01T00:00:00Z', w1New, testSigner('w2', 4))).toBe('accepted');
      expect(at('2026-07-01T00:00:00Z', w1New, testSigner('w1', 4))).toBe('quorum-not-met');
      expect(at('2026-09-01T00:00:00Z', testSigner('w1', 4), testSigner('w2', 4))).toBe('quorum-not-met');
      const { out: listed } = await cli(['key', 'list', '--policy', file]);
      expect(listed).toContain(`${keyLabel(w1New)}  type 4  from 2026-06-01T00:00:00Z`);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

function verdict(policy: Policy, time: string, witnesses: readonly ReturnType<typeof testSigner>[]): string {
  const head = { origin: 'example.com/log', size: 3, root: sha256(Uint8Array.of(3)) };
  const note = signedCheckpoint(head, [testSigner('example.com/log', 1), ...witnesses], Date.parse(time) / 1000);
  return verdictOf(() => checkCheckpoint(policy, note));
}
