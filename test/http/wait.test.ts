/** `Prefer: wait=N`: the answer waits for the cosigned receipt, for a bounded time and a bounded number of requests. */
import { describe, expect, it } from 'vitest';
import { checkTlogProof, parseTlogProof } from '../../proofs/tlog-proof.ts';
import { createWaits } from '../../src/http/wait.ts';
import { ask, testEvent, withServer } from '../support/http.ts';
import { preparedEvent, until } from '../support/test-log.ts';

describe('Prefer: wait', () => {
  it('answers with a receipt that verifies offline, once the witnesses have cosigned', () =>
    withServer(async (server) => {
      const waiting = ask(server, '/test/events', {
        token: server.producer,
        json: testEvent('w1'),
        headers: { prefer: 'respond-async, wait=30' },
      });
      await until(() => server.log.treeSize() === 1);
      await server.publish();
      const answer = await waiting;
      expect([answer.status, answer.headers.get('preference-applied')]).toEqual([201, 'wait=30']);
      const { receipt, index } = answer.json();
      const proof = parseTlogProof(String(receipt));
      const leaf = await server.log.leafHashAt(Number(index));
      expect(checkTlogProof(proof, leaf, server.log.policy).quorum).toBe(true);

      const again = await ask(server, '/test/events', {
        token: server.producer,
        json: testEvent('w1'),
        headers: { prefer: 'wait=0' },
      });
      expect([again.status, again.json()['receipt']]).toEqual([200, receipt]);
    }));

  it('gives up in time with the plain acknowledgement: the event is in', () =>
    withServer(async (server) => {
      const answer = await ask(server, '/test/events', {
        token: server.producer,
        json: testEvent('w1'),
        headers: { prefer: 'wait=0' },
      });
      expect([answer.status, answer.headers.get('preference-applied')]).toEqual([201, 'wait=0']);
      expect(answer.json()).not.toHaveProperty('receipt');
      expect(server.log.treeSize()).toBe(1);
    }));

  it('gives each line of a batch its receipt', () =>
    withServer(async (server) => {
      const waiting = ask(server, '/test/events', {
        token: server.producer,
        body: [testEvent('b1'), {}, testEvent('b2')].map((event) => JSON.stringify(event)).join('\n'),
        headers: { 'content-type': 'application/x-ndjson', prefer: 'wait=30' },
      });
      await until(() => server.log.treeSize() === 2);
      await server.publish();
      const answer = await waiting;
      const lines: Record<string, unknown>[] = answer.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(answer.headers.get('preference-applied')).toBe('wait=30');
      expect(lines.map(({ line, status, receipt }) => [line, status, typeof receipt])).toEqual([
        [1, 'accepted', 'string'],
        [2, 'refused', 'undefined'],
        [3, 'accepted', 'string'],
      ]);
    }));

  it('holds back the receipt of an event until it is published', () =>
    withServer(async (server) => {
      await server.log.submit([preparedEvent('e0')]);
      const waiting = ask(server, '/test/events/e0/proof', { token: server.auditor, headers: { prefer: 'wait=30' } });
      await until(() => server.log.signedSize() === 1);
      await server.publish();
      const { status, headers } = await waiting;
      expect([status, headers.get('preference-applied')]).toEqual([200, 'wait=30']);
    }));
});

describe('a wait', () => {
  const waits = createWaits({ maxWaitSeconds: 60, maxWaitingRequests: 1 });

  it.each([
    ['wait=10', 10],
    ['wait=0', 0],
    ['Wait = 5', 5],
    ['wait="7"', 7],
    ['respond-async, wait=3; x=y', 3],
    ['wait=1, wait=2', 1],
    ['wait=61', 60],
    ['wait=999999', 60],
    [undefined, undefined],
    ['', undefined],
    ['wait', undefined],
    ['wait=-1', undefined],
    ['wait=1.5', undefined],
    ['wait=1e9', undefined],
    ['waiting=5', undefined],
    ['wait=99999999999', undefined],
  ])('of %j is granted as %j seconds', (prefer, seconds) => {
    expect(waits.granted(prefer)).toBe(seconds);
  });

  it('is not granted to more requests than may wait, who are answered at once', () =>
    withServer(async ({ log, publish }) => {
      await log.submit([preparedEvent('e0')]);
      const first = waits.forPublished(log, 0, 30);
      expect(await waits.forPublished(log, 0, 30)).toEqual({ published: false, applied: false });
      await publish();
      expect(await first).toEqual({ published: true, applied: true });
      expect(await waits.forPublished(log, 0, 30)).toEqual({ published: true, applied: true });
    }));
});
