/** Rate limits per log, and log lists that only ever add. */

import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { makeSignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { formatLogList } from '../../proofs/log-list.ts';
import { Deliveries } from '../../witness/deliveries.ts';
import { memoryEvidence } from '../../witness/evidence.ts';
import { noGuard } from '../../witness/guard.ts';
import { loadListedLogs, pullLogList } from '../../witness/log-lists.ts';
import { LogBook } from '../../witness/logs.ts';
import { type MemoryRows, memoryRows } from '../../witness/memory-rows.ts';
import { createMetrics } from '../../witness/metrics.ts';
import type { WitnessParts } from '../../witness/parts.ts';
import { LogLimits, rateOfDay, TokenBucket } from '../../witness/rate-limit.ts';
import { WitnessState } from '../../witness/state.ts';
import { CLOCK_SECONDS, memoryWitness, requestOf, seed, testLog } from './support/witness.ts';

const log = testLog();
const second = testLog({ origin: 'log.example/two', seed: 0x21 });

describe('the rate limit', () => {
  it('lets a burst through, then as many as the clock gives, and none for a clock that goes backwards', () => {
    const bucket = new TokenBucket({ perSecond: 2, burst: 3 }, 1_000);
    const taken = (nowMs: number): number => {
      let count = 0;
      while (bucket.take(nowMs)) count++;
      return count;
    };
    expect([taken(1_000), taken(1_000), taken(1_500), taken(2_000), taken(500), taken(600_000)]).toEqual([
      3, 0, 1, 1, 0, 3,
    ]);
  });

  it('of a listed log comes from its queries per day, with room after a pause', () => {
    expect(rateOfDay(86_400)).toEqual({ perSecond: 1, burst: 3_600 });
    expect(rateOfDay(24)).toMatchObject({ burst: 60 });
  });

  it('answers 429 with Retry-After to a flood, for that log only, until time has passed', async () => {
    let nowMs = CLOCK_SECONDS * 1000;
    const rateLimit = { perSecond: 5, burst: 5 };
    const witness = await memoryWitness([log.known, second.known], { rateLimit, clock: () => nowMs });
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) statuses.push((await witness.addCheckpoint(log.request(0, 5))).status);
    expect(statuses).toEqual([200, 409, 409, 409, 409, 429, 429, 429]);
    expect((await witness.addCheckpoint(log.request(0, 5))).retryAfterSeconds).toBe(1);
    expect((await witness.addCheckpoint(second.request(0, 5))).status).toBe(200);
    expect((await witness.addCheckpoint(log.request(5, 5))).status).toBe(429);
    expect((await witness.signSubtree(subtreeRequest(log.head(5)))).status).toBe(429);
    nowMs += 1_000;
    expect((await witness.addCheckpoint(log.request(5, 5))).status).toBe(200);
  });

  it('does not let strangers who repeat what is public keep the log itself from growing', async () => {
    const rateLimit = { perSecond: 1, burst: 3 };
    const witness = await memoryWitness([log.known], { rateLimit });
    expect((await witness.addCheckpoint(log.request(0, 5))).status).toBe(200);
    for (let i = 0; i < 10; i++) await witness.addCheckpoint(log.request(5, 5));
    expect((await witness.addCheckpoint(log.request(0, 5))).status).toBe(429);
    const forged = requestOf({ old: '5', proof: [], head: log.head(6).replace(/.{6}\n$/, 'AAAA=\n') });
    for (let i = 0; i < 10; i++) expect((await witness.addCheckpoint(forged)).status).not.toBe(200);
    expect((await witness.addCheckpoint(log.request(5, 8))).status).toBe(200);
    expect((await witness.addCheckpoint(log.request(8, 9))).status).toBe(200);
    // Heads of its own the log has as many as the limit says, too.
    expect((await witness.addCheckpoint(log.request(9, 10))).status).toBe(429);
  });
});

function subtreeRequest(head: string): Uint8Array {
  return Buffer.from(`subtree 0 4\n${Buffer.alloc(32).toString('base64')}\n\n${head}`);
}

