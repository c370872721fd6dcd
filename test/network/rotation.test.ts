/** Keys of the log and of a witness change in a running network: what was proven before stays proven. */
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { signCheckpoint } from '../../proofs/cosignature.ts';
import { parseSignerKey } from '../../proofs/key.ts';
import { formatNote } from '../../proofs/note.ts';
import { checkCheckpoint, parsePolicy } from '../../proofs/policy.ts';
import { keyLabel } from '../../proofs/validity.ts';
import { cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { verdictOf } from '../support/tree.ts';

function event(id: string): string {
  return JSON.stringify({
    event_id: id,
    occurred_at: '2026-01-08T14:32:07Z',
    tenant: 'acme',
    actor: { type: 'service', id: 'svc-1' },
    action: 'job.run',
    target: { type: 'job', id: 'nightly' },
    outcome: { result: 'success' },
  });
}

/** Entries for which both keys count. The log has entries of its own, so no size is known beforehand. */
const OVERLAP = 100;

describe('a network that changes keys', () => {
  let network: TestNetwork;
  let receipts: string;
  let data: string;
  let oldPolicy: string;
  let oldKeys: readonly string[];

  beforeAll(async () => {
    receipts = await mkdtemp(path.join(tmpdir(), 'countersign-receipts-'));
    network = await startTestNetwork();
    ({ data } = network);
    await submit('before');
    oldPolicy = path.join(receipts, 'old-policy.txt');
    await cp((await network.read()).policy, oldPolicy);
    oldKeys = (await network.read()).log_vkeys;
  }, 90_000);

  afterAll(async () => {
    await removeNetworks();
    await rm(receipts, { recursive: true, force: true });
  });

  /** Submits an event, waits until it is published, and keeps its receipt. */
  async function submit(id: string): Promise<void> {
    const { code, err } = await network.run(['submit', '-', '--wait'], event(id));
    expect([id, code, err]).toEqual([id, 0, expect.any(String)]);
    expect((await network.run(['proof', id, '--out', receipts])).code).toBe(0);
  }

  async function checkpoint(): Promise<string> {
    return String((await network.run(['checkpoint', '--json'])).json()['checkpoint']);
  }

  /** The keys of the log that signed, and how many lines w1 has. */
  function signersOf(note: string): { log: string[]; w1: number } {
    const { signatures } = parseCheckpoint(note).note;
    return {
      log: signatures.filter(({ name }) => name === 'localhost/audit').map(keyLabel),
      w1: signatures.filter(({ name }) => name === 'localhost/w1').length,
    };
  }

  async function policy(): Promise<ReturnType<typeof parsePolicy>> {
    return parsePolicy(await readFile(path.join(data, 'policy.txt')));
  }

  const short = (vkeys: readonly string[]): string[] => vkeys.map((vkey) => vkey.split('+').slice(0, 2).join('+'));

  it('refuses to end the old keys where they have signed already, and changes nothing', async () => {
    const before = await readFile(path.join(data, 'policy.txt'), 'utf8');
    const refused = await network.run(['key', 'list', '--json']);
    expect(refused.json()['keys']).toHaveLength(8);
    await network.stop();
    for (const bounds of [['--until-size', '1'], [], ['--overlap', '2', '--until-size', '9']]) {
      const { code } = await cli(['key', 'rotate', 'log', '--data', data, ...bounds]);
      expect([bounds, code]).toEqual([bounds, bounds[1] === '1' ? 1 : 2]);
    }
    expect((await cli(['key', 'rotate', 'witness', 'w9', '--data', data, '--overlap', '1'])).code).toBe(2);
    expect(await readFile(path.join(data, 'policy.txt'), 'utf8')).toBe(before);
    expect((await readdir(path.join(data, 'logs/audit/keys'))).sort()).toEqual([
      'ed25519.key',
      'mldsa44.key',
      'secret.key',
    ]);
  }, 60_000);

  it('signs with old and new keys while they overlap', async () => {
    const overlap = ['--overlap', String(OVERLAP), '--json'];
    const log = await cli(['key', 'rotate', 'log', '--data', data, ...overlap]);
    expect([log.code, log.err]).toEqual([0, expect.stringContaining('Start the log again')]);
    const { retired, from, until } = log.json();
    expect([retired, from]).toEqual([short(oldKeys), expect.stringMatching(/^from size \d+$/)]);
    expect(until).toBe(`until size ${Number(String(from).slice('from size '.length)) + OVERLAP}`);
    const witness = await cli(['key', 'rotate', 'witness', 'w1', '--data', data, ...overlap]);
    expect(witness.json()).toMatchObject({ from, until });

    network = await startTestNetwork({ data });
    await submit('overlap');
    const signers = signersOf(await checkpoint());
    expect(signers.log).toHaveLength(4);
    expect(signers.log).toEqual(expect.arrayContaining(short(oldKeys)));
  }, 90_000);

  it('counts the two keys of one witness once', async () => {
    const { witnesses, groups } = await policy();
    const own = groups.find(({ members }) => members.includes('w1'));
    expect(own).toMatchObject({ threshold: 1 });
    expect(own?.members).toHaveLength(4);
    expect(witnesses.filter(({ key }) => key.name === 'localhost/w1')).toHaveLength(4);
    expect(groups.find(({ name }) => name === 'quorum-of-witnesses')?.members).toEqual(['w1-any', 'w2-any', 'w3-any']);
  });

  it('drops the old keys at the size where they end, and goes on', async () => {
    const filler = Array.from({ length: OVERLAP }, (_, i) => `${event(`filler-${i}`)}\n`).join('');
    expect((await network.run(['submit', '-', '--wait'], filler)).code).toBe(0);
    await submit('after');
    await submit('later');
    const note = await checkpoint();
    const signers = signersOf(note);
    expect(signers.log).toHaveLength(2);
    expect(signers.log.filter((key) => short(oldKeys).includes(key))).toEqual([]);
    expect(signersOf(note).w1).toBeLessThanOrEqual(2);
    expect((await network.run(['health'])).code).toBe(0);
  }, 60_000);

  it('verifies every receipt under the new policy, those from before the change too', async () => {
    const verified = await network.run(['verify', receipts, '--json']);
    expect(verified.json()).toMatchObject({ verdict: 'PASS', passed: 4, failed: 0, incomplete: 0 });
    expect(verified.code).toBe(0);
    const underOld = await network.run(['verify', receipts, '--policy', oldPolicy, '--json']);
    expect(underOld.json()).toMatchObject({ verdict: 'FAIL' });
  }, 60_000);

  it('believes no new checkpoint that the retired key signs', async () => {
    const current = await policy();
    const note = await checkpoint();
    const { checkpoint: head, note: parsed } = parseCheckpoint(note);
    const retired = parseSignerKey((await readFile(path.join(data, 'logs/audit/keys/ed25519.key'), 'utf8')).trim());
    const forged = formatNote({
      text: parsed.text,
      signatures: [
        signCheckpoint(head, retired, 1_767_882_727),
        ...parsed.signatures.filter(({ name }) => name !== 'localhost/audit'),
      ],
    });
    expect(verdictOf(() => checkCheckpoint(current, note))).toBe('accepted');
    expect(verdictOf(() => checkCheckpoint(current, forged))).toBe('no-log-signature');
  });

  it('starts again without the files of the retired keys, and can change its keys once more', async () => {
    await network.stop();
    for (const file of [
      'logs/audit/keys/ed25519.key',
      'logs/audit/keys/mldsa44.key',
      'witnesses/w1/witness-ed25519.key',
    ]) {
      await rm(path.join(data, file));
    }
    expect((await cli(['key', 'rotate', 'log', '--data', data, '--overlap', '0'])).code).toBe(0);
    const until = ['--until-time', new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z/, 'Z')];
    expect((await cli(['key', 'rotate', 'witness', 'w1', '--data', data, ...until])).code).toBe(0);
    network = await startTestNetwork({ data });
    await submit('third-keys');
    expect(signersOf(await checkpoint()).log).toHaveLength(2);
    const verified = await network.run(['verify', receipts, '--json']);
    expect(verified.json()).toMatchObject({ verdict: 'PASS', passed: 5 });
  }, 120_000);

  it('does not start when a key was replaced instead of changed', async () => {
    await network.stop();
    for (const file of await readdir(path.join(data, 'witnesses/w2'))) {
      if (file.endsWith('.key')) await rm(path.join(data, 'witnesses/w2', file));
    }
    await expect(startTestNetwork({ data })).rejects.toThrow('are not those that');
  }, 60_000);
});
