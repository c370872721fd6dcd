/** The monitor as a process: exit codes, lines, webhooks, metrics. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkForkProof, parseForkProof } from '../../proofs/fork-proof.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { originHash } from '../../witness/logs.ts';
import { testSigner } from '../support/signed.ts';
import { until } from '../support/test-log.ts';
import { type ServedViews, serveViews, tinyLog, type View } from '../support/tiny-log.ts';
import { type Finished, runProgram, startProgram } from './support/program.ts';

const MONITOR = 'witness/monitor-main.ts';
const log = tinyLog({ origin: 'log.example/watched', count: 600 });
const forged = tinyLog({ origin: 'log.example/watched', count: 600, branch: { at: 400, name: 'forged' } });
const w1 = testSigner('witness.example/w1', 4);

describe('a monitor process', () => {
  let served: ServedViews;
  let data: string;
  let policy: string;
  let logView: View | undefined;
  let witnessNote = '';
  let runs = 0;
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'countersign-monitor-'));
    const intercept = (path: string): Response | undefined =>
      path === `${originHash(log.origin)}/checkpoint` ? new Response(witnessNote) : undefined;
    served = await serveViews((segment) => (segment === 'w1' ? { log, size: 0, intercept } : logView));
    policy = join(data, 'policy.txt');
    const lines = [
      `log ${verifierKeyOf(log.signer).vkey} ${served.url}/log`,
      `witness w1 ${verifierKeyOf(w1).vkey}`,
      'quorum w1',
    ];
    await writeFile(policy, `${lines.join('\n')}\n`);
  });
  afterAll(async () => {
    await served.close();
    await rm(data, { recursive: true, force: true });
  });

  async function show(size: number, witnessed = { log, size }): Promise<void> {
    logView = { log, size, signers: [log.signer, w1] };
    witnessNote = await witnessed.log.head(witnessed.size, [log.signer, w1]);
  }
  function flags(directory: string): string[] {
    return ['--policy', policy, '--data', join(data, directory), '--witness-url', `w1=${served.url}/w1`];
  }
  function once(directory = `run-${++runs}`, ...more: string[]): Promise<Finished> {
    return runProgram(MONITOR, [...flags(directory), '--once', '--json', ...more]);
  }
  function lastLine({ out }: Finished): unknown {
    return JSON.parse(out.trimEnd().split('\n').at(-1) ?? '');
  }

  it('ends with 0 when all is good, and goes on where it was', async () => {
    await show(300);
    const first = await once('good');
    expect([first.code, lastLine(first)]).toEqual([
      0,
      expect.objectContaining({ event: 'round', ok: true, entries_verified: 300 }),
    ]);
    await show(500);
    expect(lastLine(await once('good'))).toMatchObject({ ok: true, head_size: 500, entries_verified: 500 });
  }, 30_000);

  it('ends with 1 and a fork proof when the log signed two histories', async () => {
    await show(500, { log: forged, size: 500 });
    const { code, out } = await once('fork');
    expect(code).toBe(1);
    const [raised] = out.split('\n').map((line) => line && JSON.parse(line));
    expect(raised).toMatchObject({ event: 'raised', origin: log.origin, problem: { code: 'fork' } });
    const text = await readFile(String(raised.problem.source), 'utf8');
    const trusted = parsePolicy(await readFile(policy, 'utf8'));
    expect(checkForkProof(parseForkProof(text), trusted).witnessesOfBoth).toEqual(['w1']);
    expect(await readdir(join(data, 'fork', 'forks'))).toHaveLength(1);
  }, 30_000);

  it('ends with 2 when something could not be checked, and for wrong usage', async () => {
    await show(300);
    logView = undefined;
    expect((await once()).code).toBe(2);
    await show(300);
    const bad: string[][] = [
      ['--mirror', 'nonsense'],
      ['--poll-ms', 'x'],
      ['--origin', 'other'],
      ['--witness-url', 'w9=http://x'],
    ];
    for (const more of bad) expect([more, (await once('bad', ...more)).code]).toEqual([more, 2]);
    expect((await runProgram(MONITOR, ['--data', data])).code).not.toBe(0);
    expect((await runProgram(MONITOR, ['--policy', join(data, 'none'), '--data', data])).code).toBe(2);
  }, 60_000);

  it('tells webhooks and metrics what comes and what goes, and never the address of a webhook', async () => {
    const posted: Record<string, unknown>[] = [];
    let refuse = 1;
    const hook = createAdaptorServer({
      fetch: async (request) => {
        if (refuse-- > 0) return new Response('', { status: 503 });
        posted.push((await request.json()) as Record<string, unknown>);
        return new Response('');
      },
    });
    await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
    const hookUrl = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/secret-path`;
    const gone = 'http://127.0.0.1:9/secret-path';
    await show(300);
    const args = [
      '--poll-ms',
      '20',
      '--max-lag-ms',
      '0',
      '--webhook',
      hookUrl,
      '--webhook',
      gone,
      '--listen',
      '127.0.0.1:0',
    ];
    const monitor = await startProgram(MONITOR, [...flags('webhook'), '--json', ...args]);
    try {
      expect(monitor.ready).toMatchObject({
        origin: log.origin,
        sources: ['log head', 'log checkpoint', 'witness w1'],
      });
      const metrics = async (): Promise<string> => (await fetch(`${monitor.url}/metrics`)).text();
      await until(async () => (await metrics()).includes('countersign_monitor_entries_verified 300'));
      expect((await fetch(`${monitor.url}/healthz`)).status).toBe(200);
      await show(400, { log, size: 300 });
      await until(() => posted.length === 1);
      expect(posted[0]).toMatchObject({ event: 'raised', code: 'behind', source: 'witness w1', origin: log.origin });
      expect((await fetch(`${monitor.url}/healthz`)).status).toBe(503);
      await show(400);
      await until(() => posted.length === 2);
      expect(posted[1]).toMatchObject({ event: 'cleared', code: 'behind', source: 'witness w1' });
      await show(400, { log: forged, size: 401 });
      await show(500, { log: forged, size: 401 });
      await until(() => posted.some(({ code }) => code === 'fork'));
      const proof = String(posted.find(({ code }) => code === 'fork')?.['fork_proof']);
      const trusted = parsePolicy(await readFile(policy, 'utf8'));
      expect(checkForkProof(parseForkProof(proof), trusted).origin).toBe(log.origin);
      await until(async () => (await metrics()).includes('countersign_monitor_problems{code="fork"} 1'));
      expect(await metrics()).toContain('countersign_monitor_webhooks_total{delivered="false"}');
      expect(await monitor.end('SIGTERM')).toBe(0);
      expect(monitor.said()).not.toContain('secret-path');
    } finally {
      if (monitor.isRunning()) await monitor.end('SIGKILL');
      hook.close();
    }
  }, 60_000);
});
