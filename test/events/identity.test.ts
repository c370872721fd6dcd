/** Names to ids: cached, bounded, and a failure never loses an event or shows a name. */

import { rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { createIdentityResolver, type IdentitySource } from '../../src/events/identity.ts';
import { fileSource, httpSource, openIdentitySource, parseIdentityConfig } from '../../src/events/identity-sources.ts';
import { ask, ownEntries, producerEvents, testEvent, withServer } from '../support/http.ts';
import { withDirectory } from '../support/test-log.ts';

const KEY = new Uint8Array(32).fill(7);

function desk(ids: Readonly<Record<string, string>>, limits = {}) {
  const asked: string[] = [];
  const state = { nowMs: 0, failing: false };
  const source: IdentitySource = {
    find: async (type, name) => {
      asked.push(`${type} ${name}`);
      if (state.failing) throw new Error('away');
      return ids[`${type} ${name}`];
    },
  };
  const resolver = createIdentityResolver({ source, macKey: KEY, nowMs: () => state.nowMs, limits });
  const actorOf = async (actor: JsonObject): Promise<unknown> => {
    const { value } = await resolver.resolve({ actor });
    return (value as JsonObject)['actor'];
  };
  return { asked, state, resolver, actorOf };
}

const UNRESOLVED = /^unresolved:[a-p]{32}$/;

describe('a resolver of names', () => {
  it('puts the id in the place of the name, in the actor and along its delegation', async () => {
    const { resolver } = desk({ 'user Ann': 'u_1', 'service Support': 'svc-2' });
    const { value, unresolved } = await resolver.resolve({
      action: 'role.grant',
      actor: {
        type: 'user',
        name: 'Ann',
        role: 'admin',
        delegation: [
          { type: 'service', name: 'Support', session: 's' },
          { type: 'user', id: 'u_3' },
        ],
      },
    });
    expect(value).toEqual({
      action: 'role.grant',
      actor: {
        type: 'user',
        id: 'u_1',
        role: 'admin',
        delegation: [
          { type: 'service', session: 's', id: 'svc-2' },
          { type: 'user', id: 'u_3' },
        ],
      },
    });
    expect(unresolved).toEqual([]);
  });

  it.each<[what: string, value: unknown]>([
    ['an actor with an id', { actor: { type: 'user', id: 'u_1' } }],
    ['an actor with both: validation refuses the name', { actor: { type: 'user', id: 'u_1', name: 'Ann' } }],
    ['an empty name', { actor: { type: 'user', name: '' } }],
    ['a name that is no text', { actor: { type: 'user', name: 7 } }],
    ['a name that is too long', { actor: { type: 'user', name: 'x'.repeat(257) } }],
    ['no type', { actor: { name: 'Ann' } }],
    ['no actor', { action: 'x' }],
    ['no object', 7],
    ['a delegation that is no list', { actor: { type: 'user', id: 'u_1', delegation: 'Ann' } }],
  ])('leaves %s as it is', async (_, value) => {
    const { resolver, asked } = desk({});
    expect((await resolver.resolve(value as JsonObject)).value).toBe(value);
    expect(asked).toEqual([]);
  });

  it('asks once a minute and name, and once for many at the same time', async () => {
    const { asked, state, actorOf } = desk({ 'user Ann': 'u_1' });
    await Promise.all(Array.from({ length: 10 }, () => actorOf({ type: 'user', name: 'Ann' })));
    state.nowMs = 59_999;
    expect(await actorOf({ type: 'user', name: 'Ann' })).toEqual({ type: 'user', id: 'u_1' });
    expect(asked).toHaveLength(1);
    state.nowMs = 60_000;
    await actorOf({ type: 'user', name: 'Ann' });
    expect(asked).toHaveLength(2);
  });

  it('gives an unknown name the same pseudonym each time, and another name another one', async () => {
    const { resolver } = desk({});
    const idOf = async (type: string, name: string): Promise<unknown> => {
      const { value, unresolved } = await resolver.resolve({ actor: { type, name } });
      const { id } = (value as { actor: { id: string } }).actor;
      expect(id).toMatch(UNRESOLVED);
      expect(unresolved).toEqual([{ type, id, reason: 'unknown-name' }]);
      return id;
    };
    const ann = await idOf('user', 'Ann');
    expect(await idOf('user', 'Ann')).toBe(ann);
    expect(new Set([ann, await idOf('user', 'Bob'), await idOf('service', 'Ann')]).size).toBe(3);
  });

  it('leaves a source that failed alone for a moment, and never loses the event', async () => {
    const { asked, state, resolver } = desk({ 'user Ann': 'u_1' });
    state.failing = true;
    const reasonOf = async (name: string): Promise<unknown> =>
      (await resolver.resolve({ actor: { type: 'user', name } })).unresolved[0]?.reason;
    expect(await reasonOf('Ann')).toBe('resolver-failed');
    expect(await reasonOf('Bob')).toBe('resolver-failed');
    expect(asked).toHaveLength(1);
    state.failing = false;
    state.nowMs = 5_000;
    expect(await reasonOf('Ann')).toBeUndefined();
  });

  it.each<[what: string, id: string]>([
    ['an e-mail address', 'ann@example.com'],
    ['a line break', 'u_1\nu_2'],
    ['nothing', ''],
    ['too much', 'x'.repeat(2_049)],
    ['a pseudonym of ours', 'unresolved:abc'],
  ])('does not take %s for an id', async (_, id) => {
    const { resolver } = desk({ 'user Ann': id });
    const { unresolved } = await resolver.resolve({ actor: { type: 'user', name: 'Ann' } });
    expect(unresolved).toMatchObject([{ reason: 'invalid-answer' }]);
  });

  it('forgets the oldest name beyond its bound', async () => {
    const { asked, actorOf } = desk({ 'user a': '1', 'user b': '2', 'user c': '3' }, { maxCached: 2 });
    for (const name of ['a', 'b', 'c', 'c', 'b', 'a']) await actorOf({ type: 'user', name });
    expect(asked).toEqual(['user a', 'user b', 'user c', 'user a']);
  });
});

describe('a file of names', () => {
  it('is read again when it was replaced', () =>
    withDirectory(async (directory) => {
      const file = join(directory, 'identities.json');
      await writeFile(file, '{"user":{"Ann":"u_1"}}');
      const source = fileSource(file);
      expect(await source.find('user', 'Ann')).toBe('u_1');
      expect(await source.find('service', 'Ann')).toBeUndefined();
      expect(await source.find('user', '__proto__')).toBeUndefined();
      await writeFile(file, '{"user":{"Ann":"u_2"}}');
      await utimes(file, 1, 1);
      expect(await source.find('user', 'Ann')).toBe('u_2');
      await rm(file);
      await expect(source.find('user', 'Ann')).rejects.toThrow('ENOENT');
    }));

  it.each(['', '[]', '{"user":"u_1"}', '{"user":{"Ann":7}}'])('is refused at start if it holds %j', (text) =>
    withDirectory(async (directory) => {
      await writeFile(join(directory, 'identities.json'), text);
      const config = parseIdentityConfig('{"kind":"file","file":"identities.json"}');
      await expect(openIdentitySource(config, directory)).rejects.toMatchObject({ code: 'invalid-identity-config' });
    }),
  );

  it.each([
    '',
    '{}',
    '{"kind":"ldap"}',
    '{"kind":"file"}',
    '{"kind":"http","url":"http://idm.example/"}',
    '{"kind":"http","url":"ftp://127.0.0.1/"}',
    '{"kind":"http","url":"https://idm.example/","timeout_ms":60000}',
    '{"kind":"http","url":"https://idm.example/","password":"x"}',
  ])('is not configured by %s', (text) => {
    expect(() => parseIdentityConfig(text)).toThrow(expect.objectContaining({ code: 'invalid-identity-config' }));
  });
});

describe('a service of names', () => {
  it('is asked with a body, never with names in the URL, and answers within its bounds or not at all', () =>
    withService(async ({ url, requests, answer }) => {
      const sourceWithin = (timeoutMs: number) => httpSource({ url, timeoutMs, token: 'secret', fetchFn: fetch });
      const source = sourceWithin(20_000);
      expect(await source.find('user', 'Ann')).toBe('u_1');
      expect(requests).toEqual([
        { method: 'POST', url: '/', authorization: 'Bearer secret', body: '{"type":"user","name":"Ann"}' },
      ]);
      answer.status = 404;
      expect(await source.find('user', 'Bob')).toBeUndefined();
      for (const bad of [
        { status: 500, body: '{}' },
        { status: 200, body: 'u_1' },
        { status: 200, body: '{"user":"u_1"}' },
        { status: 302, body: '', location: '/elsewhere' },
        { status: 200, body: `{"id":"${'x'.repeat(20_000)}"}` },
        { status: 200, body: '', hangs: true },
      ]) {
        Object.assign(answer, { hangs: false, location: undefined }, bad);
        const asked = sourceWithin('hangs' in bad ? 50 : 20_000).find('user', 'Ann');
        await expect(asked, JSON.stringify(bad).slice(0, 60)).rejects.toThrow();
      }
    }));
});

describe('a log that resolves names', () => {
  const named = (id: string, name: string): Record<string, unknown> =>
    testEvent(id, { actor: { type: 'user', name, role: 'admin' } });

  it('stores ids, refuses nothing for a name, and takes the same submission for the same', async () => {
    const { resolver, state } = desk({ 'user ann@example.com': 'u_1' });
    await withServer(
      async (server) => {
        const send = (json: unknown) => ask(server, '/test/events', { token: server.producer, json });
        expect((await send(named('n1', 'ann@example.com'))).status).toBe(201);
        state.failing = true;
        expect((await send(named('n2', 'bob@example.com'))).status).toBe(201);
        state.failing = false;
        state.nowMs = 100_000;
        // Sent again, with the resolver in another state: the same submission still.
        expect((await send(named('n2', 'bob@example.com'))).status).toBe(200);
        expect((await send(named('n2', 'carol@example.com'))).status).toBe(422);
        expect((await send(testEvent('n3', { actor: { type: 'user', name: 'x', id: 'u_1' } }))).status).toBe(422);

        const stored = await server.log.eventsAt([0, 2]);
        expect(stored.map(({ fields }) => fields.find(({ id }) => id === 'actor')?.opening?.value)).toEqual([
          '{"id":"u_1","role":"admin","type":"user"}',
          expect.stringMatching(/^\{"id":"unresolved:[a-p]{32}","role":"admin","type":"user"\}$/),
        ]);
        const everything = await server.log.eventsAt(Array.from({ length: server.log.treeSize() }, (_, i) => i));
        expect(JSON.stringify(everything)).not.toContain('example.com');
        expect((await ownEntries(server.log)).map(({ action, context }) => [action, context])).toMatchObject([
          ['countersign.security.identity-unresolved', { principals: [{ type: 'user', reason: 'resolver-failed' }] }],
          ['countersign.security.identity-unresolved', { principals: [{ type: 'user', reason: 'unknown-name' }] }],
          ['countersign.security.identity-unresolved', { principals: [{ type: 'user', reason: 'unknown-name' }] }],
          ['countersign.security.event-id-conflict', { conflicts: [{ event_id: 'n2', index: 2 }] }],
          ['countersign.submission.refused', { inputs: [{ faults: [{ pointer: '/actor/name' }] }] }],
        ]);
      },
      { served: { identity: resolver } },
    );
  });

  it('does so in batches and CloudEvents too', async () => {
    const { resolver } = desk({ 'user Ann': 'u_1' });
    await withServer(
      async (server) => {
        const lines = [
          named('b1', 'Ann'),
          named('b2', 'Bob'),
          testEvent('b3'),
          { actor: { type: 'user', name: 'Ann' } },
        ];
        const batch = await ask(server, '/test/events', {
          token: server.producer,
          body: lines.map((line) => JSON.stringify(line)).join('\n'),
          headers: { 'content-type': 'application/x-ndjson' },
        });
        expect(batch.text.match(/"status":"[a-z]+"/g)).toEqual([
          '"status":"accepted"',
          '"status":"accepted"',
          '"status":"accepted"',
          '"status":"refused"',
        ]);
        const { event_id: _, ...data } = named('', 'Ann');
        const cloudEvent = await ask(server, '/test/events', {
          token: server.producer,
          body: JSON.stringify({ specversion: '1.0', id: 'c1', source: '/x', type: 'role.grant', data }),
          headers: { 'content-type': 'application/cloudevents+json' },
        });
        expect(cloudEvent.status, cloudEvent.text).toBe(201);
        expect(await producerEvents(server.log)).toBe(4);
        const found = await ask(server, '/test/events?actor=u_1', { token: server.auditor });
        expect(JSON.parse(found.text).events).toHaveLength(2);
      },
      { served: { identity: resolver } },
    );
  });
});

interface Service {
  readonly url: string;
  readonly requests: object[];
  readonly answer: { status: number; body: string; hangs?: boolean; location?: string };
}

async function withService(work: (service: Service) => Promise<void>): Promise<void> {
  const requests: object[] = [];
  const answer: Service['answer'] = { status: 200, body: '{"id":"u_1"}' };
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      requests.push({ method: request.method, url: request.url, authorization: request.headers.authorization, body });
      if (answer.hangs === true) return;
      response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location });
      response.end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    await work({ url: `http://127.0.0.1:${port}/`, requests, answer });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
