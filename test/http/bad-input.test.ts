/**
 * What must not get in. Each input is answered with a problem document of a stable type and a pointer to the member;
 * nothing of it is stored; and the next request works.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ask,
  askRaw,
  ownEntries,
  producerEvents,
  START_US,
  startServer,
  type TestRequest,
  type TestServer,
  testEvent,
} from '../support/http.ts';

let server: TestServer;
let goodEvents = 0;
let nowMs = START_US / 1000;

beforeEach(async () => {
  nowMs = START_US / 1000;
  server = await startServer({ app: { limits: { bodyTimeoutMs: 200 } }, nowMs: () => nowMs });
});

afterEach(() => server.stop());

interface Expected {
  readonly status: number;
  readonly type: string;
  readonly pointer?: string;
  /** The action of the entry that says that this was refused; none otherwise. */
  readonly recorded?: string;
}

const REFUSED_SUBMISSION = 'countersign.submission.refused';
const REFUSED_ACCESS = 'countersign.access.refused';

/** The request is refused as expected, stores nothing, and a good event goes in behind it. */
async function isRefused(request: TestRequest, expected: Expected, path = '/test/events'): Promise<void> {
  const sizeBefore = server.log.treeSize();
  const eventsBefore = await producerEvents(server.log);
  const answer = await ask(server, path, { token: server.producer, ...request });
  const { type, status, errors, instance, title, detail } = answer.json();
  expect({ status: answer.status, type }).toEqual({
    status: expected.status,
    type: `urn:countersign:problem:${expected.type}`,
  });
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect({ status, instance, title, detail }).toEqual({
    status: expected.status,
    instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/),
    title: expect.any(String),
    detail: expect.any(String),
  });
  if (expected.pointer !== undefined)
    expect(errors).toContainEqual(expect.objectContaining({ pointer: expected.pointer }));
  expect(await producerEvents(server.log), 'something was stored').toBe(eventsBefore);
  const recorded = await ownEntries(server.log, sizeBefore);
  expect(recorded.map(({ action, outcome }) => ({ action, outcome }))).toEqual(
    expected.recorded === undefined
      ? []
      : [
          {
            action: expected.recorded,
            outcome: {
              result: expected.recorded === REFUSED_ACCESS ? 'denied' : 'failure',
              code: expected.type,
            },
          },
        ],
  );
  const next = await ask(server, '/test/events', { token: server.producer, json: testEvent(`good-${++goodEvents}`) });
  expect(next.status, next.text).toBe(201);
}

function jsonBody(body: string | Uint8Array<ArrayBuffer>): TestRequest {
  return { body, headers: { 'content-type': 'application/json' } };
}

const GOOD = JSON.stringify(testEvent('bad-1'));