describe('log lists', () => {
  const listed = (origin: string, keySeed: number) => ({
    key: verifierKeyOf(makeSignerKey(origin, 1, seed(keySeed))),
    origin,
    requestsPerDay: 86_400,
  });

  async function open(
    rows: MemoryRows,
  ): Promise<WitnessParts & { pull: (text: string, status?: number) => Promise<number> }> {
    const logs = new LogBook([log.known]);
    const state = await WitnessState.open({ openRows: rows.open, guard: noGuard });
    await loadListedLogs(state, logs);
    const parts: WitnessParts = {
      logs,
      state,
      cosigners: [],
      evidence: memoryEvidence(),
      clock: Date.now,
      verifyOptions: {},
      limits: new LogLimits(() => ({ perSecond: 1, burst: 1 })),
      deliveries: new Deliveries(),
      metrics: createMetrics(),
      logger: pino({ level: 'silent' }),
    };
    const pull = (text: string, status = 200): Promise<number> => {
      const client = {
        fetch: async () => new Response(text, { status }),
        timeoutMs: 1_000,
        signal: new AbortController().signal,
      };
      return pullLogList(parts, client, 'http://lists.test/logs');
    };
    return { ...parts, pull };
  }

  const origins = ({ logs }: WitnessParts): string[] => logs.all().map(({ origin }) => origin);

  it('add logs, once, and a list that shrinks takes none away', async () => {
    const parts = await open(memoryRows());
    expect(await parts.pull(formatLogList([listed('a.example', 1), listed('b.example', 2)]))).toBe(2);
    expect(await parts.pull(formatLogList([listed('b.example', 2), listed('c.example', 3)]))).toBe(1);
    expect(await parts.pull(formatLogList([]))).toBe(0);
    expect(origins(parts)).toEqual([log.origin, 'a.example', 'b.example', 'c.example']);
    expect(parts.logs.get('a.example')?.queriesPerDay).toBe(86_400);
  });

  it('never change the key of a log that is known, from the list or from the operator', async () => {
    const parts = await open(memoryRows());
    await parts.pull(formatLogList([listed('a.example', 1)]));
    const keys = (origin: string) => parts.logs.get(origin)?.keys.map(({ vkey }) => vkey);
    const before = [keys('a.example'), keys(log.origin)];
    expect(await parts.pull(formatLogList([listed('a.example', 7), listed(log.origin, 8)]))).toBe(0);
    expect([keys('a.example'), keys(log.origin)]).toEqual(before);
  });

  it('are remembered across restarts, and the operator comes first', async () => {
    const rows = memoryRows();
    const parts = await open(rows);
    await parts.pull(formatLogList([listed('a.example', 1)]));
    await parts.state.close();
    expect(origins(await open(rows))).toEqual([log.origin, 'a.example']);
  });

  it('that cannot be had or read add nothing and break nothing', async () => {
    const parts = await open(memoryRows());
    expect(await parts.pull('logs/v0\nnonsense\n')).toBe(0);
    expect(await parts.pull(formatLogList([listed('a.example', 1)]), 503)).toBe(0);
    expect(await parts.pull('x'.repeat(5_000_000))).toBe(0);
    expect(origins(parts)).toEqual([log.origin]);
  });

  it('make the witness serve their logs, under their own limit', async () => {
    const rows = memoryRows();
    const answer = formatLogList([{ ...listed('log.example/listed', 0x31), requestsPerDay: 24 }]);
    const witness = await memoryWitness([log.known], {
      openRows: rows.open,
      fetch: async () => new Response(answer),
      logListUrls: ['http://lists.test/logs'],
    });
    const newcomer = testLog({ origin: 'log.example/listed', seed: 0x31 });
    expect((await witness.addCheckpoint(newcomer.request(0, 5))).status).toBe(404);
    witness.follow();
    while ((await witness.addCheckpoint(newcomer.request(0, 5))).status === 404) await new Promise(setImmediate);
    let status = 0;
    for (let i = 0; i < 100 && status !== 429; i++) ({ status } = await witness.addCheckpoint(newcomer.request(5, 5)));
    expect(status).toBe(429);
    await witness.close();
  });
});
