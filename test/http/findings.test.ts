/** Findings over HTTP, on a log with a watch and a real clock: from the events of a producer to an acknowledgement. */
import { describe, expect, it } from 'vitest';
import { ask, testEvent } from '../support/http.ts';
import { until, withDirectory } from '../support/test-log.ts';
import { serveWatched, type WatchedOptions, type WatchedServer } from '../support/watched.ts';

const QUICK = { heartbeat_seconds: 60, sequence: { settle_ms: 20 } };

async function withServer(work: (server: WatchedServer) => Promise<void>, options: WatchedOptions = {}): Promise<void> {
  await withDirectory(async (directory) => {
    const server = await serveWatched(directory, {
      config: QUICK,
      watch: { limits: { minTimeMarkMs: 5 } },
      ...options,
    });
    try {
      await work(server);
    } finally {
      await server.close();
    }
  });
}

/** An event of this moment. */
function now(id: string, changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return testEvent(id, { occurred_at: new Date().toISOString(), ...changes });
}

interface ListAnswer {
  readonly findings: readonly Readonly<Record<string, unknown>>[];
  readonly complete: boolean;
  readonly next_before?: number;
}

async function list(server: WatchedServer, query = ''): Promise<ListAnswer> {
  const answer = await ask(server, `/test/findings${query}`, { token: server.auditor });
  if (answer.status !== 200) throw new Error(answer.text);
  return JSON.parse(answer.text);
}

async function found(server: WatchedServer, kind: string): Promise<Readonly<Record<string, unknown>>> {
  let finding: Readonly<Record<string, unknown>> | undefined;
  await until(async () => {
    [finding] = (await list(server, `?kind=${kind}`)).findings;
    return finding !== undefined;
  }, `a finding ${kind}`);
  if (finding === undefined) throw new Error('unreachable');
  return finding;
}