describe('an event that is not', () => {
  it.each<[what: string, body: string | Uint8Array<ArrayBuffer>, Expected]>([
    ['JSON', '{"event_id": ', { status: 400, type: 'invalid-json' }],
    ['there', '', { status: 400, type: 'empty-body' }],
    ['alone', `${GOOD}${GOOD}`, { status: 400, type: 'invalid-json' }],
    ['UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), { status: 400, type: 'invalid-utf8' }],
    ['an object', '[]', { status: 422, type: 'not-an-object', pointer: '' }],
    ['an object but text', '"event"', { status: 422, type: 'not-an-object', pointer: '' }],
    ['shallow', `{"context":${'['.repeat(100)}${']'.repeat(100)}}`, { status: 400, type: 'too-deep' }],
    ['strict JSON: a comment', `// hello\n${GOOD}`, { status: 400, type: 'invalid-json' }],
    ['strict JSON: NaN', GOOD.replace('{', '{"producer_seq":NaN,'), { status: 400, type: 'invalid-json' }],
    ['strict JSON: a byte order mark', `\ufeff${GOOD}`, { status: 400, type: 'invalid-json' }],
    [
      'of one meaning: a member twice',
      GOOD.replace('{', '{"action":"role.revoke",'),
      { status: 400, type: 'duplicate-member', pointer: '/action' },
    ],
    [
      'of one meaning: a member twice, deep inside',
      JSON.stringify(testEvent('x', { context: { a: [1] } })).replace('[1]', '{"b":1,"\\u0062":2}'),
      { status: 400, type: 'duplicate-member', pointer: '/context/a/b' },
    ],
    [
      'exact: an integer beyond 2^53-1',
      GOOD.replace('{', '{"producer_seq":9007199254740993,'),
      { status: 400, type: 'unsafe-integer', pointer: '/producer_seq' },
    ],
    [
      'representable: 1e400',
      GOOD.replace('{', '{"context":{"n":1e400},'),
      { status: 400, type: 'number-out-of-range', pointer: '/context/n' },
    ],
    [
      'text: half a surrogate pair',
      GOOD.replace('{', '{"reason":"\\ud800",'),
      { status: 400, type: 'lone-surrogate', pointer: '/reason' },
    ],
  ])('%s', async (_, body, expected) => {
    await isRefused(jsonBody(body), { ...expected, recorded: REFUSED_SUBMISSION });
  });
});

describe('an event with', () => {
  it.each<[what: string, changes: Readonly<Record<string, unknown>>, Expected]>([
    ['an unknown member', { actr: 1 }, { status: 422, type: 'unknown-member', pointer: '/actr' }],
    [
      'an unknown member inside',
      { actor: { type: 'user', id: 'u', name: 'Ann' } },
      { status: 422, type: 'unknown-member', pointer: '/actor/name' },
    ],
    ['no actor', { actor: undefined }, { status: 422, type: 'missing-member', pointer: '/actor' }],
    ['no id of the actor', { actor: { type: 'user' } }, { status: 422, type: 'missing-member', pointer: '/actor/id' }],
    ['no event_id', { event_id: undefined }, { status: 422, type: 'missing-member', pointer: '/event_id' }],
    ['no outcome', { outcome: undefined }, { status: 422, type: 'missing-member', pointer: '/outcome' }],
    [
      'an event_id of two path segments',
      { event_id: 'a/b' },
      { status: 422, type: 'invalid-member', pointer: '/event_id' },
    ],
    [
      'an action that is a request line',
      { action: 'PATCH /api/v3/roles' },
      { status: 422, type: 'invalid-member', pointer: '/action' },
    ],
    ['an action of one word', { action: 'grant' }, { status: 422, type: 'invalid-member', pointer: '/action' }],
    [
      'an action of the log itself',
      { action: 'countersign.rule.publish' },
      { status: 422, type: 'invalid-member', pointer: '/action' },
    ],
    [
      'a time without a zone',
      { occurred_at: '2026-01-08T14:32:07' },
      { status: 422, type: 'invalid-member', pointer: '/occurred_at' },
    ],
    [
      'a day that does not exist',
      { occurred_at: '2026-02-30T00:00:00Z' },
      { status: 422, type: 'invalid-member', pointer: '/occurred_at' },
    ],
    [
      'a time in nanoseconds',
      { occurred_at: '2026-01-08T14:32:07.123456789Z' },
      { status: 422, type: 'invalid-member', pointer: '/occurred_at' },
    ],
    [
      'a time as a number',
      { occurred_at: 1_767_882_727 },
      { status: 422, type: 'invalid-member', pointer: '/occurred_at' },
    ],
    [
      'an unknown outcome',
      { outcome: { result: 'ok' } },
      { status: 422, type: 'invalid-member', pointer: '/outcome/result' },
    ],
    [
      'a line break in an id',
      { actor: { type: 'user', id: 'a\nb' } },
      { status: 422, type: 'invalid-member', pointer: '/actor/id' },
    ],
    [
      'details of 501 characters',
      { details: 'x'.repeat(501) },
      { status: 422, type: 'invalid-member', pointer: '/details' },
    ],
    [
      'more than 50 context keys',
      { context: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, i])) },
      { status: 422, type: 'too-many-members', pointer: '/context' },
    ],
    ['more than 64 KiB', { context: { blob: 'x'.repeat(65_536) } }, { status: 413, type: 'too-large', pointer: '' }],
  ])('%s is refused', async (_, changes, expected) => {
    await isRefused({ json: testEvent('bad-1', changes) }, { ...expected, recorded: REFUSED_SUBMISSION });
  });

  it.each<[what: string, changes: Readonly<Record<string, unknown>>]>([
    ['details of 500 characters', { details: 'x'.repeat(500) }],
    ['50 context keys', { context: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, i])) }],
    ['an integer of 2^53-1', { producer_seq: Number.MAX_SAFE_INTEGER }],
    ['a time with an offset', { occurred_at: '2026-01-08T14:32:07.123456+05:30' }],
    ['a whole surrogate pair', { reason: '\u{1f511}' }],
  ])('%s goes in', async (_, changes) => {
    const answer = await ask(server, '/test/events', { token: server.producer, json: testEvent('near', changes) });
    expect(answer.status, answer.text).toBe(201);
  });
});

