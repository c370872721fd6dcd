/** `GET events`: filters, pages and cursors, held against a plain filter over all events. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOpenedEvent, parseOpenedEvent } from '../../proofs/opened-event.ts';
import { formatTimeUs } from '../../src/trail/time.ts';
import { ask, START_US, startServer, type TestAnswer, type TestServer, testEvent } from '../support/http.ts';

const EVENTS = 120;

/** Event `i` and what a filter can ask of it; log time is the start and `i` microseconds. */
function eventAt(i: number): Record<string, unknown> {
  return testEvent(`s${i}`, {
    actor: { type: 'user', id: `u_${i % 3}` },
    action: i % 2 === 0 ? 'role.grant' : 'role.revoke',
    target: { type: 'user', id: `t_${i % 5}` },
    outcome: { result: ['success', 'failure', 'denied'][i % 7] ?? 'success' },
    tenant: i % 4 === 0 ? 'acme' : 'other',
    authorization: { decision: i % 10 === 0 ? 'bypass' : 'allow', rule: `rule.v${i % 6}` },
    ...(i % 15 === 0 ? { break_glass: true } : {}),
  });
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  const body = Array.from({ length: EVENTS }, (_, i) => JSON.stringify(eventAt(i))).join('\n');
  const answer = await ask(server, '/test/events', {
    token: server.producer,
    body,
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect(answer.text.match(/"accepted"/g)).toHaveLength(EVENTS);
});
afterAll(() => server.stop());

interface Page {
  readonly tree_size: number;
  readonly published_size: number;
  readonly complete: boolean;
  readonly next_cursor?: string;
  readonly events: readonly { readonly index: number; readonly log_time: string; readonly event: unknown }[];
}

const search = (query: string): Promise<TestAnswer> => ask(server, `/test/events?${query}`, { token: server.auditor });

async function pageOf(query: string): Promise<Page> {
  const answer = await search(query);
  expect(answer.status, answer.text.slice(0, 500)).toBe(200);
  return JSON.parse(answer.text);
}

/** All indices of the events above, page by page. Behind them are only the entries that these searches make. */
async function allOf(query: string, limit: number): Promise<number[]> {
  const indices: number[] = [];
  let cursor = '';
  for (let pages = 0; pages < EVENTS + 1; pages++) {
    const page: Page = await pageOf(`${query}&limit=${limit}${cursor}`);
    expect(page.events.length).toBeLessThanOrEqual(limit);
    indices.push(...page.events.map(({ index }) => index).filter((index) => index < EVENTS));
    if (page.complete) expect(page.next_cursor).toBeUndefined();
    if (page.complete || (page.events.at(-1)?.index ?? 0) >= EVENTS) return indices;
    cursor = `&cursor=${page.next_cursor}`;
  }
  throw new Error('the pages do not end');
}

const indicesWhere = (matches: (i: number) => boolean): number[] =>
  Array.from({ length: EVENTS }, (_, i) => i).filter(matches);

describe('GET events', () => {
  const cases: readonly (readonly [query: string, matches: (i: number) => boolean])[] = [
    ['', () => true],
    ['actor=u_1', (i) => i % 3 === 1],
    ['action=role.revoke', (i) => i % 2 === 1],
    ['target=t_4', (i) => i % 5 === 4],
    ['outcome=denied', (i) => i % 7 === 2],
    ['tenant=acme', (i) => i % 4 === 0],
    ['rule=rule.v5', (i) => i % 6 === 5],
    ['break_glass=true', (i) => i % 10 === 0 || i % 15 === 0],
    ['actor=u_1&action=role.revoke&target=t_4', (i) => i % 3 === 1 && i % 2 === 1 && i % 5 === 4],
    ['actor=nobody', () => false],
    ['actor=u_1%00', () => false],
    ['actor=u_', () => false],
    [`from=${formatTimeUs(START_US + 50)}`, (i) => i >= 50],
    [`to=${formatTimeUs(START_US + 50)}`, (i) => i < 50],
    [
      `actor=u_0&from=${formatTimeUs(START_US + 10)}&to=${formatTimeUs(START_US + 40)}`,
      (i) => i % 3 === 0 && i >= 10 && i < 40,
    ],
    [`from=${formatTimeUs(START_US + 50)}&to=${formatTimeUs(START_US + 50)}`, () => false],
    ['from=2030-01-01T00:00:00Z', () => false],
    ['to=2020-01-01T00:00:00%2B02:00', () => false],
  ];

  it.each(cases)('answers %j in index order, complete, at every size of page', async (query, matches) => {
    for (const limit of [1, 7, 100, 1000])
      expect(await allOf(query, limit), `limit ${limit}`).toEqual(indicesWhere(matches));
  });

  it('gives each event opened, with its index and log time', async () => {
    const { events } = await pageOf('actor=u_1&limit=3');
    for (const { index, log_time, event } of events) {
      const checked = checkOpenedEvent(parseOpenedEvent(JSON.stringify(event)));
      expect(checked.event).toEqual(eventAt(index));
      expect(checked.index).toBe(index);
      expect(log_time).toBe(formatTimeUs(START_US + index));
    }
    expect(events).toHaveLength(3);
  });

  it('says that a page is not complete exactly if there is more', async () => {
    const matching = indicesWhere((i) => i % 3 === 1).length;
    expect(await pageOf(`actor=u_1&limit=${matching}`)).toMatchObject({ complete: true });
    expect(await pageOf(`actor=u_1&limit=${matching - 1}`)).toMatchObject({ complete: false });
  });

  it('refuses a cursor with another query, and takes it with the same one in another order', async () => {
    const { next_cursor } = await pageOf('actor=u_1&action=role.revoke&limit=1');
    expect((await pageOf(`action=role.revoke&cursor=${next_cursor}&actor=u_1&limit=5`)).events).toHaveLength(5);
    for (const query of ['actor=u_1', 'actor=u_2&action=role.revoke', 'actor=u_1&action=role.revoke&tenant=acme', '']) {
      const answer = await search(`${query}&cursor=${next_cursor}`);
      expect([answer.status, answer.json()['type']]).toEqual([400, 'urn:countersign:problem:cursor-of-another-query']);
    }
  });

  it('stays pinned to its size while the log grows', async () => {
    const growing = await startServer();
    try {
      const submit = (id: string) => ask(growing, '/test/events', { token: growing.producer, json: testEvent(id) });
      const page = async (query: string): Promise<Page> =>
        JSON.parse((await ask(growing, `/test/events?limit=1${query}`, { token: growing.auditor })).text);
      await submit('g0');
      await submit('g1');
      const first = await page('');
      await submit('g2');
      const second = await page(`&cursor=${first.next_cursor}`);
      expect([first.tree_size, second.tree_size]).toEqual([2, 2]);
      expect([first.complete, second.complete]).toEqual([false, true]);
      // Three events, and the two reads.
      expect((await page('')).tree_size).toBe(5);
    } finally {
      await growing.stop();
    }
  });

  it('ends a page early rather than make it too large, and says so', async () => {
    const small = await startServer({ app: { limits: { maxPageBytes: 3_000 } } });
    try {
      for (let i = 0; i < 5; i++) {
        await ask(small, '/test/events', {
          token: small.producer,
          json: testEvent(`p${i}`, { details: 'x'.repeat(500) }),
        });
      }
      const seen: number[] = [];
      let cursor = '';
      let pages = 0;
      for (let complete = false; !complete; pages++) {
        const page: Page = JSON.parse((await ask(small, `/test/events${cursor}`, { token: small.auditor })).text);
        seen.push(...page.events.map(({ index }) => index));
        complete = page.complete;
        cursor = `?cursor=${page.next_cursor}`;
      }
      expect(seen).toEqual([0, 1, 2, 3, 4]);
      expect(pages).toBeGreaterThan(1);
    } finally {
      await small.stop();
    }
  });
});

describe('GET events/{id}', () => {
  it('finds an event by its id and by its index', async () => {
    const byId = await ask(server, '/test/events/s7', { token: server.auditor });
    const byIndex = await ask(server, '/test/events/by-index/7', { token: server.auditor });
    expect(byId.status).toBe(200);
    expect(byId.text).toBe(byIndex.text);
    expect(checkOpenedEvent(parseOpenedEvent(byId.text.trimEnd())).event).toEqual(eventAt(7));
  });

  it.each([
    ['/test/events/none', 'unknown-event', 404],
    ['/test/events/s7?producer=tok_none', 'unknown-event', 404],
    ['/test/events/by-index/999999', 'unknown-event', 404],
    ['/test/events/by-index/007', 'invalid-parameter', 400],
    ['/test/events/by-index/9007199254740993', 'invalid-parameter', 400],
    ['/test/events/s7?index=1', 'unknown-parameter', 400],
    ['/test/events/by-index/1/proof?x=1', 'unknown-parameter', 400],
    ['/test/events/%00', 'unknown-event', 404],
    ['/test/events/s7%2Fproof', 'unknown-event', 404],
  ])('%s is %s', async (path, type, status) => {
    const answer = await ask(server, path, { token: server.auditor });
    expect([answer.status, answer.json()['type']]).toEqual([status, `urn:countersign:problem:${type}`]);
  });

  it('asks which producer is meant where several used one id, also if the id looks like a path of ours', async () => {
    const other = await server.tokens.create({ role: 'producer', name: 'other' });
    for (const id of ['by-index', 'shared']) {
      for (const token of [server.producer, other.token]) {
        expect((await ask(server, '/test/events', { token, json: testEvent(id) })).status).toBe(201);
      }
      const ambiguous = await ask(server, `/test/events/${id}`, { token: server.auditor });
      expect(ambiguous.status).toBe(409);
      expect(ambiguous.json()).toMatchObject({ type: 'urn:countersign:problem:ambiguous-event-id' });
      expect((await ask(server, `/test/events/${id}/proof`, { token: server.auditor })).status).toBe(409);
      const chosen = await ask(server, `/test/events/${id}?producer=${other.id}`, { token: server.auditor });
      expect(checkOpenedEvent(parseOpenedEvent(chosen.text.trimEnd())).entry.producerId).toBe(other.id);
    }
  });
});
