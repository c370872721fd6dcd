/** Tokens as entries: what the file says is held against what was announced, and nothing goes in twice. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeRedactor } from '../../src/events/redact/redact.ts';
import { writeRules } from '../../src/events/write-rules.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { openTokenStore, type TokenStore } from '../../src/trail/access.ts';
import { createRecorder, type Recorder } from '../../src/trail/record.ts';
import { reconcileTokens, tokenCreated, tokenRevoked } from '../../src/trail/token-entries.ts';
import { ask, ownEntries, testContexts, withServer } from '../support/http.ts';
import { openTestLog, type TestLog, withDirectory } from '../support/test-log.ts';

const ADMIN = { type: 'token', id: 'tok_admin', role: 'admin' };

interface Desk extends TestLog {
  readonly recorder: Recorder;
  readonly file: string;
  readonly open: () => Promise<TokenStore>;
}

/** A log with the real redaction in front, and the file of its tokens. */
function withDesk(work: (desk: Desk) => Promise<void>): Promise<void> {
  return withDirectory(async (directory) => {
    const test = await openTestLog(directory, { openStore: async () => openMemoryStore() });
    const contexts = testContexts();
    const rules = writeRules(makeRedactor(new Set()), null, []);
    let ids = 0;
    const recorder = createRecorder({
      log: test.log,
      prepareContext: (producerId) => ({ ...contexts(producerId), ...rules }),
      nowMs: Date.now,
      newId: () => `own-${++ids}`,
    });
    const file = join(directory, 'tokens.json');
    try {
      await work({ ...test, recorder, file, open: () => openTokenStore(file) });
    } finally {
      await test.log.close();
    }
  });
}

/** As somebody would who may write the file: the digest goes with the change. */
async function edit(file: string, change: (text: string) => string): Promise<void> {
  const withoutDigest = (text: string): string => text.replace(/,\s*"sha256": "[0-9a-f]{64}"\s*\}\s*$/, '}');
  await writeFile(file, withoutDigest(change(await readFile(file, 'utf8'))));
}

