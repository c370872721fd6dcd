/** Reads of heads, tiles and proofs, and the conventions of C2SP around them. */
import { get } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { base64Decode } from '../../proofs/bytes.ts';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { cosign } from '../../proofs/cosignature.ts';
import { leafHash } from '../../proofs/hash.ts';
import { makeSignerKey } from '../../proofs/key.ts';
import { formatSignatureLines } from '../../proofs/note.ts';
import { checkCheckpoint, parsePolicy } from '../../proofs/policy.ts';
import { decodeEntryBundle, decodeTile, formatTilePath, tilesForSize } from '../../proofs/tile.ts';
import { ask, startServer, type TestServer, withServer } from '../support/http.ts';
import { preparedEvent, until } from '../support/test-log.ts';

const EVENTS = 300;

describe('reads of a log', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer();
    await server.log.submit(Array.from({ length: EVENTS }, (_, i) => preparedEvent(`e${i}`)));
    await server.publish();
  });

  afterAll(() => server.stop());

  describe('GET checkpoint and head', () => {
    it('answer with the cosigned checkpoint as text, to be asked for again each time', async () => {
      const { status, headers, text } = await ask(server, '/test/checkpoint');
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(headers.get('cache-control')).toBe('no-cache');
      expect(headers.get('access-control-allow-origin')).toBe('*');
      const checked = checkCheckpoint(parsePolicy(server.keys.policyText), text);
      expect(checked).toMatchObject({ quorum: true, checkpoint: { origin: 'log.example/test', size: EVENTS } });
      expect(parseCheckpoint((await ask(server, '/test/head')).text).checkpoint).toEqual(checked.checkpoint);
    });

    it.each(['/test/checkpoint', '/test/head'])('answer 304 to who has it: %s', async (path) => {
      const etag = (await ask(server, path)).headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
      for (const value of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const answer = await ask(server, path, { headers: { 'if-none-match': value } });
        expect([answer.status, answer.text], value).toEqual([304, '']);
      }
      for (const value of ['"other"', etag.slice(1, -1), '']) {
        expect((await ask(server, path, { headers: { 'if-none-match': value } })).status, value).toBe(200);
      }
    });
  });

  describe('GET tile', () => {
    it('serves every tile and bundle of the tree as immutable bytes', async () => {
      const leaves = [];
      for (const coordinates of tilesForSize(EVENTS)) {
        const path = formatTilePath(coordinates);
        const response = await fetch(`${server.url}/test/${path}`);
        expect(response.status, path).toBe(200);
        expect(response.headers.get('content-type')).toBe('application/octet-stream');
        expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
        expect(response.headers.get('access-control-allow-origin')).toBe('*');
        const hashes = decodeTile(new Uint8Array(await response.arrayBuffer()));
        expect(hashes).toHaveLength(coordinates.width);
        if (coordinates.level === 0) leaves.push(...hashes);
      }
      const entries = [];
      for (const path of ['tile/entries/000', 'tile/entries/001.p/44']) {
        const response = await fetch(`${server.url}/test/${path}`);
        entries.push(...decodeEntryBundle(new Uint8Array(await response.arrayBuffer())));
      }
      expect(entries.map(leafHash)).toEqual(leaves);
    });

    it('compresses bundles for who accepts gzip, and only for those', async () => {
      const encodingFor = async (accept: string): Promise<string | null> => {
        const { status, headers } = await ask(server, '/test/tile/entries/000', {
          headers: { 'accept-encoding': accept },
        });
        expect([status, headers.get('vary')]).toEqual([200, 'accept-encoding']);
        return headers.get('content-encoding');
      };
      for (const accept of ['gzip', 'identity, gzip;q=0.5', 'GZIP', '*'])
        expect(await encodingFor(accept), accept).toBe('gzip');
      for (const accept of ['identity', 'gzip;q=0', 'gzip; q=0.000', 'br', 'xgzip']) {
        expect(await encodingFor(accept), accept).toBeNull();
      }
      const url = `${server.url}/test/tile/entries/000`;
      expect(gunzipSync(await onTheWire(url, 'gzip'))).toEqual(await onTheWire(url, 'identity'));
    });

    it.each([
      'tile/0/002',
      'tile/0/001.p/45',
      'tile/0/001',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/08',
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/0/x000/000',
      'tile/00/000',
      'tile/-1/000',
      'tile/+1/000',
      'tile/1/000.p/2',
      'tile/2/000.p/1',
      'tile/63/000',
      'tile/64/000',
      'tile/256/000',
      'tile/entries/002',
      'tile/entries/000.p/',
      'tile/Entries/000',
      'tile/0/000/',
      'tile//0/000',
      'tile/0/%30%30%30',
      'tile/0/000?a=1',
      'tile/0',
      'tile/',
      'tile/0/x999/x999/x999/x999/x999/x999/999',
    ])('is 404 without a cache header at %s', async (path) => {
      const { status, headers, json } = await ask(server, `/test/${path}`);
      expect(status).toBe(404);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('access-control-allow-origin')).toBe('*');
      expect(headers.get('content-type')).toBe('application/problem+json');
      expect(json()['type']).toMatch(/^urn:countersign:problem:unknown-(tile|path)$/);
    });
  });

  describe('GET proof', () => {
    it('proves that a leaf is in a tree of any signed size', async () => {
      for (const [index, size] of [
        [0, 1],
        [0, EVENTS],
        [255, 256],
        [256, 257],
        [EVENTS - 1, EVENTS],
      ] as const) {
        const { status, json } = await ask(server, `/test/proof/inclusion?index=${index}&size=${size}`);
        expect(status).toBe(200);
        const { leaf_hash, root, proof } = json();
        checkInclusion({ index, size, leafHash: bytes(leaf_hash), root: bytes(root), proof: list(proof) });
      }
    });

    it('proves that one tree is a prefix of another', async () => {
      for (const [from, to] of [
        [1, EVENTS],
        [256, EVENTS],
        [EVENTS, EVENTS],
        [7, 8],
        [0, EVENTS],
      ] as const) {
        const { status, json } = await ask(server, `/test/proof/consistency?from=${from}&to=${to}`);
        expect(status).toBe(200);
        const { from_root, to_root, proof } = json();
        checkConsistency({ from, to, fromRoot: bytes(from_root), toRoot: bytes(to_root), proof: list(proof) });
      }
    });

    it.each([
      ['inclusion?index=0', 400, 'missing-parameter', 'size'],
      ['inclusion?size=1', 400, 'missing-parameter', 'index'],
      ['inclusion?index=1&size=1', 400, 'invalid-parameter', 'index'],
      ['inclusion?index=00&size=1', 400, 'invalid-parameter', 'index'],
      ['inclusion?index=-1&size=1', 400, 'invalid-parameter', 'index'],
      ['inclusion?index=%2B1&size=2', 400, 'invalid-parameter', 'index'],
      ['inclusion?index=1e1&size=20', 400, 'invalid-parameter', 'index'],
      ['inclusion?index=0&size=9007199254740993', 400, 'invalid-parameter', 'size'],
      ['inclusion?index=0&size=1&size=1', 400, 'invalid-parameter', 'size'],
      ['inclusion?index=0&size=1&x=1', 400, 'unknown-parameter', 'x'],
      ['inclusion?index=0&size=301', 404, 'size-not-signed', undefined],
      ['consistency?from=2&to=1', 400, 'invalid-parameter', 'from'],
      ['consistency?from=1&to=301', 404, 'size-not-signed', undefined],
      ['consistency?from=1', 400, 'missing-parameter', 'to'],
    ])('refuses %s with %i %s', async (query, status, type, parameter) => {
      const answer = await ask(server, `/test/proof/${query}`);
      expect(answer.status).toBe(status);
      expect(answer.json()).toMatchObject({
        type: `urn:countersign:problem:${type}`,
        status,
        ...(parameter === undefined ? {} : { errors: [{ parameter }] }),
      });
    });
  });

  it('GET log.json says what a verifier pins', async () => {
    const { status, json } = await ask(server, '/test/log.json');
    expect(status).toBe(200);
    expect(json()).toMatchObject({
      name: 'test',
      origin: 'log.example/test',
      kind: 'audit',
      policy: server.keys.policyText,
      vkeys: [parsePolicy(server.keys.policyText).logs[0]?.key.vkey],
      limits: { event_bytes: 65_536, batch_lines: 10_000, page_events: 1_000 },
    });
  });

  it('HEAD answers like GET, without the body', async () => {
    const { status, headers, text } = await ask(server, '/test/checkpoint', { method: 'HEAD' });
    expect([status, text]).toEqual([200, '']);
    expect(headers.get('etag')).toBe((await ask(server, '/test/checkpoint')).headers.get('etag'));
  });

  it.each([
    ['PUT', '/test/checkpoint', 405, 'GET, HEAD'],
    ['POST', '/test/checkpoint', 405, 'GET, HEAD'],
    ['DELETE', '/test/events', 405, 'GET, HEAD, POST'],
    ['GET', '/test/cosignatures', 405, 'POST'],
    ['GET', '/test/nothing', 404, null],
    ['GET', '/test', 404, null],
    ['GET', '/test/checkpoint/', 404, null],
    ['GET', '/other/checkpoint', 404, null],
    ['GET', '/TEST/checkpoint', 404, null],
  ])('%s %s is %i', async (method, path, status, allow) => {
    const answer = await ask(server, path, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow]);
    expect(answer.json()).toMatchObject({ status, instance: expect.stringMatching(/^urn:uuid:/) });
  });
});

