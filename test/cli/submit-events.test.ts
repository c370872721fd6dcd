/** Durable submission: whatever the way to the log does, every event is answered for, and none is taken twice. */
import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/cli/client.ts';
import { CliError } from '../../src/cli/errors.ts';
import { type AcceptedEvent, type RefusedEvent, type Submission, submitEvents } from '../../src/cli/submit-events.ts';
import { fakeIo } from '../support/fake-io.ts';

const TARGET = { baseUrl: 'http://log.test', logUrl: 'http://log.test/audit', token: 'cs_producer_secret' };

type Answer = (lines: readonly string[]) => Response | Promise<Response>;

/** A log that answers each request in turn; the last answer goes on for ever. */
async function submit(events: readonly Submission[], answers: readonly Answer[], timeoutMs = 5_000) {
  const bodies: string[][] = [];
  const accepted: AcceptedEvent[] = [];
  const refused: RefusedEvent[] = [];
  const waits: string[] = [];
  const fetch: typeof globalThis.fetch = async (_url, init) => {
    const lines = String(init?.body).split('\n').slice(0, -1);
    bodies.push(lines);
    const answer = answers[Math.min(bodies.length, answers.length) - 1];
    if (answer === undefined) throw new Error('no answer');
    return answer(lines);
  };
  await submitEvents(fakeIo({ fetch }).io, TARGET, events, {
    timeoutMs,
    onAccepted: (event) => accepted.push(event),
    onRefused: (event) => refused.push(event),
    onWait: (error) => waits.push(error.message),
  });
  return { bodies, accepted, refused, waits };
}

function events(count: number): readonly Submission[] {
  return Array.from({ length: count }, (_, n) => ({
    text: JSON.stringify({ event_id: `e${n}` }),
    where: `line ${n + 1}`,
  }));
}

function acceptAll(lines: readonly string[]): Response {
  return ndjson(lines.map((text, n) => acceptedLine(text, n + 1)));
}

function acceptedLine(text: string, line: number): object {
  const { event_id } = JSON.parse(text) as { event_id: string };
  return { line, status: 'accepted', event_id, index: Number(event_id.slice(1)), log_time: 't', leaf_hash: 'h' };
}

function refusedLine(line: number, code: string, status: number): object {
  const type = `urn:countersign:problem:${code}`;
  return {
    line,
    status: 'refused',
    problem: { type, status, detail: 'no', errors: [{ pointer: '/actor', detail: 'is missing' }] },
  };
}

function ndjson(lines: readonly object[]): Response {
  return new Response(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

describe('submitting events', () => {
  it('sends them in order, in batches, and reports each with its place', async () => {
    const { bodies, accepted } = await submit(events(450), [acceptAll]);
    expect(bodies.map((lines) => lines.length)).toEqual([200, 200, 50]);
    expect(accepted.map(({ index }) => index)).toEqual(Array.from({ length: 450 }, (_, n) => n));
    expect(accepted[449]).toMatchObject({ where: 'line 450', event_id: 'e449' });
  });

  it('sends the same lines again after a lost connection and after a 503, byte for byte', async () => {
    const lost: Answer = () => Promise.reject(new TypeError('fetch failed'));
    const busy: Answer = () => new Response('{}', { status: 503, headers: { 'retry-after': '0' } });
    const { bodies, accepted, waits } = await submit(events(3), [lost, busy, acceptAll]);
    expect(bodies).toEqual([bodies[0], bodies[0], bodies[0]]);
    expect(accepted).toHaveLength(3);
    expect(waits).toHaveLength(2);
  });

  it('sends again only the lines that an overloaded log did not take', async () => {
    const half: Answer = (lines) =>
      ndjson(lines.map((text, n) => (n < 2 ? acceptedLine(text, n + 1) : refusedLine(n + 1, 'overloaded', 503))));
    const { bodies, accepted, refused } = await submit(events(4), [half, acceptAll]);
    expect(bodies.map((lines) => lines.length)).toEqual([4, 2]);
    expect(accepted.map(({ event_id }) => event_id)).toEqual(['e0', 'e1', 'e2', 'e3']);
    expect(refused).toEqual([]);
  });

  it('reports a bad line with its place, type and pointer, and goes on', async () => {
    const second: Answer = (lines) =>
      ndjson(lines.map((text, n) => (n === 1 ? refusedLine(2, 'missing-member', 422) : acceptedLine(text, n + 1))));
    const { accepted, refused } = await submit(events(3), [second]);
    expect(accepted).toHaveLength(2);
    expect(refused).toEqual([
      { where: 'line 2', type: 'urn:countersign:problem:missing-member', detail: 'no', errors: ['/actor: is missing'] },
    ]);
  });

  it('gives up after the time-out as unreachable, and before that never', async () => {
    const lost: Answer = () => Promise.reject(new TypeError('fetch failed'));
    await expect(submit(events(1), [lost], 300)).rejects.toMatchObject({ code: 'unreachable', exitCode: 3 });
  });

  it.each([
    ['a wrong token', new Response('{"title":"no"}', { status: 401 })],
    ['an unknown log', new Response('{"title":"no"}', { status: 404 })],
    ['a server error', new Response('{"title":"no"}', { status: 500 })],
  ])('does not try %s again', async (_, response) => {
    const failure = submit(events(1), [() => response]);
    await expect(failure).rejects.toBeInstanceOf(CliError);
    await expect(failure).rejects.not.toBeInstanceOf(UnavailableError);
  });

  it.each([
    ['fewer lines than events', () => ndjson([])],
    [
      'lines in another order',
      (lines: readonly string[]) => ndjson(lines.map((text, n) => acceptedLine(text, lines.length - n))),
    ],
    [
      'an acknowledgement without an index',
      () => ndjson([1, 2].map((line) => ({ line, status: 'accepted', event_id: 'e' }))),
    ],
    ['something that is not JSON', () => new Response('hello\nworld\n')],
  ])('does not take %s for an answer', async (_, answer) => {
    await expect(submit(events(2), [answer])).rejects.toMatchObject({ code: 'unexpected-answer' });
  });
});
