/**
 * Requests of somebody who wants more than an answer: ambiguous framing that a proxy reads differently, headers without
 * end, connections that never finish, paths that climb, and whatever might make a secret appear in a log or an error.
 */
import { randomBytes } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, askRaw, producerEvents, startServer, type TestServer, testEvent } from '../support/http.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ app: { limits: { headersTimeoutMs: 300, bodyTimeoutMs: 300, closeGraceMs: 200 } } });
});
afterAll(() => server.stop());

function head(lines: readonly string[], path = '/test/events'): string {
  const common = ['Host: log.example', `Authorization: Bearer ${server.producer}`, 'Content-Type: application/json'];
  return [`POST ${path} HTTP/1.1`, ...common, ...lines, '', ''].join('\r\n');
}

/** One request in the body of another: with two readings of the framing, the second event would go in. */
function smuggled(lines: readonly string[]): string {
  const inner = JSON.stringify(testEvent('smuggled'));
  const second = `${head([`Content-Length: ${inner.length}`])}${inner}`;
  return `${head([...lines, 'Connection: close'])}0\r\n\r\n${second}`;
}

describe('framing that can be read in two ways', () => {
  it.each([
    ['a length and chunks', ['Content-Length: 6', 'Transfer-Encoding: chunked']],
    ['two different lengths', ['Content-Length: 5', 'Content-Length: 500']],
    ['a list of lengths', ['Content-Length: 5, 500']],
    ['a signed length', ['Content-Length: +5']],
    ['a hexadecimal length', ['Content-Length: 0x5']],
    ['an unknown transfer coding', ['Transfer-Encoding: xchunked']],
    ['chunked that is not the last coding', ['Transfer-Encoding: chunked, identity']],
    ['a space before the colon', ['Transfer-Encoding : chunked']],
    ['a folded header', ['Transfer-Encoding:', ' chunked', 'Content-Length: 5']],
    ['a control character in a value', ['X-Trace: a\u0000b', 'Content-Length: 5']],
  ])('%s is refused, the connection closes, and nothing behind it is read', async (_, lines) => {
    const answer = await askRaw(server, smuggled(lines));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(await producerEvents(server.log)).toBe(0);
  });

  it('a bare line feed does not end a header', async () => {
    const answer = await askRaw(server, head(['X-A: b\nContent-Length: 5']));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('headers', () => {
  it('of more than 16 KiB are refused with 431', async () => {
    const answer = await askRaw(server, head([`X-Filler: ${'x'.repeat(20_000)}`]));
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('that never end cost one connection, for a bounded time', async () => {
    const answer = await askRaw(server, 'POST /test/events HTTP/1.1\r\nHost: log.example\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('many connections that say nothing', () => {
  it('do not keep anyone else waiting', async () => {
    const silent = await Promise.all(Array.from({ length: 200 }, openSilent));
    try {
      const { status } = await ask(server, '/test/events', { token: server.producer, json: testEvent('beside') });
      expect(status).toBe(201);
    } finally {
      for (const socket of silent) socket.destroy();
    }
  });
});

function openSilent(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(server.port, server.host, () => {
      socket.write(head(['Content-Length: 100000']));
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

describe('a path that climbs', () => {
  it.each([
    '/test/tile/../../../../etc/passwd',
    '/test/tile/0/..%2f..%2f..%2fconfig.json',
    '/test/tile/0/%2e%2e/%2e%2e/tokens.json',
    '/test/tile/0/x000/../000',
    '/test/tile/0/000%00',
    '/test/tile//0/000',
    '/test/tile/0/000/',
    '/test/tile/entries/..%5c..%5ckeys%5csecret.key',
    '/test/evidence/..%2f..%2ftokens.json/bundle.zip',
    '/..%2ftest/head',
  ])('%s leads nowhere', async (path) => {
    const answer = await askRaw(
      server,
      `GET ${path} HTTP/1.1\r\nHost: log.example\r\nAuthorization: Bearer ${server.auditor}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(answer).not.toMatch(/root:|sha256|PRIVATE/);
  });
});

describe('a secret', () => {
  it('stands in no error and in no line of the log, wherever a client puts it', async () => {
    const secret = randomBytes(24).toString('base64url');
    const requests = [
      ask(server, '/test/events', { token: secret, json: testEvent('s1') }),
      ask(server, `/test/events?token=${secret}`, { token: server.auditor }),
      ask(server, `/test/events/${secret}`, { headers: { authorization: `Basic ${secret}` } }),
      ask(server, '/test/events', { token: server.producer, body: `{"password":"${secret}"`, headers: JSON_TYPE }),
      ask(server, '/test/events', { token: server.producer, json: testEvent('s2', { password: secret }) }),
      ask(server, '/test/events', {
        token: server.producer,
        json: testEvent('s3', { context: { note: `password=${secret}`, authorization: `Bearer ${secret}` } }),
      }),
      ask(server, '/test/tokens', { token: server.admin, json: { role: 'nobody', name: 'x', token: secret } }),
    ];
    for (const { status, text } of await Promise.all(requests)) {
      expect(text, String(status)).not.toContain(secret);
    }
    expect(JSON.stringify(server.logged)).not.toContain(secret);
  });
});

const JSON_TYPE = { 'content-type': 'application/json' };
