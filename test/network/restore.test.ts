/**
 * The whole way with real processes: a network, a mirror beside it, the log's database gone, `restore` from the mirror, and
 * the same log goes on with the same witnesses. What was handed out before still verifies.
 */
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { verifyEvent } from '../../proofs/verify-event.ts';
import { originHash } from '../../witness/logs.ts';
import { cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { until } from '../support/test-log.ts';
import { type RunningProgram, runProgram, startProgram } from '../witness/support/program.ts';

const WAIT_MS = 40_000;
const REST_MS = 1_000;

function eventOf(id: string): string {
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

describe('a log that is lost and restored', () => {
  let network: TestNetwork;
  let mirror: RunningProgram;
  let opened = '';
  let receipt = '';
  beforeAll(async () => {
    network = await startTestNetwork();
    const { policy, log_url, log_vkeys } = await network.read();
    const logs = log_vkeys.flatMap((vkey) => ['--log', `${vkey} ${log_url}`]);
    const own = ['--data', path.join(network.data, 'mirror'), '--name', 'mirror.example/m1', '--poll-ms', '50'];
    mirror = await startProgram('witness/mirror-main.ts', ['run', ...own, '--policy', policy, ...logs]);
  }, 120_000);
  afterAll(async () => {
    await mirror?.end('SIGTERM');
    await removeNetworks();
  }, 60_000);

  async function sizeAt(url: string): Promise<number> {
    const response = await fetch(url);
    return response.status === 200 ? parseCheckpoint(await response.text()).checkpoint.size : -1;
  }

  function restore(...more: string[]): ReturnType<typeof cli> {
    return cli(['restore', '--from', mirror.url, '--data', network.data, '--json', ...more]);
  }

  it('is mirrored while it is written to', async () => {
    const events = Array.from({ length: 300 }, (_, i) => eventOf(`event-${i}`)).join('\n');
    expect((await network.run(['submit', '-', '--wait'], events)).code).toBe(0);
    opened = (await network.run(['event', 'event-7'])).out;
    receipt = (await network.run(['proof', 'event-7'])).out;
    const { log_url, origin } = await network.read();
    const copy = `${mirror.url}/${originHash(origin)}/checkpoint`;
    // Reads are entries, too: the log is at rest when nothing was added between two looks.
    let before = -1;
    await until(
      async () => {
        const [held, signed] = [await sizeAt(copy), await sizeAt(`${log_url}/head`)];
        const atRest = held >= 300 && held === signed && held === before;
        before = signed;
        if (!atRest) await pause(REST_MS);
        return atRest;
      },
      'the mirror has it all',
      WAIT_MS,
    );
    expect((await restore()).code).toBe(1);
  }, 120_000);

  it('comes back from the mirror, agrees with the guard and with every witness, and has the same history', async () => {
    await network.kill('log', 'SIGKILL');
    const { log } = await network.read();
    await rm(path.join(network.data, 'logs', log, 'db'), { recursive: true });
    const restored = await restore();
    expect([restored.code, restored.err]).toEqual([0, expect.any(String)]);
    const report = restored.json();
    expect(report).toMatchObject({ published: true, silent: [] });
    expect(JSON.stringify(report['agrees'])).toMatch(/the guard file.*witness w1.*witness w2.*witness w3/);
    const verdict = verifyEvent({ opened, tlogProof: receipt, policy: await readFile((await network.read()).policy) });
    expect(verdict.verdict).toBe('PASS');
  }, 60_000);

  it('goes on under the same origin and policy: new events are published, and nobody sees a second history', async () => {
    await network.start('log');
    expect((await network.run(['submit', '-', '--wait'], eventOf('after-1'))).code).toBe(0);
    const after = await network.run(['event', 'after-1']);
    expect(after.code).toBe(0);
    const proof = await network.run(['proof', 'after-1']);
    const { policy, log_url, origin, tokens } = await network.read();
    const verdict = verifyEvent({ opened: after.out, tlogProof: proof.out, policy: await readFile(policy) });
    expect(verdict.verdict).toBe('PASS');
    // An event of before: its contents are lost, and that is what is said; its receipt is not.
    const token = (await readFile(tokens.auditor, 'utf8')).trim();
    const { index } = JSON.parse(opened) as { readonly index: number };
    const headers = { authorization: `Bearer ${token}` };
    const lost = await fetch(`${log_url}/events/by-index/${index}`, { headers });
    expect([lost.status, (await lost.json()) as object]).toEqual([
      410,
      expect.objectContaining({ type: 'urn:countersign:problem:contents-lost' }),
    ]);
    expect((await fetch(`${log_url}/events/by-index/${index}/proof`, { headers })).status).toBe(200);
    const page = (await (await fetch(`${log_url}/events?limit=5`, { headers })).json()) as { events: object[] };
    expect(page.events[0]).toMatchObject({ index: 0, contents_lost: true });
    const data = path.join(network.data, 'monitor');
    const mirrors = ['--mirror', `${mirror.url} ${mirror.vkeys[0]}`];
    const flags = ['--policy', policy, '--log-url', log_url, '--origin', origin, '--data', data, ...mirrors];
    const monitored = await runProgram('witness/monitor-main.ts', [...flags, '--once', '--json']);
    expect([monitored.code, monitored.out]).toEqual([0, expect.stringContaining('"ok":true')]);
  }, 120_000);
});
