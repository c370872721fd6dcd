/**
 * Conversations with a running witness over HTTP: what a log says, what the witness answers, line by line. Every row of
 * "Bad inputs and their expected answers" for a witness is said here at least once.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { base64Encode, concatBytes, utf8Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { signCheckpoint, verifySubtreeCosignature } from '../../proofs/cosignature.ts';
import { EMPTY_ROOT, type Hash } from '../../proofs/hash.ts';
import { makeSignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { makeSignature, parseSignatureLines } from '../../proofs/note.ts';
import { localCosigner } from '../../witness/cosigner.ts';
import { originHash } from '../../witness/logs.ts';
import { MAX_REQUEST_BYTES } from '../../witness/request.ts';
import type { Witness } from '../../witness/witness.ts';
import { serve, type WitnessClient } from './support/client.ts';
import {
  CLOCK_SECONDS,
  memoryWitness,
  requestOf,
  seed,
  signedHead,
  testLog,
  verifiedLines,
  WITNESS_NAME,
  witnessEd25519,
  witnessMldsa44,
} from './support/witness.ts';

const log = testLog();
const fork = testLog({ branch: { at: 3, name: 'another history' } });
const stranger = testLog({ origin: 'log.example/unknown', seed: 0x12 });
const otherKey = makeSignerKey(log.origin, 1, seed(0x13));
const secondKey = makeSignerKey(log.origin, 6, seed(0x14));
const noHash: Hash = new Uint8Array(32);

let witness: Witness;
let client: WitnessClient;

beforeEach(async () => {
  const known = { origin: log.origin, keys: [...log.known.keys, verifierKeyOf(secondKey)] };
  witness = await memoryWitness([known], { cosigners: [localCosigner(witnessEd25519), localCosigner(witnessMldsa44)] });
  client = await serve(witness);
});

afterEach(() => client.close());

const conflict = (size: number): string => `409 text/x.tlog.size ${JSON.stringify(`${size}\n`)}`;

async function monitored(): Promise<string> {
  const response = await client.get(`/${originHash(log.origin)}/checkpoint`);
  return response.status === 200
    ? `size ${parseCheckpoint(await response.text()).checkpoint.size}`
    : `${response.status}`;
}

describe('a log that grows', () => {
  it('gets both kinds of signature for every head, and monitors see the newest', async () => {
    expect(await monitored()).toBe('404');
    const sizes = [0, 1, 1, 2, 3, 4, 7, 8, 255, 256, 257, 600];
    for (const [i, size] of sizes.entries()) {
      const response = await client.post('/add-checkpoint', log.request(sizes[i - 1] ?? 0, size));
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      const { checkpoint } = parseCheckpoint(log.head(size));
      const lines = verifiedLines({ body: await response.text() }, checkpoint, witness.keys);
      expect(lines.map(({ key, timestamp }) => [key.type, timestamp])).toEqual([
        [4, CLOCK_SECONDS],
        [6, CLOCK_SECONDS],
      ]);
      expect(await monitored()).toBe(`size ${size}`);
    }
  });

  it('shows monitors the log lines that verified and our own, and nothing else that was in the submission', async () => {
    const stray = makeSignature('somebody.example/else', 7, new Uint8Array(64)).line;
    const ours = makeSignature(WITNESS_NAME, witnessEd25519.keyId, new Uint8Array(72)).line;
    const head = `${log.head(5)}${signCheckpoint(parseCheckpoint(log.head(5)).checkpoint, secondKey, 0).line}\n${stray}\n${ours}\n`;
    expect(await client.add(log.request(0, 5, { head }))).toBe('200');
    const response = await client.get(`/${originHash(log.origin)}/checkpoint`);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const { note, checkpoint } = parseCheckpoint(await response.text());
    expect(note.signatures.map(({ name, keyId }) => [name, keyId])).toEqual([
      [log.origin, log.signer.keyId],
      [log.origin, secondKey.keyId],
      [WITNESS_NAME, witnessEd25519.keyId],
      [WITNESS_NAME, witnessMldsa44.keyId],
    ]);
    const own = `${note.signatures
      .slice(2)
      .map(({ line }) => line)
      .join('\n')}\n`;
    expect(verifiedLines({ body: own }, checkpoint, witness.keys).length).toBe(2);
    // The forged line is gone, so the next update is not hindered by it.
    expect(await client.add(log.request(5, 8))).toBe('200');
  });

  it('may sign with either of its keys, and a line of an unknown key beside it is ignored', async () => {
    const { checkpoint } = parseCheckpoint(log.head(4));
    const onlySecond = `${checkpoint.body}\n${signCheckpoint(checkpoint, secondKey, 0).line}\n`;
    expect(await client.add(log.request(0, 4, { head: onlySecond }))).toBe('200');
    const five = parseCheckpoint(log.head(5)).checkpoint;
    const withUnknown = `${log.head(5)}${signCheckpoint(five, otherKey, 0).line}\n`;
    expect(await client.add(log.request(4, 5, { head: withUnknown }))).toBe('200');
  });

  it('may repeat itself: the same head is cosigned again', async () => {
    expect(await client.add(log.request(0, 5))).toBe('200');
    expect(await client.add(log.request(5, 5))).toBe('200');
    expect(await monitored()).toBe('size 5');
  });

  it('may change its extension lines while size and root stay', async () => {
    const root = log.tree.root(0, 5);
    const head = (extensions: readonly string[]): string =>
      signedHead(log.signer, { origin: log.origin, size: 5, root, extensions });
    expect(await client.add(log.request(0, 5, { head: head(['one']) }))).toBe('200');
    expect(await client.add(log.request(5, 5, { head: head(['two', 'three']) }))).toBe('200');
    expect(await witness.evidence()).toEqual([]);
  });
});

describe('what is refused, and how', () => {
  it('404 for an origin that is not known, whoever signed', async () => {
    expect(await client.add(stranger.request(0, 3))).toBe('404');
  });

  it('403 without a signature by a trusted key, or with a bad one by a trusted key even beside a good one', async () => {
    const { checkpoint } = parseCheckpoint(log.head(3));
    const unsigned = `${checkpoint.body}\n${signCheckpoint(checkpoint, otherKey, 0).line}\n`;
    expect(await client.add(log.request(0, 3, { head: unsigned }))).toBe('403');
    const forged = makeSignature(log.origin, log.signer.keyId, new Uint8Array(64)).line;
    expect(await client.add(log.request(0, 3, { head: `${checkpoint.body}\n${forged}\n` }))).toBe('403');
    expect(await client.add(log.request(0, 3, { head: `${log.head(3)}${forged}\n` }))).toBe('403');
    const forgedSecond = makeSignature(log.origin, secondKey.keyId, new Uint8Array(2428)).line;
    expect(await client.add(log.request(0, 3, { head: `${log.head(3)}${forgedSecond}\n` }))).toBe('403');
    const truncated = makeSignature(log.origin, log.signer.keyId, new Uint8Array(3)).line;
    expect(await client.add(log.request(0, 3, { head: `${log.head(3)}${truncated}\n` }))).toBe('403');
    expect(await monitored()).toBe('404');
  });

  it('403 for extension lines that no signature covers', async () => {
    const { checkpoint } = parseCheckpoint(log.head(3));
    const line = signCheckpoint(checkpoint, secondKey, 0).line;
    expect(await client.add(log.request(0, 3, { head: `${checkpoint.body}added by someone\n\n${line}\n` }))).toBe(
      '403',
    );
  });

  it('400 for an old size above the checkpoint, before anything is said about what is held', async () => {
    expect(await client.add(requestOf({ old: '4', proof: [], head: log.head(3) }))).toBe('400');
    expect(await client.add(log.request(0, 8))).toBe('200');
    expect(await client.add(requestOf({ old: '8', proof: [], head: log.head(5) }))).toBe('400');
    expect(await client.add(requestOf({ old: '9', proof: [], head: log.head(5) }))).toBe('400');
  });

  it('409 with the size held for any other old size, and 0 for a log that was never cosigned', async () => {
    expect(await client.add(log.request(2, 5))).toBe(conflict(0));
    expect(await client.add(log.request(5, 5))).toBe(conflict(0));
    expect(await client.add(log.request(0, 5))).toBe('200');
    expect(await client.add(log.request(0, 5))).toBe(conflict(5));
    expect(await client.add(log.request(3, 8))).toBe(conflict(5));
    expect(await client.add(log.request(7, 8))).toBe(conflict(5));
    expect(await client.add(log.request(1, 2))).toBe(conflict(5));
    // Also when the proof is wrong for it: the size is what the log has to learn first.
    expect(await client.add(log.request(0, 5, { proof: [noHash] }))).toBe(conflict(5));
    expect(await client.add(log.request(5, 8))).toBe('200');
  });

  it('422 for another root at the same size, and the evidence is kept', async () => {
    expect(await client.add(log.request(0, 5))).toBe('200');
    expect(await client.add(fork.request(5, 5))).toBe('422');
    expect(await witness.evidence()).toMatchObject([{ kind: 'two-roots', conclusive: true, via: 'add-checkpoint' }]);
    expect(await monitored()).toBe('size 5');
    expect(await client.add(log.request(5, 6))).toBe('200');
  });

  it('422 for an empty tree with another root than that of no leaves', async () => {
    expect(await client.add(log.request(0, 0, { head: log.head(0, noHash) }))).toBe('422');
    expect(await client.add(log.request(0, 0, { head: log.head(0, EMPTY_ROOT) }))).toBe('200');
    expect(await client.add(log.request(0, 0, { head: log.head(0, noHash) }))).toBe('422');
  });

  it('422 for a proof from size zero', async () => {
    expect(await client.add(log.request(0, 5, { proof: [noHash] }))).toBe('422');
    expect(await client.add(log.request(0, 0, { proof: [noHash] }))).toBe('422');
  });

  it('422 for a proof that is missing, too long, of another pair of sizes, swapped or changed in one bit', async () => {
    expect(await client.add(log.request(0, 5))).toBe('200');
    const proof = log.tree.consistency(5, 8);
    const [first = noHash, second = noHash, ...rest] = proof;
    for (const bad of [
      [],
      [...proof, noHash],
      proof.slice(1),
      proof.slice(0, -1),
      [second, first, ...rest],
      log.tree.consistency(4, 8),
      log.tree.consistency(5, 7),
      fork.tree.consistency(5, 8),
    ]) {
      expect(await client.add(log.request(5, 8, { proof: bad }))).toBe('422');
    }
    for (const [i, hash] of proof.entries()) {
      const flipped = hash.with(i, (hash[i] ?? 0) ^ 1);
      expect(await client.add(log.request(5, 8, { proof: proof.with(i, flipped) }))).toBe('422');
    }
    expect(await client.add(log.request(5, 5, { proof }))).toBe('422');
    expect(await client.add(fork.request(5, 8))).toBe('422');
    expect(await client.add(log.request(5, 8))).toBe('200');
  });

  it('400 for more than 63 proof lines, and 63 are read', async () => {
    const lines = (count: number): Hash[] => Array.from({ length: count }, () => noHash);
    expect(await client.add(log.request(0, 5, { proof: lines(64) }))).toBe('400');
    expect(await client.add(log.request(0, 5, { proof: lines(63) }))).toBe('422');
  });

  it('400 for numbers that are not canonical or do not fit', async () => {
    for (const old of [
      '007',
      '+0',
      '-0',
      '0x0',
      '',
      ' 0',
      '0 ',
      '1e0',
      '18446744073709551616',
      '99999999999999999999999',
    ]) {
      expect(await client.add(log.request(0, 5, { old })), old).toBe('400');
    }
    expect(await client.add(log.request(0, 5, { old: '9007199254740993' }))).toBe('400');
  });

  it('400 that names the code, for a size which only this implementation does not support', async () => {
    const head = log.head(5).replace('\n5\n', '\n9007199254740993\n');
    const response = await client.post('/add-checkpoint', log.request(0, 5, { head }));
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/^size-too-large: /);
  });

  it('400 for bodies that are not a request in its one encoding', async () => {
    const good = Buffer.from(log.request(0, 5)).toString('utf8');
    const hash = base64Encode(noHash);
    for (const [what, bad] of Object.entries({
      'nothing at all': '',
      'only a newline': '\n',
      'a missing blank line': good.replace('\n\n', '\n'),
      'no checkpoint': 'old 0\n\n',
      'no signatures': good.slice(0, good.lastIndexOf('\n\n') + 1),
      'two old lines': `old 0\n${good}`,
      'another first word': good.replace('old', 'new'),
      'a capital letter': good.replace('old', 'Old'),
      'two spaces': good.replace('old ', 'old  '),
      'CRLF lines': good.replaceAll('\n', '\r\n'),
      'a CRLF after the first line': good.replace('old 0\n', 'old 0\r\n'),
      'a control character': good.replace('old', 'old\u0000'),
      'a control character in the checkpoint': good.replace(log.origin, `${log.origin}\u0001`),
      'a byte order mark': `\ufeff${good}`,
      'a short hash': good.replace('old 0\n', `old 0\n${hash.slice(4)}\n`),
      'a hash without padding': good.replace('old 0\n', `old 0\n${hash.slice(0, -1)}\n`),
      'a hash with stray bits': good.replace('old 0\n', `old 0\n${hash.slice(0, -2)}B=\n`),
      'a size with a leading zero': good.replace('\n5\n', '\n05\n'),
      'no final newline': good.slice(0, -1),
      'a final blank line': `${good}\n`,
    })) {
      expect(await client.add(bad), what).toBe('400');
    }
    const invalidUtf8 = concatBytes(utf8Encode(good), Uint8Array.of(0xff, 0x0a));
    expect(await client.add(invalidUtf8)).toBe('400');
    expect(await client.add(good)).toBe('200');
  });

  it('413 for a body above the limit, and a body with 16 post-quantum signatures is well below it', async () => {
    const filler = makeSignature('filler.example/log', 1, new Uint8Array(2428)).line;
    const many = `${log.head(5)}${`${filler}\n`.repeat(50)}`;
    expect(many.length).toBeGreaterThan(128 * 1024);
    expect(await client.add(log.request(0, 5, { head: many }))).toBe('200');
    expect(await client.add('x'.repeat(MAX_REQUEST_BYTES + 1))).toBe('413');
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
    const chunked = await fetch(`${client.url}/add-checkpoint`, { method: 'POST', body: endless, duplex: 'half' }).then(
      ({ status }) => status,
      () => 413, // cut off while it was still sending
    );
    expect(chunked).toBe(413);
    expect(await client.add(log.request(5, 6))).toBe('200');
  });

  it('404 and 405 for what is not there', async () => {
    expect((await client.get('/add-checkpoint')).status).toBe(405);
    expect((await client.get('/sign-subtree')).headers.get('allow')).toBe('POST');
    for (const path of ['/nothing', '/abc/checkpoint', `/${originHash(log.origin).toUpperCase()}/checkpoint`]) {
      expect((await client.get(path)).status, path).toBe(404);
    }
    expect((await client.get(`/${originHash('never.seen.example')}/checkpoint`)).status).toBe(404);
  });
});

describe('subtrees of a tree that was cosigned', () => {
  async function subtree(
    start: number,
    end: number,
    change: { hash?: Hash; proof?: Hash[]; head?: string } = {},
  ): Promise<Response> {
    const { hash = log.tree.root(start, end), proof = log.tree.subtree(start, end, 14) } = change;
    const lines = [hash, ...proof].map((one) => `${base64Encode(one)}\n`).join('');
    const body = `subtree ${start} ${end}\n${lines}\n${change.head ?? (await cosigned14())}`;
    return client.post('/sign-subtree', body);
  }

  /** The checkpoint of size 14 as monitors see it, with our lines. */
  async function cosigned14(): Promise<string> {
    await client.add(log.request(0, 14));
    return (await client.get(`/${originHash(log.origin)}/checkpoint`)).text();
  }

  it('are signed by the ML-DSA-44 key alone, without a time, for every valid range', async () => {
    const key = witness.keys.find(({ type }) => type === 6);
    if (key === undefined) throw new Error('no key');
    for (const [start, end] of [
      [0, 1],
      [0, 14],
      [4, 8],
      [8, 13],
      [8, 14],
      [12, 14],
      [13, 14],
    ] as const) {
      const response = await subtree(start, end);
      expect(response.status, `${start} ${end}`).toBe(200);
      const [line, ...others] = parseSignatureLines(await response.text());
      expect(others).toEqual([]);
      if (line === undefined) throw new Error('no line');
      const signed = { origin: log.origin, start, end, hash: log.tree.root(start, end) };
      expect(verifySubtreeCosignature(signed, line, key)).toEqual({ timestamp: 0 });
    }
    expect(await monitored()).toBe('size 14');
  });

  it('are refused without our own cosignature, with a wrong hash or proof, or beyond the tree', async () => {
    expect((await subtree(8, 13, { head: log.head(14) })).status).toBe(403);
    expect((await subtree(8, 13, { head: stranger.head(14) })).status).toBe(404);
    expect((await subtree(8, 13, { hash: noHash })).status).toBe(422);
    expect((await subtree(8, 13, { proof: [] })).status).toBe(422);
    expect((await subtree(8, 15, { hash: noHash, proof: [] })).status).toBe(400);
    expect((await subtree(3, 5, { hash: noHash, proof: [] })).status).toBe(400);
    expect((await subtree(5, 5, { hash: noHash, proof: [] })).status).toBe(400);
  });
});

describe('beside the protocol', () => {
  it('says who it is, that it is well, and what it counted', async () => {
    expect(await (await client.get('/')).text()).toBe(`${[WITNESS_NAME, ...witness.vkeys].join('\n')}\n`);
    await client.add(log.request(0, 5));
    await client.add(stranger.request(0, 5));
    expect(await (await client.get('/healthz')).json()).toMatchObject({
      healthy: true,
      problems: [],
      logs: [{ origin: log.origin, size: 5 }],
    });
    const metrics = await (await client.get('/metrics')).text();
    expect(metrics).toContain('countersign_witness_requests_total{endpoint="add-checkpoint",status="200"} 1');
    expect(metrics).toContain('countersign_witness_requests_total{endpoint="add-checkpoint",status="404"} 1');
    expect(metrics).toContain(`countersign_witness_cosigned_size{origin="${log.origin}"} 5`);
    expect(metrics).toContain('countersign_witness_persist_seconds_count 1');
  });

  it('keeps the connection open between requests', async () => {
    const response = await client.get('/healthz');
    expect(response.headers.get('connection')).not.toBe('close');
    expect(response.headers.get('keep-alive')).toMatch(/timeout=/);
  });
});
