/** Alerts: signed webhooks to a receiver on the loopback interface that checks them as receivers do. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../src/log/options.ts';
import { type Finding, type RaisedFinding, raiseEvent, type Severity } from '../../src/trail/finding.ts';
import { type AlertLimits, startAlerts } from '../../src/trail/watch/alert.ts';
import { until, withDirectory } from '../support/test-log.ts';
import { openWatched } from '../support/watched.ts';

const SECRET = `whsec_${Buffer.from('a secret of twenty-four b').toString('base64')}`;

interface Received {
  readonly id: string;
  readonly body: { readonly type: string; readonly data: Readonly<Record<string, unknown>> };
}

/** A receiver that verifies every signature; `status` says what it answers to the nth request. */
async function withReceiver(
  status: (n: number) => number,
  work: (receiver: {
    readonly url: string;
    readonly received: readonly Received[];
    readonly requests: () => number;
  }) => Promise<void>,
): Promise<void> {
  const received: Received[] = [];
  let requests = 0;
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const code = status(requests++);
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      const verified = new Webhook(SECRET).verify(body, headers);
      if (code < 300) received.push({ id: headers['webhook-id'] ?? '', body: verified as Received['body'] });
      response.writeHead(code, code === 302 ? { location: '/elsewhere' } : {}).end();
    });
  });
  const port = await listen(server);
  try {
    await work({ url: `http://127.0.0.1:${port}/hook`, received, requests: () => requests });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

function raised(index: number, severity: Severity = 'critical'): RaisedFinding & Finding {
  return {
    id: `finding.break-glass.${index}.x`,
    index,
    raisedAtUs: 1_767_880_800_000_000,
    kind: 'break-glass',
    severity,
    subject: { type: 'user', id: 'u_1' },
    firstIndex: index,
    lastIndex: index,
    firstTimeUs: 1_767_880_800_000_000,
    lastTimeUs: 1_767_880_800_000_000,
    count: 1,
    message: 'Somebody broke the glass.',
    evidence: {},
  };
}

const limits: Partial<AlertLimits> = { firstPauseMs: 5, maxPauseMs: 10, maxTries: 3, timeoutMs: 2_000 };

function start(url: string, changes: Partial<Parameters<typeof startAlerts>[0]> = {}) {
  return startAlerts({
    config: { url, secretFile: '', minSeverity: 'high' },
    secret: SECRET,
    log: { name: 'audit', origin: 'log.example/audit' },
    from: 0,
    fetch: globalThis.fetch,
    nowMs: Date.now,
    logger: SILENT_LOGGER,
    limits,
    ...changes,
  });
}

describe('alerts', () => {
  it('are signed, in order, and only of findings that are severe enough', () =>
    withReceiver(
      () => 204,
      async ({ url, received }) => {
        const alerter = start(url);
        for (const [i, severity] of (['critical', 'low', 'high', 'medium', 'critical'] as const).entries()) {
          alerter.offer(raised(10 + i, severity));
        }
        await until(() => alerter.counts().delivered === 3);
        expect(received.map(({ body }) => body.data['index'])).toEqual([10, 12, 14]);
        expect(received[0]).toMatchObject({
          id: 'finding.break-glass.10.x',
          body: {
            type: 'countersign.finding.raised',
            data: {
              log: 'audit',
              origin: 'log.example/audit',
              kind: 'break-glass',
              severity: 'critical',
              state: 'open',
            },
          },
        });
        expect(alerter.position()).toBe(15);
        await alerter.close();
      },
    ));

  it('are tried again, under the same id, until the receiver takes them', () =>
    withReceiver(
      (n) => (n < 2 ? 500 : 200),
      async ({ url, received, requests }) => {
        const alerter = start(url);
        alerter.offer(raised(1));
        await until(() => alerter.counts().delivered === 1);
        expect([received.length, requests()]).toEqual([1, 3]);
        await alerter.close();
      },
    ));

  it('are given up after a number of tries, and the next one has its turn; a redirect is not followed', () =>
    withReceiver(
      (n) => (n < 3 ? 302 : 200),
      async ({ url, received, requests }) => {
        const said: unknown[] = [];
        const alerter = start(url, { logger: { ...SILENT_LOGGER, error: (details) => void said.push(details) } });
        alerter.offer(raised(1));
        alerter.offer(raised(2));
        await until(() => alerter.counts().delivered === 1);
        expect(alerter.counts()).toEqual({ waiting: 0, delivered: 1, givenUp: 1 });
        expect(requests()).toBe(4);
        expect(received.map(({ body }) => body.data['index'])).toEqual([2]);
        expect(said).toMatchObject([{ index: 1 }]);
        await alerter.close();
      },
    ));

  it('wait in a bounded number', () =>
    withReceiver(
      () => 500,
      async ({ url }) => {
        const alerter = start(url, { limits: { ...limits, maxWaiting: 2, maxTries: 1_000 } });
        for (let i = 0; i < 5; i++) alerter.offer(raised(i));
        expect(alerter.counts()).toMatchObject({ waiting: 2, givenUp: 3 });
        expect(alerter.position()).toBe(0);
        await alerter.close();
      },
    ));

  it('that were not delivered before the end are delivered after the next start, and none twice', () =>
    withDirectory(async (directory) => {
      let isDown = true;
      await withReceiver(
        () => (isDown ? 503 : 200),
        async ({ url, received, requests }) => {
          const finding = (n: number): Finding => raised(n);
          const config = { heartbeat_seconds: 0, alerts: { url, secret_file: 'x' } };
          const watch = { alertSecret: SECRET, limits: { alert: limits } };
          const before = await openWatched(directory, { config: { heartbeat_seconds: 0 } });
          await before.watch.raise(finding(0));
          await before.findings();
          await before.close();
          const first = await openWatched(directory, {
            config,
            watch: { ...watch, limits: { alert: { ...limits, maxTries: 1_000 } } },
          });
          await first.watch.raise(finding(1));
          await until(() => requests() > 0);
          await first.findings();
          await first.close();
          isDown = false;
          const second = await openWatched(directory, { config, watch });
          await until(() => second.watch.status().alerts?.delivered === 1);
          await second.watch.raise(finding(2));
          await until(() => second.watch.status().alerts?.delivered === 2);
          await second.findings();
          await second.close();
          const third = await openWatched(directory, { config, watch });
          await third.watch.raise(finding(3));
          await until(() => third.watch.status().alerts?.delivered === 1);
          await third.close();
          expect(received.map(({ body }) => body.data['first_index'])).toEqual([1, 2, 3]);
        },
      );
    }));

  it('are refused at the start without a secret, or with one that is none', async () => {
    expect(() => start('http://127.0.0.1:1/', { secret: '' })).toThrow();
    await withDirectory(async (directory) => {
      const config = { alerts: { url: 'http://127.0.0.1:1/', secret_file: 'x' } };
      await expect(openWatched(directory, { config })).rejects.toThrow('secret');
    });
  });
});

it('a finding that is alerted says what its entry says', () => {
  expect(raiseEvent(raised(1)).context).toMatchObject({ kind: 'break-glass', severity: 'critical' });
});
