/** What the site says about itself: health, readiness, metrics, its API description, its page; and how it goes away. */
import { describe, expect, it } from 'vitest';
import { createApp, ROUTES } from '../../src/http/app.ts';
import { PROBLEMS } from '../../src/http/problems.ts';
import { serveApp } from '../../src/http/server.ts';
import { ask, askRaw, START_US, type TestServer, testEvent, withServer } from '../support/http.ts';
import { cosignHead, preparedEvent, until } from '../support/test-log.ts';

describe('GET /healthz', () => {
  it('is 503 and says why until a quorum has cosigned, 200 then', () =>
    withServer(async (server) => {
      await until(() => server.log.head() !== undefined);
      const before = await ask(server, '/healthz');
      expect(before.status).toBe(503);
      expect(before.json()).toMatchObject({
        status: 'failing',
        logs: [{ name: 'test', status: 'failing', problems: [expect.stringContaining('has published no checkpoint')] }],
      });
      const [witness] = server.keys.witnesses;
      if (witness === undefined) throw new Error('the test has no witness');
      await cosignHead(server.log, [witness], START_US / 1_000_000);
      expect((await ask(server, '/healthz')).status).toBe(503);
      await server.publish();
      const after = await ask(server, '/healthz');
      expect(after.status, after.text).toBe(200);
      expect(after.json()).toMatchObject({
        status: 'ok',
        time: '2026-01-08T14:32:07.000Z',
        logs: [
          {
            name: 'test',
            origin: 'log.example/test',
            status: 'ok',
            problems: [],
            published_size: 0,
            signing: 'signing',
          },
        ],
      });
    }));

  it('is 503 when events stay without a quorum for too long, and submissions go on', () => {
    let nowUs = START_US;
    return withServer(
      async (server) => {
        await server.publish();
        expect((await ask(server, '/healthz')).status).toBe(200);
        await server.log.submit([preparedEvent('e0')]);
        nowUs += 3_600_000_000;
        await until(async () => (await ask(server, '/healthz')).status === 503, 'a failing health check');
        const { logs } = (await ask(server, '/healthz')).json();
        expect(JSON.stringify(logs)).toContain('quorum');
        expect((await ask(server, '/readyz')).status).toBe(200);
        expect((await ask(server, '/test/events', { token: server.producer, json: testEvent('e1') })).status).toBe(201);
      },
      { log: { nowUs: () => nowUs, limits: { maxUnpublishedMs: 50 } } },
    );
  });

  it('does not believe a checkpoint that its own policy refuses', () =>
    withServer(async (server) => {
      await server.publish();
      Object.assign(server.log, { policy: { ...server.log.policy, logs: [] } });
      const answer = await ask(server, '/healthz');
      expect(answer.status).toBe(503);
      expect(answer.text).toContain('does not pass its own policy');
    }));
});

describe('GET /metrics', () => {
  it('counts answers by route and status, events by outcome, and shows each log', () =>
    withServer(async (server) => {
      await ask(server, '/test/events', { token: server.producer, json: testEvent('m1') });
      await ask(server, '/test/events', { token: server.producer, json: testEvent('m1') });
      await ask(server, '/test/events', { token: server.producer, json: testEvent('m1', { reason: 'other' }) });
      await ask(server, '/test/events', { token: server.producer, json: {} });
      await ask(server, '/nothing/here');
      const { status, headers, text } = await ask(server, '/metrics');
      expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
      for (const line of [
        'countersign_http_requests_total{method="POST",route="/{log}/events",status="201"} 1',
        'countersign_http_requests_total{method="POST",route="/{log}/events",status="200"} 1',
        'countersign_http_requests_total{method="POST",route="/{log}/events",status="422"} 2',
        'countersign_http_requests_total{method="any",route="(unmatched)",status="404"} 1',
        'countersign_events_submitted_total{log="test",outcome="accepted"} 1',
        'countersign_events_submitted_total{log="test",outcome="duplicate"} 1',
        'countersign_events_submitted_total{log="test",outcome="conflict"} 1',
        'countersign_events_submitted_total{log="test",outcome="refused"} 1',
        'countersign_submit_duration_seconds_count{log="test"} 3',
        'countersign_log_tree_size{log="test"} 3',
        'countersign_log_published_size{log="test"} 0',
        'countersign_log_accepting{log="test"} 1',
        'countersign_witness_cosigned_size{log="test",witness="w1"} 0',
      ]) {
        expect(text.split('\n')).toContain(line);
      }
      expect(text).not.toContain(server.producer);
    }));
});