describe('POST cosignatures', () => {
  it('publishes a head as soon as the quorum has cosigned it, and not before', () =>
    withServer(async (server) => {
      await until(() => server.log.head() !== undefined);
      const head = server.log.head() ?? '';
      const { checkpoint } = parseCheckpoint(head);
      const post = (lines: string) =>
        ask(server, '/test/cosignatures', { body: head + lines, headers: { 'content-type': 'text/plain' } });
      const [w1, w2] = server.keys.witnesses.map((witness) =>
        formatSignatureLines([cosign(checkpoint, witness, 1_767_882_727)]),
      );

      expect((await ask(server, '/test/checkpoint')).json()).toMatchObject({
        type: 'urn:countersign:problem:no-head-yet',
      });
      expect((await post(w1 ?? '')).text).toBe('{"accepted":1}\n');
      expect((await ask(server, '/test/checkpoint')).status).toBe(404);
      expect((await post(w2 ?? '')).text).toBe('{"accepted":1}\n');
      const published = await ask(server, '/test/checkpoint');
      expect(checkCheckpoint(server.log.policy, published.text).quorum).toBe(true);
    }));

  it('keeps nothing that does not verify', () =>
    withServer(async (server) => {
      await until(() => server.log.head() !== undefined);
      const head = server.log.head() ?? '';
      const { checkpoint } = parseCheckpoint(head);
      const stranger = makeSignerKey('witness.example/w1', 4, new Uint8Array(32).fill(9));
      const [w1] = server.keys.witnesses;
      if (w1 === undefined) throw new Error('the test has no witness');
      const good = formatSignatureLines([cosign(checkpoint, w1, 1_767_882_727)]);
      const forged = good.replace(/.{8}\n$/, 'AAAAAAA=\n');
      const bodies: readonly (readonly [string | Uint8Array<ArrayBuffer>, number, string])[] = [
        ['', 422, 'invalid-cosignatures'],
        ['hello', 422, 'invalid-cosignatures'],
        [new Uint8Array([0xff, 0x0a]), 422, 'invalid-cosignatures'],
        [head.replaceAll('\n', '\r\n'), 422, 'invalid-cosignatures'],
        [head, 422, 'invalid-cosignatures'],
        [head + formatSignatureLines([cosign(checkpoint, stranger, 1)]), 422, 'invalid-cosignatures'],
        [head + forged, 422, 'invalid-cosignatures'],
        [head.replace(/\n0\n/, '\n1\n') + good, 409, 'unknown-head'],
        ['x'.repeat(262_145), 413, 'body-too-large'],
      ];
      for (const [body, status, type] of bodies) {
        const answer = await ask(server, '/test/cosignatures', { body, headers: { 'content-type': 'text/plain' } });
        expect([answer.status, answer.json()['type']], String(body).slice(0, 80)).toEqual([
          status,
          `urn:countersign:problem:${type}`,
        ]);
      }
      expect(server.log.checkpoint()).toBeUndefined();
      expect((await ask(server, '/test/cosignatures', { body: head + good })).text).toBe('{"accepted":1}\n');
    }));
});

/** The body as it was sent: fetch would undo the encoding. */
function onTheWire(url: string, encoding: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { 'accept-encoding': encoding } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
    }).on('error', reject);
  });
}

function bytes(base64: unknown): Uint8Array {
  return base64Decode(String(base64));
}

function list(hashes: unknown): Uint8Array[] {
  if (!Array.isArray(hashes)) throw new Error('not a list');
  return hashes.map(bytes);
}
