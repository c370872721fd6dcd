/**
 * A damaged log put right with real processes: a network and a mirror beside it, the log's database damaged, `repair` from
 * the mirror, from tiles that somebody kept, and from a bundle. Then it runs on, and who looks from outside finds it whole.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { verifyEvent } from '../../proofs/verify-event.ts';
import { originHash } from '../../witness/logs.ts';
import { type DataLog, dataLogIn } from '../support/data-log.ts';
import { type CliResult, cli, removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { until } from '../support/test-log.ts';
import { readTiledCopy, writeTiledCopy } from '../support/tiled-copy.ts';
import { type RunningProgram, startProgram } from '../witness/support/program.ts';

const WAIT_MS = 40_000;
/** In the first bundle, in the second, and behind the last full tile; each is alone in its row. */
const [FIRST, SECOND, LAST] = [70, 300, 560];

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

describe('a damaged log', () => {
  let network: TestNetwork;
  let mirror: RunningProgram;
  let stored: DataLog;
  let tiles = '';
  let bundle = '';
  let opened = '';
  let receipt = '';
  beforeAll(async () => {
    network = await startTestNetwork();
    const { policy, log_url, log_vkeys } = await network.read();
    stored = dataLogIn(network.data);
    const logs = log_vkeys.flatMap((vkey) => ['--log', `${vkey} ${log_url}`]);
    const own = ['--data', path.join(network.data, 'mirror'), '--name', 'mirror.example/m1', '--poll-ms', '50'];
    mirror = await startProgram('witness/mirror-main.ts', ['run', ...own, '--policy', policy, ...logs]);
    const events = Array.from({ length: 600 }, (_, i) => eventOf(`event-${i}`)).join('\n');
    expect((await network.run(['submit', '-', '--wait'], events)).code).toBe(0);
    bundle = path.join(network.data, 'all.zip');
    expect((await network.run(['evidence', '--out', bundle])).code).toBe(0);
    opened = (await network.run(['event', 'event-7'])).out;
    receipt = (await network.run(['proof', 'event-7'])).out;
    tiles = await writeTiledCopy(path.join(network.data, 'tiles'), await readTiledCopy(log_url));
  }, 120_000);
  afterAll(async () => {
    await mirror?.end('SIGTERM');
    await removeNetworks();
  }, 60_000);

  async function outside(url: string): Promise<CliResult> {
    return cli(['fsck', '--url', url, '--policy', (await network.read()).policy, '--json']);
  }

  async function mirroredSize(origin: string): Promise<number> {
    const response = await fetch(`${mirror.url}/${originHash(origin)}/checkpoint`);
    return response.status === 200 ? parseCheckpoint(await response.text()).checkpoint.size : 0;
  }

  it('is whole from outside before, at the log and at its mirror', async () => {
    const { log_url, origin } = await network.read();
    await until(async () => (await mirroredSize(origin)) >= 600, 'the mirror has the events', WAIT_MS);
    for (const url of [log_url, mirror.url]) {
      const { code, out, json } = await outside(url);
      expect(code, out).toBe(0);
      expect(json()).toMatchObject({ status: 'whole', checkpoint: { quorum: true } });
    }
  }, 60_000);

  it('does not start, is put right from mirror, tiles and bundle, each with what it has, and says so', async () => {
    await network.kill('log', 'SIGKILL');
    await stored.lose('entries', FIRST);
    await stored.lose('disclosures', FIRST);
    await stored.damage('entries', SECOND);
    await stored.damage('entries', LAST);
    const refused = await cli(['serve', '--data', network.data, '--port', '0']);
    expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/does not open \(corrupt-data\).*fsck/s)]);

    const mirrored = await stored.run('repair', '--from', mirror.url, '--json');
    expect([mirrored.code, mirrored.json()['refused']]).toEqual([1, []]);
    const { left } = mirrored.json() as { left: { kind: string }[] };
    expect([...new Set(left.map(({ kind }) => kind))]).toEqual(['contents-missing']);
    const bundled = await stored.run('repair', '--from', bundle, '--json');
    expect([bundled.code, bundled.json()['status']]).toEqual([0, 'whole']);

    for (const index of [SECOND, LAST]) await stored.damage('entries', index);
    const tiled = await stored.run('repair', '--from', tiles, '--json');
    expect(tiled.code, tiled.out).toBe(0);
    expect(tiled.json()['put_back']).toMatchObject({ contents: [] });
    expect((await stored.run('fsck')).code).toBe(0);
  }, 60_000);

  it('runs on: what was handed out verifies, new events are published, the repairs are entries, outside it is whole', async () => {
    await network.start('log');
    const { policy, log_url } = await network.read();
    const verdict = verifyEvent({ opened, tlogProof: receipt, policy: await readFile(policy) });
    expect(verdict.verdict).toBe('PASS');
    expect((await network.run(['submit', '-', '--wait'], eventOf('after-1'))).code).toBe(0);
    expect((await network.run(['event', `event-${FIRST}`])).code).toBe(0);
    const repairs = await network.run(['search', 'action:countersign.repair', '--json']);
    expect(repairs.out.match(/"countersign\.repair\\?"/g)?.length).toBeGreaterThanOrEqual(3);
    expect((await outside(log_url)).code).toBe(0);
  }, 60_000);
});