describe('the tokens of a log, held against its entries when it is opened,', () => {
  it('become entries once, with what they may do and without what they are', () =>
    withDesk(async ({ log, recorder, open }) => {
      const tokens = await open();
      const { id, token } = await tokens.create({
        role: 'auditor',
        name: 'Ann of ACME',
        scope: { actions: ['role.grant'] },
        expiresAt: '2199-01-01T00:00:00Z',
      });
      expect(await reconcileTokens(log, recorder, tokens)).toEqual({ announced: [id], revoked: [] });
      expect(await reconcileTokens(log, recorder, await open())).toEqual({ announced: [], revoked: [] });
      const entries = await ownEntries(log);
      expect(entries).toMatchObject([
        {
          action: 'countersign.token.create',
          actor: { type: 'system', id: 'countersign' },
          target: { type: 'token', id },
          reason: expect.stringContaining('found'),
          context: { role: 'auditor', scope: { actions: ['role.grant'] }, expires_at: '2199-01-01T00:00:00Z' },
        },
      ]);
      const text = JSON.stringify(entries);
      expect(text).not.toContain('Ann');
      expect(text).not.toContain(token.slice('cs_auditor_'.length));
    }));

  it('are not announced again when an admin had them announced', () =>
    withDesk(async ({ log, recorder, open }) => {
      const tokens = await open();
      await tokens.create({ role: 'admin', name: 'a' }, async (record) => {
        await recorder.record(tokenCreated(record, ADMIN));
      });
      expect(await reconcileTokens(log, recorder, tokens)).toEqual({ announced: [], revoked: [] });
      expect(log.treeSize()).toBe(1);
    }));

  it('are announced again when somebody widened one in the file', () =>
    withDesk(async ({ log, recorder, open, file }) => {
      const tokens = await open();
      const { id } = await tokens.create({ role: 'auditor', name: 'a', scope: { tenants: ['acme'] } });
      await reconcileTokens(log, recorder, tokens);
      await edit(file, (text) => text.replace('"acme"', '"acme", "umbrella"'));
      expect(await reconcileTokens(log, recorder, await open())).toEqual({ announced: [id], revoked: [] });
      expect(await ownEntries(log)).toMatchObject([
        { context: { scope: { tenants: ['acme'] } } },
        { context: { scope: { tenants: ['acme', 'umbrella'] } } },
      ]);
    }));

  it('stay dead when the file brings a revoked one back to life', () =>
    withDesk(async ({ log, recorder, open, file }) => {
      const tokens = await open();
      const { id, token } = await tokens.create({ role: 'admin', name: 'a' });
      await tokens.create({ role: 'admin', name: 'b' });
      await reconcileTokens(log, recorder, tokens);
      await tokens.revoke(id);
      await recorder.record(tokenRevoked(id, ADMIN));
      await edit(file, (text) => text.replace(/,\s*"revoked_at": "[^"]*"/, ''));
      const again = await open();
      expect(again.find(token)).toBeDefined();
      expect(await reconcileTokens(log, recorder, again)).toEqual({ announced: [], revoked: [id] });
      expect(again.find(token)).toBeUndefined();
      expect((await open()).find(token)).toBeUndefined();
    }));

  it('are recorded as revoked when a crash came between the revocation and its entry', () =>
    withDesk(async ({ log, recorder, open }) => {
      const tokens = await open();
      const { id } = await tokens.create({ role: 'auditor', name: 'a' });
      await reconcileTokens(log, recorder, tokens);
      await tokens.revoke(id);
      await reconcileTokens(log, recorder, await open());
      await reconcileTokens(log, recorder, await open());
      expect(await ownEntries(log)).toMatchObject([
        { action: 'countersign.token.create' },
        { action: 'countersign.token.revoke', target: { id } },
      ]);
    }));

  it('have ids that redaction takes for no secret', () =>
    withDesk(async ({ log, recorder, open }) => {
      const tokens = await open();
      for (let i = 0; i < 200; i++) await tokens.create({ role: 'auditor', name: `a${i}` });
      await reconcileTokens(log, recorder, tokens);
      expect((await ownEntries(log)).map(({ target }) => target)).toEqual(
        tokens.list().map(({ id }) => ({ type: 'token', id })),
      );
    }));
});

describe('creating and revoking tokens over HTTP', () => {
  it('are entries by the admin who did it', () =>
    withServer(async (server) => {
      const created = await ask(server, '/test/tokens', {
        token: server.admin,
        json: { role: 'auditor', name: 'x', scope: { tenants: ['acme'] }, expires_at: '2026-02-01T00:00:00Z' },
      });
      expect(created.status, created.text).toBe(201);
      expect(created.json()).toMatchObject({ scope: { tenants: ['acme'] }, expires_at: '2026-02-01T00:00:00Z' });
      const id = String(created.json()['id']);
      await ask(server, `/test/tokens/${id}`, { method: 'DELETE', token: server.admin });
      const actor = { type: 'token', id: server.tokens.list()[2]?.id, role: 'admin' };
      expect(await ownEntries(server.log)).toMatchObject([
        { action: 'countersign.token.create', actor, target: { id }, context: { scope: { tenants: ['acme'] } } },
        { action: 'countersign.token.revoke', actor, target: { id } },
      ]);
    }));

  it('make no token that could not be recorded, and revoke one even then', () =>
    withServer(async (server) => {
      const { submit } = server.log;
      const { id, token } = await server.tokens.create({ role: 'auditor', name: 'x' });
      const count = server.tokens.list().length;
      Object.assign(server.log, {
        submit: async () => {
          throw new Error('the disk is full');
        },
      });
      const created = await ask(server, '/test/tokens', { token: server.admin, json: { role: 'admin', name: 'y' } });
      expect(created.status).toBe(500);
      expect(server.tokens.list()).toHaveLength(count);
      const revoked = await ask(server, `/test/tokens/${id}`, { method: 'DELETE', token: server.admin });
      expect(revoked.status).toBe(204);
      expect(server.tokens.find(token)).toBeUndefined();
      Object.assign(server.log, { submit });
      expect(await server.trail.deferred.close()).toBe(0);
      expect(await ownEntries(server.log)).toMatchObject([{ action: 'countersign.token.revoke', target: { id } }]);
    }));

  it.each<[body: object, type: string]>([
    [{ role: 'producer', name: 'x', scope: { tenants: ['acme'] } }, 'invalid-scope'],
    [{ role: 'admin', name: 'x', scope: { tenants: ['acme'] } }, 'invalid-scope'],
    [{ role: 'auditor', name: 'x', scope: {} }, 'invalid-scope'],
    [{ role: 'auditor', name: 'x', scope: { actions: ['role'] } }, 'invalid-scope'],
    [{ role: 'auditor', name: 'x', scope: { actors: ['u_1'] } }, 'invalid-body'],
    [{ role: 'auditor', name: 'x', expires_at: '2026-01-01T00:00:00Z' }, 'invalid-expiry'],
    [{ role: 'auditor', name: 'x', expires_at: 'tomorrow' }, 'invalid-expiry'],
  ])('refuse %j with %s, and make no entry', (body, type) =>
    withServer(async (server) => {
      const answer = await ask(server, '/test/tokens', { token: server.admin, json: body });
      expect([answer.status, answer.json()['type']]).toEqual([422, `urn:countersign:problem:${type}`]);
      expect(server.log.treeSize()).toBe(0);
      expect(server.tokens.list()).toHaveLength(3);
    }),
  );

  it('keep one admin without an end', () =>
    withServer(async (server) => {
      const created = await ask(server, '/test/tokens', {
        token: server.admin,
        json: { role: 'admin', name: 'guest', expires_at: '2026-02-01T00:00:00Z' },
      });
      expect(created.status).toBe(201);
      const own = server.tokens.list()[2]?.id;
      const answer = await ask(server, `/test/tokens/${own}`, { method: 'DELETE', token: server.admin });
      expect([answer.status, answer.json()['type']]).toEqual([409, 'urn:countersign:problem:last-admin']);
    }));
});
