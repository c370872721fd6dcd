/**
 * Scoped access as an auditor meets it: what is there is what the scope covers; asking for more is refused, and the
 * attempt is an entry by the one who asked.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Scope } from '../../src/trail/scope.ts';
import { formatTimeUs } from '../../src/trail/time.ts';
import { ask, ownEntries, START_US, startServer, type TestServer, testEvent, withServer } from '../support/http.ts';

const EVENTS = 60;

/** Event `i`; its log time is the start and `i` microseconds. */
function eventAt(i: number): Record<string, unknown> {
  return testEvent(`s${i}`, {
    action: ['role.grant', 'role.revoke', 'billing.invoice.update'][i % 3],
    target: { type: i % 2 === 0 ? 'user' : 'group', id: `t_${i % 5}` },
    tenant: i % 4 === 0 ? 'acme' : 'other',
    ...(i % 10 === 0 ? { break_glass: true } : {}),
  });
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  const body = Array.from({ length: EVENTS }, (_, i) => JSON.stringify(eventAt(i))).join('\n');
  await ask(server, '/test/events', {
    token: server.producer,
    body,
    headers: { 'content-type': 'application/x-ndjson' },
  });
});
afterAll(() => server.stop());

async function scoped(scope: Scope): Promise<string> {
  return (await server.tokens.create({ role: 'auditor', name: 'scoped', scope })).token;
}

async function indicesFor(token: string, query = ''): Promise<readonly number[]> {
  const answer = await ask(server, `/test/events?limit=1000&q=${encodeURIComponent(query)}`, { token });
  expect(answer.status, answer.text.slice(0, 300)).toBe(200);
  const { events }: { events: readonly { index: number }[] } = JSON.parse(answer.text);
  return events.map(({ index }) => index);
}

const where = (matches: (i: number) => boolean): number[] =>
  Array.from({ length: EVENTS }, (_, i) => i).filter(matches);

describe('a scope', () => {
  it.each<[scope: Scope, matches: (i: number) => boolean]>([
    [{ actions: ['role.grant'] }, (i) => i % 3 === 0],
    [{ actions: ['role.*'] }, (i) => i % 3 !== 2],
    [{ actions: ['billing.*', 'role.grant'] }, (i) => i % 3 !== 1],
    [{ targets: ['t_1', 't_2'] }, (i) => i % 5 === 1 || i % 5 === 2],
    [{ target_types: ['group'] }, (i) => i % 2 === 1],
    [{ tenants: ['acme'] }, (i) => i % 4 === 0],
    [{ tenants: ['acme'], actions: ['role.*'], target_types: ['user'] }, (i) => i % 4 === 0 && i % 3 !== 2],
    [
      { tenants: ['acme'], from: formatTimeUs(START_US + 10), to: formatTimeUs(START_US + 40) },
      (i) => i % 4 === 0 && i >= 10 && i < 40,
    ],
    [{ classes: ['financial'] }, () => false],
  ])('%j covers pages, exports, single events and proofs alike', async (scope, matches) => {
    const token = await scoped(scope);
    const expected = where(matches);
    expect(await indicesFor(token)).toEqual(expected);

    const page = (await ask(server, '/test/events?limit=1', { token })).json();
    expect(page['scope']).toEqual(scope);

    const lines = (await ask(server, '/test/export.ndjson', { token })).text.trimEnd().split('\n');
    const exported: readonly Record<string, unknown>[] = lines.map((line) => JSON.parse(line));
    expect(exported.slice(0, -1).map(({ index }) => index)).toEqual(expected);
    expect(exported.at(-1)).toMatchObject({ complete: true, count: expected.length });

    await server.publish();
    for (const index of [0, 1, 2, 3, 4, 5, 11, 40]) {
      const covered = expected.includes(index);
      const status = async (path: string): Promise<number> => (await ask(server, path, { token })).status;
      expect(await status(`/test/events/by-index/${index}`), `by-index/${index}`).toBe(covered ? 200 : 403);
      expect(await status(`/test/events/by-index/${index}/proof`)).toBe(covered ? 200 : 403);
      expect(await status(`/test/events/s${index}`)).toBe(covered ? 200 : 404);
      expect(await status(`/test/events/s${index}/proof`)).toBe(covered ? 200 : 404);
    }
  });

  it('hides whether an id exists: the answer is the same as for one that does not', async () => {
    const token = await scoped({ actions: ['role.grant'] });
    const hidden = (await ask(server, '/test/events/s1', { token })).json();
    const absent = (await ask(server, '/test/events/nothing', { token })).json();
    expect({ ...hidden, instance: '' }).toEqual({ ...absent, instance: '' });
  });

  it('narrows every question and widens none', async () => {
    const token = await scoped({ actions: ['role.*'], tenants: ['acme'] });
    expect(await indicesFor(token, 'target_type:user')).toEqual(where((i) => i % 4 === 0 && i % 3 !== 2));
    expect(await indicesFor(token, 'action:role.grant')).toEqual(where((i) => i % 4 === 0 && i % 3 === 0));
    expect(await indicesFor(token, 'breakglass:true tenant:acme')).toEqual(where((i) => i % 20 === 0 && i % 3 !== 2));
  });

  it('does not open the doors that its role does not open', async () => {
    const token = await scoped({ actions: ['role.grant'] });
    const answer = await ask(server, '/test/tokens', { token, json: { role: 'admin', name: 'me' } });
    expect(answer.status).toBe(403);
  });

  it('leaves public reads public: heads, tiles and proofs hold no contents', async () => {
    await server.publish();
    const token = await scoped({ actions: ['role.grant'] });
    for (const path of ['checkpoint', 'head', 'log.json', 'proof/inclusion?index=1&size=2', 'tile/0/000.p/1']) {
      expect((await ask(server, `/test/${path}`)).status, path).toBe(200);
      expect((await ask(server, `/test/${path}`, { token })).status, path).toBe(200);
    }
  });
});

