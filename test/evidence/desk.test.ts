/** The desk that makes bundles: what a restart finds again, what it makes again, and what gives way. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyBundle } from '../../proofs/verify-bundle.ts';
import { type EvidenceDesk, type EvidenceDeskOptions, openEvidenceDesk } from '../../src/evidence/desk.ts';
import { readBundleZip } from '../../src/evidence/read-zip.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import type { Principal } from '../../src/trail/access.ts';
import { parseQuery } from '../../src/trail/query.ts';
import { ask, startServer, type TestServer, testEvent } from '../support/http.ts';
import { until } from '../support/test-log.ts';

const AUDITOR: Principal = { id: 'tok_auditor', role: 'auditor', producerId: null, scope: null };
const QUESTION = { query: parseQuery('action:role.grant'), scope: null };

let server: TestServer;
let directory = '';
let made = 0;
let nowMs = 1_767_882_727_000;

beforeEach(async () => {
  server = await startServer();
  directory = await mkdtemp(path.join(tmpdir(), 'countersign-desk-'));
  for (let i = 0; i < 5; i++) {
    await ask(server, '/test/events', { token: server.producer, json: testEvent(`e${i}`) });
  }
});
afterEach(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

function openDesk(limits: EvidenceDeskOptions['limits'] = {}): Promise<EvidenceDesk> {
  const { log, trail, keys } = server;
  return openEvidenceDesk({
    ...{ log, trail, signers: keys.signers, directory, hasher: nativeHasher, limits },
    nowMs: () => nowMs,
    newId: () => `bundle-${++made}`,
  });
}

async function makeOne(desk: EvidenceDesk): Promise<string> {
  const { id } = await desk.request(QUESTION, AUDITOR);
  await server.publish();
  await until(() => desk.status(id, AUDITOR).current.state === 'ready', 'the bundle');
  return id;
}

describe('the desk', () => {
  it('finds a bundle again after a restart, byte for byte', async () => {
    const before = await openDesk();
    const id = await makeOne(before);
    const { sha256, file } = before.open(id, AUDITOR);
    const bytes = await readFile(file);
    await before.close();
    const after = await openDesk();
    expect(after.open(id, AUDITOR)).toMatchObject({ sha256, bytes: bytes.length });
    expect(await readFile(after.open(id, AUDITOR).file)).toEqual(bytes);
    expect(after.status(id, AUDITOR).current).toMatchObject({ state: 'ready', counts: { matched: 5 } });
    await after.close();
  });

  it('makes again after a restart what was being made, from the same question and the same end', async () => {
    const before = await openDesk();
    const { id, entry } = await before.request(QUESTION, AUDITOR);
    await before.close();
    expect(before.status(id, AUDITOR).current.state).toBe('failed');
    await ask(server, '/test/events', { token: server.producer, json: testEvent('later') });
    const after = await openDesk();
    expect(after.status(id, AUDITOR)).toMatchObject({ entry, range: { start: 0, end: 5 } });
    await server.publish();
    await until(() => after.status(id, AUDITOR).current.state === 'ready', 'the bundle');
    const files = readBundleZip(await readFile(after.open(id, AUDITOR).file));
    expect(verifyBundle({ files, policy: server.keys.policyText })).toMatchObject({ verdict: 'PASS', examined: 5 });
    await after.close();
  });

  it('removes what a crash left, and makes again what lost its zip', async () => {
    const before = await openDesk();
    const id = await makeOne(before);
    const { file } = before.open(id, AUDITOR);
    await before.close();
    await rm(file);
    await writeFile(path.join(directory, 'stray.zip'), 'PK');
    await writeFile(path.join(directory, 'broken.json'), '{"id":');
    const after = await openDesk();
    expect((await readdir(directory)).filter((name) => !name.startsWith(id))).toEqual([]);
    await until(() => after.status(id, AUDITOR).current.state === 'ready', 'the bundle');
    await after.close();
  });

  it('gives a bundle to nobody else, and to nobody who may see less by now', async () => {
    const desk = await openDesk();
    const id = await makeOne(desk);
    const other = { ...AUDITOR, id: 'tok_other' };
    expect(() => desk.open(id, other)).toThrow(expect.objectContaining({ code: 'unknown-bundle' }));
    const narrowed = { ...AUDITOR, scope: { actions: ['role.grant'] } };
    expect(() => desk.open(id, narrowed)).toThrow(expect.objectContaining({ code: 'scope-changed' }));
    expect(() => desk.status(id, narrowed)).toThrow(expect.objectContaining({ code: 'scope-changed' }));
    await desk.close();
  });

  it('keeps a bounded number of bundles, for a bounded time, also over a restart', async () => {
    const desk = await openDesk({ maxKept: 2 });
    const ids = [await makeOne(desk), await makeOne(desk), await makeOne(desk)];
    expect(() => desk.open(ids[0] ?? '', AUDITOR)).toThrow(expect.objectContaining({ code: 'unknown-bundle' }));
    expect(desk.open(ids[2] ?? '', AUDITOR).bytes).toBeGreaterThan(0);
    await desk.close();
    nowMs += 86_400_001;
    const after = await openDesk({ maxKept: 2 });
    expect(() => after.open(ids[2] ?? '', AUDITOR)).toThrow(expect.objectContaining({ code: 'unknown-bundle' }));
    expect(await readdir(directory)).toEqual([]);
    await after.close();
  });

  it('lets the oldest give way when all of them together are too large', async () => {
    const first = await openDesk();
    const id = await makeOne(first);
    const { bytes } = first.open(id, AUDITOR);
    await first.close();
    const desk = await openDesk({ maxKeptBytes: Math.floor(bytes * 1.6) });
    const next = await makeOne(desk);
    await until(() => {
      try {
        return desk.open(id, AUDITOR) === undefined;
      } catch {
        return true;
      }
    }, 'room');
    expect(desk.open(next, AUDITOR).bytes).toBeGreaterThan(0);
    await desk.close();
  });
});
