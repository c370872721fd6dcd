/**
 * Batches line by line, and what happens when the log pushes back or fails: nothing is dropped silently, nothing is
 * reordered, and the next request works.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textOf } from '../../src/http/batch.ts';
import { LogError } from '../../src/log/types.ts';
import {
  ask,
  ownEntries,
  producerEvents,
  startServer,
  type TestAnswer,
  type TestServer,
  testEvent,
  withServer,
} from '../support/http.ts';

let server: TestServer;

beforeEach(async () => {
  server = await startServer({ app: { limits: { maxBatchLines: 50 } } });
});

afterEach(() => server.stop());

describe('a batch', () => {
  it('takes the good lines and reports the bad ones with their number', async () => {
    const answer = await post([
      JSON.stringify(testEvent('n1')),
      '',
      'nonsense',
      `${JSON.stringify(testEvent('n2'))}\r`,
      JSON.stringify(testEvent('n3', { extra: 1 })),
      '  ',
      JSON.stringify(testEvent('n1', { reason: 'other content' })),
      `{"x":"${'y'.repeat(300_000)}"}`,
      JSON.stringify(testEvent('n4')),
    ]);
    expect(answer.status).toBe(200);
    expect(
      linesOf(answer.text).map(({ line, status, index, problem }) => [line, status, index, problemType(problem)]),
    ).toEqual([
      [1, 'accepted', 0, undefined],
      [3, 'refused', undefined, 'invalid-json'],
      [4, 'accepted', 1, undefined],
      [5, 'refused', undefined, 'unknown-member'],
      [7, 'refused', undefined, 'event-id-conflict'],
      [8, 'refused', undefined, 'too-large'],
      [9, 'accepted', 2, undefined],
    ]);
    expect(await producerEvents(server.log)).toBe(3);
    expect((await ownEntries(server.log)).map(({ action, context }) => ({ action, context }))).toEqual([
      {
        action: 'countersign.submission.refused',
        context: {
          count: 3,
          inputs: [
            { line: 3, faults: [{ code: 'invalid-json', pointer: '' }], input_hmac: expect.any(String) },
            { line: 5, faults: [{ code: 'unknown-member', pointer: '/extra' }], input_hmac: expect.any(String) },
            { line: 8, faults: [{ code: 'too-large', pointer: '' }], input_hmac: expect.any(String) },
          ],
        },
      },
      {
        action: 'countersign.security.event-id-conflict',
        context: { count: 1, conflicts: [{ event_id: 'n1', index: 0 }] },
      },
    ]);
  });

  it('of bad lines only stores nothing and says so line by line', async () => {
    const answer = await post(['{}', '[]']);
    expect(answer.status).toBe(200);
    expect(linesOf(answer.text).map(({ status }) => status)).toEqual(['refused', 'refused']);
    expect(await producerEvents(server.log)).toBe(0);
  });

  it.each([[['']], [['', ' ', '']]])('without a line is refused: %j', async (lines) => {
    const answer = await post(lines);
    expect([answer.status, problemType(answer.json())]).toEqual([400, 'empty-body']);
    await nothingWasStored();
  });

  it('with too many lines is refused as a whole', async () => {
    const lines = Array.from({ length: 51 }, (_, i) => JSON.stringify(testEvent(`m${i}`)));
    const answer = await post(lines);
    expect([answer.status, problemType(answer.json())]).toEqual([413, 'too-many-lines']);
    expect(server.log.treeSize()).toBe(0);
    expect((await post(lines.slice(1))).status).toBe(200);
    expect(server.log.treeSize()).toBe(50);
  });
});

describe('overload', () => {
  it('is answered 503 with Retry-After, nothing is stored, and it passes', async () => {
    const { submit } = server.log;
    Object.assign(server.log, {
      submit: async () => {
        throw new LogError('overloaded', 'the queue is full', { retryAfterSeconds: 3 });
      },
    });
    const single = await ask(server, '/test/events', { token: server.producer, json: testEvent('o1') });
    expect([single.status, single.headers.get('retry-after')]).toEqual([503, '3']);
    expect(single.json()).toMatchObject({ type: 'urn:countersign:problem:overloaded', status: 503 });
    const batch = await ask(server, '/test/events', {
      token: server.producer,
      body: JSON.stringify(testEvent('o2')),
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect([batch.status, batch.headers.get('retry-after')]).toEqual([503, '3']);
    Object.assign(server.log, { submit });
    await nothingWasStored();
  });

  it('comes from the log itself when its queue is full, and passes when that is written', () =>
    withServer(
      async (other) => {
        const lines = Array.from({ length: 20 }, (_, i) => JSON.stringify(testEvent(`q${i}`)));
        const send = (body: readonly string[]) =>
          ask(other, '/test/events', {
            token: other.producer,
            body: body.join('\n'),
            headers: { 'content-type': 'application/x-ndjson' },
          });
        const refused = await send(lines);
        expect([refused.status, refused.headers.get('retry-after')]).toEqual([
          503,
          expect.stringMatching(/^[1-9][0-9]*$/),
        ]);
        expect(refused.json()).toMatchObject({ type: 'urn:countersign:problem:overloaded' });
        expect(other.log.treeSize()).toBe(0);
        expect((await send(lines.slice(0, 10))).status).toBe(200);
        expect(other.log.treeSize()).toBe(10);
      },
      { log: { limits: { maxQueuedEvents: 10 } } },
    ));

  it('in the middle of a batch refuses the rest of it, in order', () =>
    withServer(async (other) => {
      const { submit } = other.log;
      let calls = 0;
      Object.assign(other.log, {
        submit: (events: Parameters<typeof submit>[0]) => {
          if (++calls === 2) throw new LogError('overloaded', 'the queue is full', { retryAfterSeconds: 3 });
          return submit(events);
        },
      });
      const lines = Array.from({ length: 600 }, (_, i) => JSON.stringify(testEvent(`p${i}`)));
      const answer = await ask(other, '/test/events', {
        token: other.producer,
        body: lines.join('\n'),
        headers: { 'content-type': 'application/x-ndjson' },
      });
      const outcomes = linesOf(answer.text);
      expect(outcomes.map(({ line }) => line)).toEqual(lines.map((_, i) => i + 1));
      expect(outcomes.filter(({ status }) => status === 'accepted')).toHaveLength(256);
      expect(outcomes.slice(256).every(({ problem }) => problemType(problem) === 'overloaded')).toBe(true);
      expect(other.log.treeSize()).toBe(256);
    }));
});

describe('a failure of our own', () => {
  it('is a 500 that discloses nothing, and is in the log of the server under its instance', async () => {
    const { submit } = server.log;
    Object.assign(server.log, {
      submit: async () => {
        throw new Error('secret detail');
      },
    });
    const answer = await ask(server, '/test/events', { token: server.producer, json: testEvent('f1') });
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret');
    expect(server.logged).toMatchObject([{ instance: answer.json()['instance'], code: 'internal-error' }]);
    expect(JSON.stringify(server.logged)).not.toContain(server.producer);
    Object.assign(server.log, { submit });
    await nothingWasStored();
  });
});

async function nothingWasStored(): Promise<void> {
  expect(server.log.treeSize()).toBe(0);
  const next = await ask(server, '/test/events', { token: server.producer, json: testEvent('next') });
  expect(next.status, next.text).toBe(201);
}

describe('a line of the answer', () => {
  it('is the JSON that JSON.stringify gives, for any id and with anything beside it', () => {
    const [log_time, leaf_hash] = ['2026-01-08T14:32:07.123456Z', 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='];
    const stored = { line: 3, status: 'accepted', event_id: 'e', index: 7, log_time, leaf_hash } as const;
    const ids = [
      '01JH2K8Q9R3W5T7V9X1Z3B5D7F',
      '',
      ' ',
      '"',
      '\\',
      'ä',
      '😀',
      '\u2028',
      '~',
      '\u007f',
      "it's </script>",
    ];
    for (const event_id of ids) {
      for (const more of [
        {},
        { status: 'duplicate' as const },
        { receipt: 'c2sp.org/tlog-proof@v1\n' },
        { problem: {} },
      ]) {
        const outcome = { ...stored, event_id, ...more };
        expect(textOf(outcome)).toBe(JSON.stringify(outcome));
      }
    }
    expect(textOf({ line: 1, status: 'refused', problem: { type: 'x' } })).toBe(
      '{"line":1,"status":"refused","problem":{"type":"x"}}',
    );
  });
});

function problemType(problem: unknown): string | undefined {
  if (typeof problem !== 'object' || problem === null || !('type' in problem)) return undefined;
  return String(problem.type).replace('urn:countersign:problem:', '');
}

function post(lines: readonly string[]): Promise<TestAnswer> {
  return ask(server, '/test/events', {
    token: server.producer,
    body: lines.join('\n'),
    headers: { 'content-type': 'application/x-ndjson' },
  });
}

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
