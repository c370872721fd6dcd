/** Findings over a running network: what a producer did wrong, through a `kill -9`, to the person who says that it is known. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { until } from '../support/test-log.ts';

function event(id: string, changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    event_id: id,
    occurred_at: new Date().toISOString(),
    actor: { type: 'service', id: 'svc-billing' },
    action: 'invoice.pay',
    outcome: { result: 'success' },
    ...changes,
  });
}

/** Of `occurred_at` to log time, unless watch.json says otherwise. */
const SKEW_LIMIT_MS = 2_000;

type Row = Readonly<Record<string, unknown>>;

describe('findings of a running network', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork();
  }, 90_000);
  afterAll(removeNetworks);

  async function submit(...lines: readonly string[]): Promise<void> {
    const { code, err } = await network.run(['submit', '-', '--json'], `${lines.join('\n')}\n`);
    if (code !== 0) throw new Error(err);
  }

  async function list(...options: readonly string[]): Promise<readonly Row[]> {
    const { out } = await network.run(['findings', 'list', '--json', ...options]);
    return (JSON.parse(out) as { findings: Row[] }).findings;
  }

  async function waitFor(kind: string): Promise<Row> {
    let found: Row | undefined;
    await until(async () => {
      [found] = await list('--kind', kind);
      return found !== undefined;
    }, `a finding ${kind}`);
    return found ?? {};
  }

  it('name the missing numbers 4728 to 4743 and the entries around them', async () => {
    await submit(...[4726, 4727, 4744, 4745].map((seq) => event(`seq-${seq}`, { producer_seq: seq })));
    const finding = await waitFor('sequence-gap');
    expect(finding).toMatchObject({
      severity: 'high',
      state: 'open',
      evidence: { missing_from: 4728, missing_to: 4743, missing_count: 16 },
    });
    expect(Number(finding['last_index']) - Number(finding['first_index'])).toBe(1);
    expect(String(finding['message'])).not.toMatch(/delet/i);
    const { out } = await network.run(['findings']);
    expect(out).toContain('Numbers 4728 to 4743');
  });

  it('name a producer whose clock is four seconds off, and by how much, and leave what it said as it is', async () => {
    const said = new Date(Date.now() - 4_000).toISOString().replace('Z', '001+00:00');
    await submit(event('slow', { occurred_at: said }));
    const finding = await waitFor('occurred-at-skew');
    expect(finding).toMatchObject({ evidence: { direction: 'behind' } });
    const { out } = await network.run(['event', 'slow']);
    const { index, fields } = JSON.parse(out) as { index: number; fields: Record<string, unknown> };
    expect(fields).toMatchObject({ occurred_at: { value: JSON.stringify(said) } });
    // On a machine so busy that an event of the test before came late, too, the finding begins with that one.
    const isFirst = finding['first_index'] === index;
    expect(Number(finding['first_index'])).toBeLessThanOrEqual(index);
    expect(Number(Object(finding['evidence']).most_ms)).toBeGreaterThanOrEqual(isFirst ? 4_000 : SKEW_LIMIT_MS);
    expect(Number(Object(finding['evidence']).most_ms)).toBeLessThan(60_000);
  });

  it('are the same, and each once, after the log was killed and started again, and after its state was lost', async () => {
    await submit(event('glass', { break_glass: true }));
    await waitFor('break-glass');
    const before = await list();
    for (const damage of [false, true]) {
      await network.kill('log', 'SIGKILL');
      if (damage) await writeFile(path.join(network.data, 'logs', 'audit', 'watch.state'), 'nothing of use');
      await network.start('log');
      const size = Number(((await health()) as { tree_size: number }).tree_size);
      await until(async () => Number(Object(Object(await health())['watch']).examined_size) >= size, 'the watch');
      expect(await list()).toEqual(before);
    }
    const { json } = await network.run(['search', 'action:countersign.finding.raise', '--json']);
    expect((json()['events'] as unknown[]).length).toBe(before.length);
  }, 180_000);

  it('are acknowledged by a person with a reason, once', async () => {
    const { id } = await waitFor('break-glass');
    const acknowledge = () => network.run(['findings', 'acknowledge', String(id), '--reason', 'INC-7', '--json']);
    expect((await acknowledge()).json()).toMatchObject({ state: 'acknowledged', acknowledgement: { reason: 'INC-7' } });
    const again = await acknowledge();
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('acknowledged before')]);
    expect((await list('--state', 'acknowledged')).map((finding) => finding['id'])).toEqual([id]);
  });

  async function health(): Promise<unknown> {
    const { base_url } = await network.read();
    const report = (await (await fetch(`${base_url}/healthz`)).json()) as { logs: unknown[] };
    return report.logs[0];
  }
});