describe('GET /openapi.json', () => {
  it('describes every route that is served, and nothing else', () =>
    withServer(async (server) => {
      const { status, json } = await ask(server, '/openapi.json');
      expect(status).toBe(200);
      const document = json();
      expect(document['openapi']).toBe('3.1.0');
      const described = Object.entries(object(document['paths'])).flatMap(([path, operations]) =>
        Object.keys(object(operations)).map((method) => `${method.toUpperCase()} ${path}`),
      );
      const served = ROUTES.map(({ method, path }) => `${method} ${path}`)
        .map((route) => route.replace(/:([a-z]+)(\{[^}]*\})?/g, '{$1}').replace('/*', '/{path}'))
        .sort();
      expect(described.sort()).toEqual(served);
    }));

  it('is whole: references point somewhere, operation ids and path parameters are in order', () =>
    withServer(async (server) => {
      const document = (await ask(server, '/openapi.json')).json();
      const schemas = object(object(document['components'])['schemas']);
      const references = JSON.stringify(document).match(/"#\/components\/schemas\/[^"]+"/g) ?? [];
      expect(references.length).toBeGreaterThan(20);
      for (const reference of references) {
        expect(Object.keys(schemas)).toContain(reference.slice('"#/components/schemas/'.length, -1));
      }
      const ids = new Set<unknown>();
      for (const [path, operations] of Object.entries(object(document['paths']))) {
        for (const operation of Object.values(object(operations)).map(object)) {
          expect(ids.has(operation['operationId']), String(operation['operationId'])).toBe(false);
          ids.add(operation['operationId']);
          const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
          const declared = list(operation['parameters'])
            .map(object)
            .filter((parameter) => parameter['in'] === 'path');
          expect(declared.map((parameter) => parameter['name'])).toEqual(inPath);
          expect(Object.keys(object(operation['responses'])).length).toBeGreaterThan(0);
        }
      }
      expect(JSON.stringify(document)).not.toContain('"$id"');
    }));
});

describe('problems', () => {
  it('all have a client or server error status and a title that ends without a full stop', () => {
    for (const [code, [status, title]] of Object.entries(PROBLEMS)) {
      expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(status, code).toBeLessThan(600);
      expect(title, code).toMatch(/^[A-Z].*[^.]$/);
    }
  });
});

describe('GET /', () => {
  it('names the logs on a page that can run no script', () =>
    withServer(async (server) => {
      const { status, headers, text } = await ask(server, '/');
      expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/,
      );
      expect(headers.get('content-security-policy')).not.toContain('script-src');
      expect(text).toContain('<h2>test</h2>');
      expect(text).toContain('href="/test/checkpoint"');
    }));
});

describe('every answer', () => {
  it('carries the security headers', () =>
    withServer(async (server) => {
      for (const [path, token] of [
        ['/', undefined],
        ['/healthz', undefined],
        ['/metrics', undefined],
        ['/openapi.json', undefined],
        ['/nothing', undefined],
        ['/test/log.json', undefined],
        ['/test/head', undefined],
        ['/test/events', server.auditor],
        ['/test/tokens', server.admin],
        ['/test/tile/0/000', undefined],
      ] as const) {
        const { headers } = await ask(server, path, token === undefined ? {} : { token });
        expect(headers.get('x-content-type-options'), path).toBe('nosniff');
        expect(headers.get('referrer-policy'), path).toBe('no-referrer');
        expect(headers.get('content-security-policy'), path).toContain("default-src 'none'");
        expect(headers.get('content-security-policy'), path).toContain("frame-ancestors 'none'");
      }
    }));
});

describe('a server', () => {
  it('listens on loopback, on a free port, unless told otherwise', () =>
    withServer(async (server) => {
      expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
      expect(server.port).toBeGreaterThan(0);
      await expect(serveApp(createApp({ logs: new Map() }), { port: server.port })).rejects.toMatchObject({
        code: 'EADDRINUSE',
      });
    }));

  it('lets a request in flight finish when it is closed, and takes no new one', () =>
    withServer(async (server) => {
      const waiting = ask(server, '/test/events', {
        token: server.producer,
        json: testEvent('c1'),
        headers: { prefer: 'wait=30' },
      });
      await until(() => server.log.treeSize() === 1);
      const closing = server.close();
      await expect(ask(server, '/readyz')).rejects.toThrow();
      await server.publish();
      expect((await waiting).status).toBe(201);
      await closing;
    }));

  it('cuts off what does not finish within the grace time', () =>
    withServer(
      async (server) => {
        const hanging = askRaw(server, head(server, 'content-length: 10'));
        const waiting = ask(server, '/test/events', {
          token: server.producer,
          json: testEvent('c2'),
          headers: { prefer: 'wait=30' },
        }).then(
          () => 'answered',
          () => 'cut off',
        );
        await until(() => server.log.treeSize() === 1);
        await server.close();
        expect(await waiting).toBe('cut off');
        expect(await hanging).toBe('');
      },
      { app: { limits: { closeGraceMs: 50 } } },
    ));

  it.each([
    ['a request that is not HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['headers that are too large', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    [
      'two lengths',
      'POST /test/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a length and chunks',
      'POST /test/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
  ])('answers %s and goes on', (_, text, expected) =>
    withServer(async (server) => {
      expect(await askRaw(server, text)).toMatch(expected);
      expect((await ask(server, '/readyz')).status).toBe(200);
    }),
  );
});

function head(server: TestServer, ...headers: readonly string[]): string {
  const fixed = ['POST /test/events HTTP/1.1', 'host: x', `authorization: Bearer ${server.producer}`];
  return [...fixed, 'content-type: application/json', ...headers, '', ''].join('\r\n');
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`not an object: ${value}`);
  return { ...value };
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`not a list: ${value}`);
  return value;
}