describe('findings over HTTP', () => {
  it('show that producer_seq 4728 to 4743 are missing, with range, times and no word of deletion', () =>
    withServer(async (server) => {
      for (const seq of [4726, 4727, 4744]) await server.post(now(`e${seq}`, { producer_seq: seq }));
      const finding = await found(server, 'sequence-gap');
      const [producer] = server.tokens.list();
      expect(finding).toMatchObject({
        kind: 'sequence-gap',
        severity: 'high',
        state: 'open',
        subject: { type: 'producer', id: producer?.producerId },
        first_index: 1,
        last_index: 2,
        count: 16,
        evidence: { missing_from: 4728, missing_to: 4743, missing_count: 16 },
        acknowledgement: null,
      });
      expect(String(finding['first_time'])).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      expect(JSON.stringify(finding)).not.toMatch(/delet/i);
    }));

  it('show a producer whose clock is four seconds off, and its event stays as it was', () =>
    withServer(async (server) => {
      const occurredAt = new Date(Date.now() + 4_000).toISOString();
      await server.post(now('ahead', { occurred_at: occurredAt }));
      const finding = await found(server, 'occurred-at-skew');
      expect(finding).toMatchObject({ severity: 'medium', evidence: { direction: 'ahead' } });
      const event = await ask(server, '/test/events/ahead', { token: server.auditor });
      expect(event.text).toContain(occurredAt);
    }));

  it('are entries like any other: found by search, with an index and a receipt of their own', () =>
    withServer(async (server) => {
      await server.post(now('b', { break_glass: true }));
      const finding = await found(server, 'break-glass');
      const search = await ask(server, '/test/events?action=countersign.finding.raise', { token: server.auditor });
      expect(search.json()).toMatchObject({ events: [{ index: finding['index'] }] });
      const one = await ask(server, `/test/findings/${finding['id']}`, { token: server.auditor });
      expect(one.json()).toEqual(finding);
    }));

  it('are acknowledged by an admin, once, with a reason, which is an entry', () =>
    withServer(async (server) => {
      await server.post(now('b', { break_glass: true }));
      const { id } = await found(server, 'break-glass');
      const path = `/test/findings/${id}/acknowledgements`;
      const body = { json: { reason: 'INC-7: the database was down' } };
      expect((await ask(server, path, { token: server.auditor, ...body })).status).toBe(403);
      expect((await ask(server, path, { token: server.producer, ...body })).status).toBe(403);
      expect((await ask(server, path, body)).status).toBe(401);
      const answer = await ask(server, path, { token: server.admin, ...body });
      expect([answer.status, answer.json()]).toMatchObject([
        201,
        { id, state: 'acknowledged', acknowledgement: { reason: 'INC-7: the database was down' } },
      ]);
      const again = await ask(server, path, { token: server.admin, ...body });
      expect([again.status, again.json()['type']]).toEqual([409, 'urn:countersign:problem:already-acknowledged']);
      expect((await list(server, '?state=open&kind=break-glass')).findings).toEqual([]);
      expect((await list(server, '?state=acknowledged')).findings).toHaveLength(1);
      const admin = server.tokens.list().find(({ role }) => role === 'admin');
      const entries = await ask(server, `/test/events?action=countersign.finding.acknowledge&actor=${admin?.id}`, {
        token: server.auditor,
      });
      expect(entries.json()).toMatchObject({ complete: true, events: [{}] });
    }));

  it.each([
    ['{}', 422],
    ['{"reason":""}', 422],
    [`{"reason":"${'x'.repeat(501)}"}`, 422],
    ['{"reason":"x","more":1}', 422],
    ['nonsense', 422],
  ])('are not acknowledged by %s', (body, status) =>
    withServer(async (server) => {
      await server.post(now('b', { break_glass: true }));
      const { id } = await found(server, 'break-glass');
      const headers = { 'content-type': 'application/json' };
      const answer = await ask(server, `/test/findings/${id}/acknowledgements`, { token: server.admin, body, headers });
      expect(answer.status).toBe(status);
      expect((await list(server, '?state=open')).findings).toHaveLength(1);
    }),
  );

  it('come in pages', () =>
    withServer(async (server) => {
      for (let i = 0; i < 5; i++) await server.post(now(`b${i}`, { break_glass: true }));
      await until(async () => (await list(server)).findings.length === 5);
      const first = await list(server, '?limit=2');
      expect([first.findings.length, first.complete]).toEqual([2, false]);
      const second = await list(server, `?limit=3&before=${first.next_before}`);
      expect([second.findings.length, second.complete]).toEqual([3, true]);
      const indices = [...first.findings, ...second.findings].map(({ index }) => Number(index));
      expect(indices).toEqual([...indices].sort((a, b) => b - a));
    }));

  it.each([
    '?state=closed',
    '?kind=deletion',
    '?severity=extreme',
    '?limit=0',
    '?before=-1',
    '?sort=up',
    '?kind=a&kind=b',
  ])('refuse to guess what %s means', (query) =>
    withServer(async (server) => {
      const answer = await ask(server, `/test/findings${query}`, { token: server.auditor });
      expect(answer.status).toBe(400);
    }),
  );

  it('are not there under an unknown id, nor for a producer', () =>
    withServer(async (server) => {
      const answer = await ask(server, '/test/findings/finding.none', { token: server.auditor });
      expect([answer.status, answer.json()['type']]).toEqual([404, 'urn:countersign:problem:unknown-finding']);
      expect((await ask(server, '/test/findings', { token: server.producer })).status).toBe(403);
    }));

  it('stay within the scope of the token that asks', () =>
    withServer(async (server) => {
      await server.post(now('b', { break_glass: true }));
      const { id } = await found(server, 'break-glass');
      const create = async (actions: string[]) =>
        (await server.tokens.create({ role: 'auditor', name: 'scoped', scope: { actions } })).token;
      const [outside, inside] = [await create(['role.grant']), await create(['countersign.finding.*'])];
      expect((await ask(server, '/test/findings', { token: outside })).json()['findings']).toEqual([]);
      expect((await ask(server, `/test/findings/${id}`, { token: outside })).status).toBe(403);
      expect((await ask(server, '/test/findings', { token: inside })).json()).toMatchObject({ findings: [{ id }] });
      expect((await ask(server, `/test/findings/${id}`, { token: inside })).status).toBe(200);
    }));

  it('are in the metrics by kind and severity, beside the clock, the heartbeat and the lag', () =>
    withServer(async (server) => {
      await server.post(now('b1', { break_glass: true }), now('b2', { break_glass: true }));
      await until(async () => (await list(server, '?kind=break-glass')).findings.length === 2);
      const { id } = await found(server, 'break-glass');
      await ask(server, `/test/findings/${id}/acknowledgements`, { token: server.admin, json: { reason: 'known' } });
      await server.watch.beat();
      const { text } = await ask(server, '/metrics');
      for (const line of [
        'countersign_findings_total{log="test",kind="break-glass",severity="critical"} 2',
        'countersign_findings_open{log="test",kind="break-glass",severity="critical"} 1',
        'countersign_clock_state{log="test",state="unchecked"} 1',
        'countersign_clock_state{log="test",state="synchronised"} 0',
        'countersign_watch_producers{log="test"} 1',
      ]) {
        expect(text).toContain(`${line}\n`);
      }
      expect(text).toMatch(/countersign_heartbeat_timestamp_seconds\{log="test"\} [1-9]/);
      expect(text).not.toContain('countersign_clock_offset_seconds{');
    }));

  it('are counted in the health report, where the unchecked clock is said and is no fault', () =>
    withServer(async (server) => {
      await server.post(now('b', { break_glass: true }));
      await found(server, 'break-glass');
      const { logs } = (await ask(server, '/healthz')).json();
      expect(logs).toMatchObject([{ watch: { open_findings: 1, clock: { state: 'unchecked', offset_us: null } } }]);
      expect(JSON.stringify(logs)).not.toContain('clock of');
    }));

  it('say that a log is not ready which refuses events until its clock is confirmed', () =>
    withServer(
      async (server) => {
        const ready = await ask(server, '/readyz');
        expect([ready.status, JSON.stringify(ready.json()['logs'])]).toEqual([
          503,
          expect.stringContaining('no event is taken until it is confirmed'),
        ]);
      },
      { config: { ...QUICK, clock: { servers: ['127.0.0.1:9'], refuse_unsynchronised: true } } },
    ));

  it('are the same after a restart', () =>
    withDirectory(async (directory) => {
      const options = { config: QUICK, watch: { limits: { minTimeMarkMs: 5 } } };
      const first = await serveWatched(directory, options);
      for (const seq of [1, 2, 7]) await first.post(now(`e${seq}`, { producer_seq: seq }));
      await found(first, 'sequence-gap');
      const before = await list(first);
      await first.close();
      const second = await serveWatched(directory, options);
      expect((await list(second)).findings).toEqual(before.findings);
      await second.close();
    }));
});
