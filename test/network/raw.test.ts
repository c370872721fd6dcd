/** `up --raw`: witnesses cosign a raw log that they know nothing about, and what was answered survives `kill -9`. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCheckpoint, parsePolicy } from '../../proofs/policy.ts';
import { decodeEntryBundle } from '../../proofs/tile.ts';
import { removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { until } from '../support/test-log.ts';

const SENDERS = 16;

describe('a raw log of a local network', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startTestNetwork({ args: ['--raw', 'bytes'] });
  }, 90_000);
  afterAll(removeNetworks);

  it('keeps every acknowledged entry at its index over SIGKILL, and its witnesses cosign it', async () => {
    const [raw] = (await network.read()).raw_logs ?? [];
    if (raw === undefined) throw new Error('network.json names no raw log');
    const token = (await readFile(raw.producer_token, 'utf8')).trim();
    const acknowledged = new Map<number, string>();
    let next = 0;
    let sending = true;
    const sender = async (): Promise<void> => {
      while (sending) {
        const body = `entry ${next++}`;
        const answer = await fetch(`${raw.log_url}/add`, {
          ...{ method: 'POST', body, headers: { authorization: `Bearer ${token}` } },
        }).catch(() => undefined);
        if (answer?.status !== 200) continue;
        const text = await answer.text().catch(() => undefined);
        if (text === undefined) continue;
        expect(text).toMatch(/^[0-9]+$/);
        expect(acknowledged.get(Number(text)) ?? body).toBe(body);
        acknowledged.set(Number(text), body);
      }
    };
    for (let round = 0; round < 2; round++) {
      const before = acknowledged.size;
      sending = true;
      const senders = Array.from({ length: SENDERS }, sender);
      await until(() => acknowledged.size >= before + 500, '500 acknowledgements');
      await network.kill('log', 'SIGKILL');
      sending = false;
      await Promise.all(senders);
      await network.start('log');
    }
    const last = await fetch(`${raw.log_url}/add`, {
      ...{ method: 'POST', body: 'last', headers: { authorization: `Bearer ${token}` } },
    });
    const lastIndex = Number(await last.text());
    expect(lastIndex).toBeGreaterThanOrEqual(Math.max(...acknowledged.keys()));

    const policy = parsePolicy(await readFile(raw.policy, 'utf8'));
    const checkpoint = async () => {
      const answer = await fetch(`${raw.log_url}/checkpoint`);
      return answer.status === 200 ? checkCheckpoint(policy, await answer.text()) : undefined;
    };
    await until(async () => ((await checkpoint())?.checkpoint.size ?? 0) > lastIndex, 'a checkpoint that covers all');
    expect((await checkpoint())?.quorum).toBe(true);
    for (let first = 0; first <= lastIndex; first += 256) {
      const width = Math.min(256, lastIndex + 1 - first);
      const path = `tile/entries/${String(first / 256).padStart(3, '0')}${width === 256 ? '' : `.p/${width}`}`;
      const bundle = await fetch(`${raw.log_url}/${path}`);
      const entries = decodeEntryBundle(new Uint8Array(await bundle.arrayBuffer()));
      for (const [i, entry] of entries.entries()) {
        const expected = acknowledged.get(first + i);
        if (expected !== undefined) expect(new TextDecoder().decode(entry)).toBe(expected);
      }
    }
  }, 60_000);

  it('keeps its keys and its policy when the network starts again without being asked for it', async () => {
    const [before] = (await network.read()).raw_logs ?? [];
    await network.stop();
    network = await startTestNetwork({ data: network.data });
    const [after] = (await network.read()).raw_logs ?? [];
    expect(after?.log_vkeys).toEqual(before?.log_vkeys);
    expect((await fetch(`${after?.log_url}/checkpoint`)).status).toBe(200);
  }, 60_000);
});
