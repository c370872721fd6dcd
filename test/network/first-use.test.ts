/** What a newcomer does first: one command, one event, one receipt, checked with everything stopped. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { verifyEvent } from '../../proofs/verify-event.ts';
import { cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';

const EVENT = {
  event_id: 'first-use-1',
  occurred_at: '2026-01-08T14:32:07.123456Z',
  tenant: 'acme',
  actor: { type: 'user', id: 'u_8842', role: 'admin', session: 's_1f9c' },
  action: 'role.grant',
  target: { type: 'user', id: 'u_9013' },
  outcome: { result: 'success' },
};

describe('a network that one command started', () => {
  let network: TestNetwork;
  let indexOfEvent: number;
  beforeAll(async () => {
    network = await startTestNetwork();
  }, 90_000);
  afterAll(removeNetworks);

  it('says in network.json everything that a script needs', async () => {
    const file = await network.read();
    expect(file.log_url).toBe(`${file.base_url}/${file.log}`);
    expect(Object.keys(file.pids).sort()).toEqual(['log', 'w1', 'w2', 'w3']);
    expect(Object.keys(file.commands).sort()).toEqual(['log', 'w1', 'w2', 'w3']);
    expect(file.log_vkeys).toHaveLength(2);
    for (const name of ['w1', 'w2', 'w3']) expect(file.witness_vkeys[name]).toHaveLength(2);
    const description = (await (await fetch(`${file.log_url}/log.json`)).json()) as Record<string, unknown>;
    expect(description).toMatchObject({ origin: file.origin, vkeys: file.log_vkeys });
    expect(await readFile(file.policy, 'utf8')).toBe(description['policy']);
  });

  it('keeps keys and tokens to their owner', async () => {
    const { tokens, data, log } = await network.read();
    const secrets = ['ed25519.key', 'mldsa44.key', 'secret.key'].map((key) =>
      path.join(data, 'logs', log, 'keys', key),
    );
    for (const file of [...Object.values(tokens), ...secrets]) expect((await stat(file)).mode & 0o077, file).toBe(0);
  });

  it('answers a plain HTTP submission with a cosigned receipt that verifies', async () => {
    const { log_url, tokens, policy } = await network.read();
    const token = (await readFile(tokens.producer, 'utf8')).trim();
    const response = await fetch(`${log_url}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', prefer: 'wait=20' },
      body: JSON.stringify(EVENT),
    });
    expect(response.status).toBeLessThan(300);
    const { index, receipt } = (await response.json()) as { index: number; receipt: string };
    const { code, out } = await network.run(['event', EVENT.event_id]);
    expect(code).toBe(0);
    const verdict = verifyEvent({ opened: out, tlogProof: receipt, policy: await readFile(policy) });
    expect(verdict).toMatchObject({ verdict: 'PASS', index });
    indexOfEvent = index;
    expect(verdict.event?.event).toEqual(EVENT);
  });

  it('takes the same event twice for one, and refuses another one under its id', async () => {
    const same = await network.run(['submit', '-', '--json'], JSON.stringify(EVENT));
    expect(same).toMatchObject({ code: 0 });
    expect(same.json()).toMatchObject({ read: 1, accepted: 0, duplicate: 1, refused: [] });
    const other = await network.run(['submit', '-', '--json'], JSON.stringify({ ...EVENT, action: 'role.revoke' }));
    expect(other.code).toBe(1);
    expect(other.json()).toMatchObject({ refused: [{ type: 'urn:countersign:problem:event-id-conflict' }] });
  });

  it('takes the good lines of a batch and names the bad ones, with the member', async () => {
    const lines = [
      JSON.stringify({ ...EVENT, event_id: 'batch-1' }),
      JSON.stringify({ ...EVENT, event_id: 'batch-2', actor: undefined }),
      '',
      `{"event_id":"batch-3"`,
      JSON.stringify({ ...EVENT, event_id: 'batch-4' }),
    ];
    const { code, json, err } = await network.run(['submit', '-', '--json', '--wait'], lines.join('\n'));
    expect(code).toBe(1);
    expect(json()).toMatchObject({
      read: 4,
      accepted: 2,
      refused: [
        {
          where: 'standard input line 2',
          type: 'urn:countersign:problem:missing-member',
          errors: [expect.stringContaining('/actor')],
        },
        { where: 'standard input line 4', type: 'urn:countersign:problem:invalid-json' },
      ],
    });
    expect(err).toContain('line 2');
  });

  it('shows the published checkpoint, verified, and says that it is well', async () => {
    const checkpoint = await network.run(['checkpoint']);
    expect(checkpoint.code).toBe(0);
    expect(parseCheckpoint(checkpoint.out).checkpoint.size).toBeGreaterThan(0);
    const health = await network.run(['health', '--json']);
    expect(health.code).toBe(0);
    expect(health.json()).toMatchObject({ status: 'ok' });
  });

  it('makes, lists and revokes tokens, and never prints one again', async () => {
    const created = await network.run(['token', 'create', 'auditor', '--name', 'An auditor', '--json']);
    const { id, token } = created.json() as { id: string; token: string };
    expect(token).toMatch(/^cs_auditor_/);
    const list = await network.run(['token', 'list']);
    expect(list.out).toContain(id);
    expect(list.out + list.err).not.toContain(token);
    expect((await network.run(['token', 'revoke', id])).code).toBe(0);
    expect((await network.run(['token', 'revoke', id])).code).toBe(1);
  });

  it('refuses a second network on the same directory and says what to do', async () => {
    await expect(startTestNetwork({ data: network.data })).rejects.toThrow(/a network runs in .* already: log/);
  });

  it('stops everything on SIGTERM and starts again with the same keys, tokens, ports and events', async () => {
    const before = await network.read();
    await network.stop();
    const stopped = await network.read();
    expect(stopped.pids).toEqual({});
    expect(stopped.up_pid).toBeUndefined();
    network = await startTestNetwork({ data: network.data });
    const { pids: _before, up_pid: _up, ...constant } = before;
    expect(await network.read()).toMatchObject(constant);
    const { code, out } = await network.run(['event', EVENT.event_id]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ index: indexOfEvent });
  }, 90_000);

  it('gives pairs of files that verify after everything was stopped', async () => {
    const out = path.join(network.data, 'receipts');
    const exported = await network.run(['proof', '--all', '--out', out, '--json']);
    expect(exported.code, exported.err).toBe(0);
    const passed = Number(exported.json()['events']);
    expect(passed).toBeGreaterThanOrEqual(3);
    const { policy } = await network.read();
    await network.stop();
    const { code, json } = await cli(['verify', out, '--policy', policy, '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ verdict: 'PASS', passed, failed: 0, incomplete: 0 });
    const unreachable = await network.run(['health']);
    expect(unreachable.code).toBe(3);
    expect(unreachable.err).toContain('Is the log running?');
  }, 60_000);
});
