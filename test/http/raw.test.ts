/** A raw log over HTTP, beside an audit log of the same server. */
import { describe, expect, it } from 'vitest';
import { base64Decode, base64Encode, utf8Encode } from '../../proofs/bytes.ts';
import { checkInclusion } from '../../proofs/check.ts';
import { leafHash } from '../../proofs/hash.ts';
import { decodeEntryBundle, MAX_BUNDLE_ENTRY_BYTES } from '../../proofs/tile.ts';
import type { ServedRawLog } from '../../src/http/route.ts';
import type { OpenRawLogOptions } from '../../src/log/raw-log.ts';
import type { RawLog } from '../../src/log/types.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { memoryTokenStore } from '../../src/trail/access.ts';
import { ask, type TestServer, withServer } from '../support/http.ts';
import { openTestRawLog, publishAll, testKeys, until, withDirectory } from '../support/test-log.ts';

interface Raw {
  readonly server: TestServer;
  readonly log: RawLog;
  readonly producer: string;
  readonly auditor: string;
}

/** Serves a raw log `raw` that wants a token, and the same one as `open`, that wants none. */
function withRaw(work: (raw: Raw) => Promise<void>, options: Partial<OpenRawLogOptions> = {}): Promise<void> {
  return withDirectory(async (directory) => {
    const { log } = await openTestRawLog(directory, {
      ...{ name: 'raw', openStore: async () => openMemoryStore() },
      ...options,
    });
    const tokens = memoryTokenStore();
    const { token: producer } = await tokens.create({ role: 'producer', name: 'loader' });
    const { token: auditor } = await tokens.create({ role: 'auditor', name: 'reader' });
    const beside = new Map<string, ServedRawLog>([
      ['raw', { log, tokens, open: false }],
      ['open', { log, tokens, open: true }],
    ]);
    try {
      await withServer((server) => work({ server, log, producer, auditor }), { beside });
    } finally {
      await log.close();
    }
  });
}

describe('POST add', () => {
  it('answers the decimal index and nothing else, and the same for the same bytes', async () => {
    await withRaw(async ({ server, producer }) => {
      for (const [body, index] of [
        ['first', '0'],
        ['second', '1'],
        ['first', '0'],
      ] as const) {
        const answer = await ask(server, '/raw/add', { token: producer, body });
        expect([answer.status, answer.text]).toEqual([200, index]);
        expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
        expect(answer.headers.get('cache-control')).toBe('no-store');
      }
    });
  });

  it('takes any bytes up to the most that a bundle holds, and refuses one more', async () => {
    await withRaw(async ({ server, log }) => {
      const longest = new Uint8Array(MAX_BUNDLE_ENTRY_BYTES).fill(0xff);
      expect((await ask(server, '/open/add', { body: longest })).text).toBe('0');
      expect((await ask(server, '/open/add', { method: 'POST', body: new Uint8Array(0) })).text).toBe('1');
      const longer = await ask(server, '/open/add', { body: new Uint8Array(MAX_BUNDLE_ENTRY_BYTES + 1) });
      expect([longer.status, longer.json()['type']]).toEqual([413, 'urn:countersign:problem:body-too-large']);
      expect(await log.entryAt(0)).toEqual(longest);
      expect(log.treeSize()).toBe(2);
    });
  });

  it('wants a producer token, unless the log is open', async () => {
    await withRaw(async ({ server, producer, auditor, log }) => {
      const refusals = [
        [undefined, 401, 'missing-token'],
        ['nonsense', 401, 'invalid-token'],
        [server.producer, 401, 'invalid-token'],
        [auditor, 403, 'forbidden-role'],
      ] as const;
      for (const [token, status, code] of refusals) {
        const answer = await ask(server, '/raw/add', { token, body: 'x' });
        expect([answer.status, answer.json()['type']]).toEqual([status, `urn:countersign:problem:${code}`]);
      }
      expect(log.treeSize()).toBe(0);
      expect((await ask(server, '/raw/add', { token: producer, body: 'x' })).status).toBe(200);
      expect((await ask(server, '/open/add', { body: 'y' })).status).toBe(200);
    });
  });

  it('pushes back with 503 and Retry-After when the log has too much to do', async () => {
    await withRaw(
      async ({ server, log }) => {
        const answer = await ask(server, '/open/add', { body: 'x'.repeat(500) });
        expect([answer.status, answer.json()['type']]).toEqual([503, 'urn:countersign:problem:overloaded']);
        expect(answer.headers.get('retry-after')).toBe('1');
        expect(log.treeSize()).toBe(0);
      },
      { limits: { maxQueuedBytes: 400 } },
    );
  });
});