describe('a request with', () => {
  it('a body over the bound is refused before it is read', async () => {
    await isRefused(jsonBody(`"${'x'.repeat(262_144)}"`), { status: 413, type: 'body-too-large' });
  });

  it('a body over the bound that does not say its length is refused at the byte that is too many', async () => {
    const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`;
    const answer = await askRaw(server, `${rawHead('transfer-encoding: chunked')}${chunk.repeat(70)}`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('urn:countersign:problem:body-too-large');
    await nothingWasStored();
  });

  it('a body that does not come in time is answered 408 and the connection closed', async () => {
    const answer = await askRaw(server, `${rawHead('content-length: 100')}{"event_id":`);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer).toContain('urn:countersign:problem:body-timeout');
    await nothingWasStored();
  });

  it.each<[contentType: string | undefined, body: string | Uint8Array<ArrayBuffer>]>([
    [undefined, new TextEncoder().encode(GOOD)],
    ['text/plain', GOOD],
    ['application/xml', '<event/>'],
    ['application/jsonx', GOOD],
    ['application/json; charset=iso-8859-1', GOOD],
    ['multipart/form-data; boundary=x', '--x--'],
  ])('the content type %s is refused with 415 and told what is taken', async (contentType, body) => {
    const request = { body, headers: contentType === undefined ? {} : { 'content-type': contentType } };
    await isRefused(request, { status: 415, type: 'unsupported-content-type' });
    const { headers } = await ask(server, '/test/events', { token: server.producer, ...request });
    expect(headers.get('accept')).toContain('application/json, application/x-ndjson, application/cloudevents+json');
  });

  it('a content encoding is refused', async () => {
    await isRefused(
      { body: GOOD, headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } },
      { status: 415, type: 'unsupported-content-encoding' },
    );
  });

  it.each<[what: string, authorization: string | undefined, Expected]>([
    ['no token', undefined, { status: 401, type: 'missing-token' }],
    ['an empty token', 'Bearer ', { status: 401, type: 'invalid-token' }],
    ['another scheme', 'Basic YTpi', { status: 401, type: 'invalid-token' }],
    ['an unknown token', `Bearer cs_producer_${'A'.repeat(43)}`, { status: 401, type: 'invalid-token' }],
    ['two tokens', 'Bearer a b', { status: 401, type: 'invalid-token' }],
  ])('%s is refused', async (_, authorization, expected) => {
    await isRefused(
      {
        token: undefined,
        json: testEvent('x'),
        headers: authorization === undefined ? {} : { authorization },
      },
      expected,
    );
  });

  it('the token of another role is refused', async () => {
    const forbidden = { status: 403, type: 'forbidden-role', recorded: REFUSED_ACCESS };
    await isRefused({ token: server.auditor, json: testEvent('x') }, forbidden);
    await isRefused({ token: server.admin, json: testEvent('x') }, forbidden);
  });

  it('a revoked token is refused from that moment on', async () => {
    const { id, token } = await server.tokens.create({ role: 'producer', name: 'old' });
    expect((await ask(server, '/test/events', { token, json: testEvent('x1') })).status).toBe(201);
    await server.tokens.revoke(id);
    const refused = { status: 401, type: 'invalid-token', recorded: REFUSED_ACCESS };
    await isRefused({ token, json: testEvent('x2') }, refused);
  });

  it('a token is refused from the moment on at which it expires', async () => {
    const { token } = await server.tokens.create({
      role: 'producer',
      name: 'guest',
      expiresAt: '2026-01-08T14:32:08+00:00',
    });
    expect((await ask(server, '/test/events', { token, json: testEvent('x3') })).status).toBe(201);
    nowMs += 1_000;
    await isRefused({ token, json: testEvent('x4') }, { status: 401, type: 'expired-token', recorded: REFUSED_ACCESS });
  });

  it.each(['/nolog/events', '/TEST/events', '/%74est%2f/events', '/__proto__/events'])(
    'an unknown log is 404: %s',
    async (path) => {
      await isRefused({ json: testEvent('x') }, { status: 404, type: 'unknown-log' }, path);
    },
  );
});

describe('a query', () => {
  it.each([
    ['actr=u_1', 'unknown-parameter', 'actr'],
    ['actor=a&actor=b', 'invalid-parameter', 'actor'],
    ['actor=', 'invalid-parameter', 'actor'],
    ['outcome=ok', 'invalid-parameter', 'outcome'],
    ['break_glass=false', 'invalid-parameter', 'break_glass'],
    ['from=yesterday', 'invalid-parameter', 'from'],
    ['to=2026-01-32', 'invalid-parameter', 'to'],
    ['occurred_from=2026-01-08', 'invalid-parameter', 'occurred_from'],
    ['action=grant', 'invalid-parameter', 'action'],
    ['action=*', 'invalid-parameter', 'action'],
    ['q=actor%3Au_1&actor=u_2', 'invalid-parameter', 'actor'],
    ['q=actor', 'invalid-query', 'q'],
    ['q=actr%3Au_1', 'invalid-query', 'q'],
    ['from=2026-01-09&to=2026-01-07', 'invalid-parameter', 'to'],
    ['limit=0', 'invalid-parameter', 'limit'],
    ['limit=1001', 'invalid-parameter', 'limit'],
    ['limit=ten', 'invalid-parameter', 'limit'],
    ['cursor=', 'invalid-cursor', 'cursor'],
    ['cursor=AAAA', 'invalid-cursor', 'cursor'],
  ])('%s is refused with %s', async (query, type, parameter) => {
    const answer = await ask(server, `/test/events?${query}`, { token: server.auditor });
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ type: `urn:countersign:problem:${type}`, errors: [{ parameter }] });
  });
});

function rawHead(...headers: readonly string[]): string {
  return [
    'POST /test/events HTTP/1.1',
    'host: localhost',
    `authorization: Bearer ${server.producer}`,
    'content-type: application/json',
    ...headers,
    '',
    '',
  ].join('\r\n');
}

async function nothingWasStored(): Promise<void> {
  expect(server.log.treeSize()).toBe(0);
  const next = await ask(server, '/test/events', { token: server.producer, json: testEvent('next') });
  expect(next.status, next.text).toBe(201);
}
