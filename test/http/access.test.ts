import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryTokenStore, openTokenStore, roleAllows } from '../../src/trail/access.ts';

let directory = '';
let file = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-access-'));
  file = join(directory, 'tokens.json');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the tokens of a log', () => {
  it('are found by their text, again after a restart, and not once they are revoked', async () => {
    const store = await openTokenStore(file);
    const { id, token, record } = await store.create({ role: 'producer', name: 'billing' });
    expect(token).toMatch(/^cs_producer_[A-Za-z0-9_-]{43}$/);
    expect(record).toMatchObject({ id, role: 'producer', name: 'billing', producerId: id, revokedAt: null });
    expect(store.find(token)).toEqual(record);

    const again = await openTokenStore(file);
    expect(again.find(token)).toEqual(record);
    await again.revoke(id);
    expect(again.find(token)).toBeUndefined();
    expect((await openTokenStore(file)).find(token)).toBeUndefined();
    expect(again.list()).toMatchObject([{ id, revokedAt: expect.any(String) }]);
  });

  it('are stored hashed, in a file that only its owner can read', async () => {
    const store = await openTokenStore(file);
    const { token } = await store.create({ role: 'auditor', name: 'ACME audit' });
    expect(await readFile(file, 'utf8')).not.toContain(token.slice('cs_auditor_'.length));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('are not read from a file in which one bit changed', async () => {
    const { id } = await (await openTokenStore(file)).create({ role: 'auditor', name: 'ACME audit' });
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text.replace(
        id,
        id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
      ),
    );
    await expect(openTokenStore(file)).rejects.toMatchObject({ code: 'invalid-token-file' });
  });

  it('differ from every near neighbour of theirs', async () => {
    const store = memoryTokenStore();
    const { token } = await store.create({ role: 'auditor', name: 'a' });
    for (const near of [
      '',
      `${token} `,
      token.slice(0, -1),
      `${token}A`,
      token.toUpperCase(),
      token.replace('auditor', 'admin'),
      `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`,
    ]) {
      expect(store.find(near), near).toBeUndefined();
    }
  });

  it('go on with the producer of the token that they replace', async () => {
    const store = memoryTokenStore();
    const first = await store.create({ role: 'producer', name: 'billing' });
    const second = await store.create({ role: 'producer', name: 'billing', replaces: first.id });
    expect(second.record.producerId).toBe(first.id);
    await store.revoke(first.id);
    const third = await store.create({ role: 'producer', name: 'billing', replaces: second.id });
    expect(third.record.producerId).toBe(first.id);
    await expect(store.create({ role: 'auditor', name: 'x', replaces: first.id })).rejects.toMatchObject({
      code: 'not-a-producer',
    });
    await expect(store.create({ role: 'producer', name: 'x', replaces: 'tok_none' })).rejects.toMatchObject({
      code: 'unknown-token',
    });
  });

  it('always leave one admin, who can still manage them', async () => {
    const store = memoryTokenStore();
    const first = await store.create({ role: 'admin', name: 'a' });
    await expect(store.revoke(first.id)).rejects.toMatchObject({ code: 'last-admin' });
    await store.create({ role: 'admin', name: 'b' });
    await store.revoke(first.id);
    await expect(store.revoke(first.id)).rejects.toMatchObject({ code: 'unknown-token' });
  });

  it.each(['', 'a\nb', 'a\tb', '\u202eevil', 'x'.repeat(101)])('cannot be named %j', async (name) => {
    const store = memoryTokenStore();
    await expect(store.create({ role: 'admin', name })).rejects.toMatchObject({ code: 'invalid-token-name' });
    expect(store.list()).toEqual([]);
  });

  it('are all kept when many are created at once', async () => {
    const store = await openTokenStore(file);
    const created = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.create({ role: 'producer', name: `p${i}` })),
    );
    const again = await openTokenStore(file);
    for (const { token, record } of created) expect(again.find(token)).toEqual(record);
  });

  it.each(['', '{}', '{"version":2,"tokens":[]}', '{"version":1,"tokens":[{"id":"x"}]}'])(
    'are not guessed from a damaged file: %s',
    async (text) => {
      await writeFile(file, text);
      await expect(openTokenStore(file)).rejects.toMatchObject({ code: 'invalid-token-file' });
    },
  );
});

describe('roles', () => {
  it('allow themselves, and an admin what an auditor may', () => {
    const roles = ['producer', 'auditor', 'admin'] as const;
    const allowed = roles.flatMap((role) =>
      roles.filter((needed) => roleAllows(role, needed)).map((n) => `${role}>${n}`),
    );
    expect(allowed).toEqual(['producer>producer', 'auditor>auditor', 'admin>auditor', 'admin>admin']);
  });
});