describe('asking for what lies outside the scope', () => {
  it('is refused with 403, and the attempt is an entry that says who asked for what', () =>
    withServer(async (other) => {
      const { id, token } = await other.tokens.create({
        role: 'auditor',
        name: 'SOX',
        scope: { actions: ['role.grant'], from: '2026-03-01', to: '2026-05-31' },
      });
      const questions: readonly [query: string, parameter: string][] = [
        ['q=action%3Arole.revoke', 'action'],
        ['action=role.revoke', 'action'],
        ['action=role.*', 'action'],
        ['from=2026-02-01', 'from'],
        ['to=2026-07-01', 'to'],
      ];
      for (const [query, parameter] of questions) {
        const answer = await ask(other, `/test/events?${query}`, { token });
        expect(answer.status).toBe(403);
        expect(answer.json()).toMatchObject({
          type: 'urn:countersign:problem:out-of-scope',
          errors: [{ parameter }],
        });
        expect((await ask(other, `/test/export.csv?${query}`, { token })).status).toBe(403);
      }
      const entries = await ownEntries(other.log);
      expect(entries).toHaveLength(2 * questions.length);
      expect(entries[0]).toMatchObject({
        action: 'countersign.access.refused',
        actor: { type: 'token', id, role: 'auditor' },
        target: { type: 'log', id: 'log.example/test' },
        outcome: { result: 'denied', code: 'out-of-scope' },
        context: { method: 'GET', path: '/test/events', query: 'q=action%3Arole.revoke' },
      });
    }));

  it('cannot flood the log: beyond a budget attempts are counted, and the sum is an entry', () =>
    withServer(async (other) => {
      const { token } = await other.tokens.create({ role: 'auditor', name: 'x', scope: { tenants: ['acme'] } });
      for (let i = 0; i < 30; i++) await ask(other, '/test/events?tenant=other', { token });
      expect(other.log.treeSize()).toBe(20);
      await other.trail.incidents.flush();
      const entries = await ownEntries(other.log);
      expect(entries).toHaveLength(21);
      expect(entries[20]).toMatchObject({ context: { count: 10, codes: { 'out-of-scope': 10 } } });
    }));
});

describe('a read', () => {
  it('is an entry by the one who read: what was asked, how many events were given', () =>
    withServer(async (other) => {
      await ask(other, '/test/events', { token: other.producer, json: testEvent('r1') });
      const { token } = await other.tokens.create({ role: 'auditor', name: 'x', scope: { actions: ['role.*'] } });
      const reader = other.tokens.list().at(-1)?.id;
      for (const [path, recorded] of [
        [
          'events?q=outcome:success+actor:u_8842&limit=5',
          {
            action: 'countersign.read.search',
            target: { type: 'log', id: 'log.example/test' },
            context: { query: 'actor:u_8842 outcome:success', results: 1, complete: true, tree_size: 1, from_index: 0 },
          },
        ],
        [
          'events/r1',
          {
            action: 'countersign.read.event',
            target: { type: 'event', id: '0' },
            context: { what: 'event', results: 1 },
          },
        ],
        [
          'events/none',
          {
            action: 'countersign.read.event',
            outcome: { result: 'failure', code: 'unknown-event' },
            context: { event_id: 'none', results: 0 },
          },
        ],
        [
          'export.csv?actor=u_8842',
          {
            action: 'countersign.read.export',
            context: { query: 'actor:u_8842', format: 'csv', results: 1, tree_size: 4 },
          },
        ],
      ] as const) {
        const index = other.log.treeSize();
        const answer = await ask(other, `/test/${path}`, { token });
        if (answer.status === 200) expect(answer.headers.get('countersign-read-entry')).toBe(`${index}`);
        const [entry, ...others] = await ownEntries(other.log, index);
        expect(others).toEqual([]);
        expect(entry).toMatchObject({ actor: { type: 'token', id: reader, role: 'auditor' }, ...recorded });
      }
    }));

  it('that is answered while the log takes no entries says that its entry waits; it goes in later', () =>
    withServer(async (other) => {
      await ask(other, '/test/events', { token: other.producer, json: testEvent('w1') });
      const { submit } = other.log;
      Object.assign(other.log, {
        submit: async () => {
          throw new Error('the disk is full');
        },
      });
      const answer = await ask(other, '/test/events/w1', { token: other.auditor });
      expect([answer.status, answer.headers.get('countersign-read-entry')]).toEqual([200, 'waiting']);
      Object.assign(other.log, { submit });
      expect(await other.trail.deferred.close()).toBe(0);
      expect(await ownEntries(other.log)).toMatchObject([{ action: 'countersign.read.event' }]);
    }));
});