describe('a raw log', () => {
  it('is read as any log is: checkpoint, tiles, bundles, proofs', async () => {
    const keys = testKeys();
    await withRaw(
      async ({ server, log }) => {
        const entries = Array.from({ length: 300 }, (_, i) => utf8Encode(`entry ${i}`));
        await log.add(entries);
        await publishAll(log, keys);
        await until(() => log.publishedSize() === 300);
        expect((await ask(server, '/raw/checkpoint')).text).toBe(log.checkpoint());
        const bundle = await fetch(`${server.url}/raw/tile/entries/000`);
        expect(decodeEntryBundle(new Uint8Array(await bundle.arrayBuffer()))).toEqual(entries.slice(0, 256));
        const answer = (await ask(server, '/raw/proof/inclusion?index=299&size=300')).json();
        const proof = answer['proof'];
        if (!Array.isArray(proof)) throw new Error('there is no proof');
        expect(answer['leaf_hash']).toBe(base64Encode(leafHash(utf8Encode('entry 299'))));
        checkInclusion({
          ...{ index: 299, size: 300, leafHash: leafHash(utf8Encode('entry 299')) },
          ...{ proof: proof.map(String).map(base64Decode), root: base64Decode(String(answer['root'])) },
        });
      },
      { signers: keys.signers, policyText: keys.policyText },
    );
  });

  it('says what it is in log.json, in health, in metrics and on the page', async () => {
    await withRaw(async ({ server }) => {
      const description = (await ask(server, '/raw/log.json')).json();
      expect(description).toMatchObject({
        ...{ kind: 'raw', open: false, deduplicates: true, limits: { entry_bytes: MAX_BUNDLE_ENTRY_BYTES } },
      });
      expect((await ask(server, '/test/log.json')).json()).toMatchObject({ kind: 'audit' });
      const { logs } = (await ask(server, '/healthz')).json();
      expect(logs).toMatchObject([{ kind: 'raw' }, { kind: 'raw' }, { kind: 'audit' }]);
      await ask(server, '/open/add', { body: 'x' });
      const metrics = (await ask(server, '/metrics')).text;
      expect(metrics).toMatch(/countersign_log_tree_size\{log="open"\} 1/);
      expect(metrics).toMatch(/countersign_events_submitted_total\{log="raw",outcome="accepted"\} 1/);
      expect((await ask(server, '/')).text).toContain('1 entries');
    });
  });

  it('has no audit routes, and an audit log takes no opaque bytes: each says which kind it is', async () => {
    await withRaw(async ({ server, producer }) => {
      const wrong = [
        ['/raw/events', 'POST', 'not-an-audit-log'],
        ['/raw/events', 'GET', 'not-an-audit-log'],
        ['/raw/events/x/proof', 'GET', 'not-an-audit-log'],
        ['/raw/catalogue', 'GET', 'not-an-audit-log'],
        ['/raw/tokens', 'GET', 'not-an-audit-log'],
        ['/test/add', 'POST', 'not-a-raw-log'],
      ] as const;
      for (const [path, method, code] of wrong) {
        const answer = await ask(server, path, { method, token: producer });
        expect([path, answer.status, answer.json()['type']]).toEqual([path, 404, `urn:countersign:problem:${code}`]);
      }
    });
  });
});
