/** Without a quorum nothing is published, nothing is lost, and everybody is told; with one it goes on by itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { until } from '../support/test-log.ts';

/** A log is unhealthy after ten seconds without a new checkpoint; a witness's way back can take as long. */
const HEALTH_MS = 40_000;

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

describe('a log whose witnesses go away', () => {
  let network: TestNetwork;
  let publishedBefore: number;
  beforeAll(async () => {
    network = await startTestNetwork();
    expect((await network.run(['submit', '-', '--wait'], event('before'))).code).toBe(0);
  }, 90_000);
  afterAll(removeNetworks);

  async function publishedSize(): Promise<number> {
    return Number((await network.run(['checkpoint', '--json'])).json()['size']);
  }

  it('publishes with one witness missing', async () => {
    await network.kill('w3', 'SIGKILL');
    expect((await network.run(['submit', '-', '--wait'], event('one-missing'))).code).toBe(0);
    await until(() => network.said().includes('w3 (process'), 'the words of up about w3');
    expect(network.said()).toMatch(/w3 .* ended: signal SIGKILL\. The others go on\. Start it again: .*--only w3/);
    expect((await network.read()).pids).not.toHaveProperty('w3');
  });

  it('takes events, but publishes nothing, with two of three missing; healthz says why', async () => {
    await network.kill('w2', 'SIGTERM');
    publishedBefore = await publishedSize();
    const { code, json } = await network.run(['submit', '-', '--json'], event('two-missing'));
    expect(code).toBe(0);
    expect(json()).toMatchObject({ accepted: 1 });
    let report: Record<string, unknown> = {};
    await until(
      async () => {
        const { code: healthCode, json: health } = await network.run(['health', '--json']);
        report = health();
        return healthCode === 1;
      },
      'a health report about the missing quorum',
      HEALTH_MS,
    );
    const problems = JSON.stringify(report);
    expect(problems).toMatch(/quorum/);
    expect(problems).toMatch(/w2/);
    expect(problems).toMatch(/w3/);
    expect(await publishedSize()).toBe(publishedBefore);
    const waited = await network.run(['submit', '-', '--wait', '--timeout', '1'], event('two-missing'));
    expect(waited.code).toBe(2);
    expect(waited.err).toContain(`published checkpoint covers ${publishedBefore} entries, not yet`);
  }, 60_000);

  it('publishes again as soon as one of them is back', async () => {
    await network.start('w2');
    await until(async () => (await publishedSize()) > publishedBefore, 'the public checkpoint to move', HEALTH_MS);
    await until(async () => (await network.run(['health'])).code === 0, 'good health');
  }, 60_000);
});
