/** Uploads to a mirror (C2SP tlog-mirror), as transcripts: what is sent, what is answered, and what is served then. */
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { utf8Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { readTimestamp } from '../../proofs/cosignature.ts';
import { parseSignatureLines } from '../../proofs/note.ts';
import { localCosigner } from '../../witness/cosigner.ts';
import { originHash } from '../../witness/logs.ts';
import type { Mirror, MirrorOptions } from '../../witness/mirror.ts';
import { serveMirror } from '../../witness/mirror-server.ts';
import { parseMirrorInfo } from '../../witness/mirror-wire.ts';
import { runFile } from '../conformance/runner.ts';
import { type TinyLog, tinyLog } from '../support/tiny-log.ts';
import { haveVectors, vectorsDir, vectorsMissing } from '../support/vectors.ts';
import {
  checkMirror,
  type MemoryDisk,
  memoryDisk,
  mirrorEd25519,
  mirrorMldsa44,
  mirrorOn,
  oneChunk,
  transcript,
  upload,
} from './support/mirror.ts';
import { CLOCK_SECONDS } from './support/witness.ts';

const log = tinyLog();
const open: Mirror[] = [];
afterEach(async () => {
  for (const mirror of open.splice(0)) await mirror.close();
});

async function mirrorFor(
  logs: readonly TinyLog[] = [log],
  options: Partial<MirrorOptions> = {},
  disk: MemoryDisk = memoryDisk(),
): Promise<Mirror> {
  const mirror = await mirrorOn(disk, logs, options);
  open.push(mirror);
  return mirror;
}

describe.skipIf(!haveVectors)(`public mirror vectors${vectorsMissing}`, () => {
  it.each(['mirror/wire.json', 'mirror/add-entries.json'])('%s', async (name) => {
    const { verdicts } = await runFile(vectorsDir, name);
    expect(verdicts.filter(({ outcome }) => outcome === 'failed' || outcome === 'not-understood')).toEqual([]);
    expect(verdicts.length).toBeGreaterThan(5);
  });
});

describe('an upload', () => {
  it('is taken whole, in packages that cross two bundles', async () => {
    const mirror = await mirrorFor();
    expect(await transcript(mirror.addCheckpoint(await log.addCheckpoint(0, 600)))).toBe('200');
    expect(await checkMirror(mirror, log)).toBeUndefined();
    expect(await upload(mirror, await log.addEntries(0, 600))).toBe('200');
    expect((await checkMirror(mirror, log))?.size).toBe(600);
  });

  it('is taken from every start to every end around the edges of bundles', async () => {
    for (const first of [0, 1, 255, 256, 257, 300]) {
      for (const second of [301, 511, 512, 513, 600]) {
        const mirror = await mirrorFor();
        await mirror.addCheckpoint(await log.addCheckpoint(0, first));
        expect(await upload(mirror, await log.addEntries(0, first))).toBe('200');
        await mirror.addCheckpoint(await log.addCheckpoint(first, second));
        expect(await upload(mirror, await log.addEntries(first, second)), `${first} ${second}`).toBe('200');
        expect((await checkMirror(mirror, log))?.size).toBe(second);
      }
    }
  });

  it('goes on where it broke off, wherever that was', async () => {
    const whole = await log.addEntries(0, 600);
    const ends = [
      (await log.addEntries(0, 600, { packages: 1 })).length,
      (await log.addEntries(0, 600, { packages: 2 })).length,
    ];
    const cuts = [3, ends[0] ?? 0, (ends[0] ?? 0) - 1, (ends[0] ?? 0) + 1, ends[1] ?? 0, whole.length - 1];
    for (const cut of cuts) {
      const mirror = await mirrorFor();
      await mirror.addCheckpoint(await log.addCheckpoint(0, 600));
      const saved = ends.filter((end) => end <= cut).length * 256;
      expect(await upload(mirror, whole.subarray(0, cut))).toBe(saved === 0 ? '400' : `202 600 ${saved}`);
      expect(await checkMirror(mirror, log)).toBeUndefined();
      expect(await upload(mirror, await log.addEntries(saved, 600))).toBe('200');
      expect((await checkMirror(mirror, log))?.size).toBe(600);
    }
  });

  it('of nothing refreshes the cosignature of the mirror checkpoint', async () => {
    let seconds = CLOCK_SECONDS;
    const mirror = await mirrorFor([log], { clock: () => seconds * 1000 });
    await mirror.addCheckpoint(await log.addCheckpoint(0, 40));
    await mirror.addEntries(oneChunk(await log.addEntries(0, 40)));
    seconds += 60;
    const { status, body } = await mirror.addEntries(oneChunk(await log.addEntries(40, 40)));
    expect(status).toBe(200);
    expect(parseSignatureLines(body).map(({ signature }) => readTimestamp(signature))).toEqual([CLOCK_SECONDS + 60]);
    expect((await checkMirror(mirror, log))?.size).toBe(40);
  });

  it('of an empty log makes a mirror checkpoint of size 0', async () => {
    const mirror = await mirrorFor();
    expect(await transcript(mirror.addCheckpoint(await log.addCheckpoint(0, 0)))).toBe('200');
    expect(await upload(mirror, await log.addEntries(0, 0))).toBe('200');
    expect((await checkMirror(mirror, log))?.size).toBe(0);
  });

  it('may repeat what is stored, within bounds, and stores it once', async () => {
    const mirror = await mirrorFor();
    await mirror.addCheckpoint(await log.addCheckpoint(0, 600));
    expect(await upload(mirror, await log.addEntries(0, 600, { packages: 2 }))).toBe('202 600 512');
    expect(await upload(mirror, await log.addEntries(100, 600))).toBe('200');
    expect((await checkMirror(mirror, log))?.size).toBe(600);
  });

  it('is signed by both keys of a mirror that has two, and answered with mirror lines only', async () => {
    const mirror = await mirrorFor([log], { cosigners: [mirrorEd25519, mirrorMldsa44].map(localCosigner) });
    const { body } = await mirror.addCheckpoint(await log.addCheckpoint(0, 9));
    expect(body).toBe('');
    const reply = await mirror.addEntries(oneChunk(await log.addEntries(0, 9)));
    expect(parseSignatureLines(reply.body).map(({ keyId }) => keyId)).toEqual([
      mirrorEd25519.keyId,
      mirrorMldsa44.keyId,
    ]);
    expect(reply.contentType).toBe('text/plain; charset=utf-8');
    expect((await checkMirror(mirror, log))?.size).toBe(9);
  });

  it('of one log does not touch another', async () => {
    const other = tinyLog({ origin: 'log.example/other', count: 300 });
    const mirror = await mirrorFor([log, other]);
    await mirror.addCheckpoint(await other.addCheckpoint(0, 300));
    expect(await upload(mirror, await log.addEntries(0, 300))).toBe('422');
    expect(await upload(mirror, await other.addEntries(0, 300))).toBe('200');
    expect(await checkMirror(mirror, log)).toBeUndefined();
    expect((await checkMirror(mirror, other))?.size).toBe(300);
  });
});

describe('an upload is refused', () => {
  it('for a log that the mirror does not know, and before any checkpoint is pending', async () => {
    const mirror = await mirrorFor();
    expect(await upload(mirror, await tinyLog({ origin: 'log.example/unknown' }).addEntries(0, 5))).toBe('404');
    expect(await upload(mirror, await log.addEntries(0, 5))).toBe('422');
  });

  it('for an end that was never pending, a start beyond the next entry, or too much that is known', async () => {
    const long = tinyLog({ count: 2_000 });
    const mirror = await mirrorFor([long]);
    await mirror.addCheckpoint(await long.addCheckpoint(0, 1_500));
    expect(await upload(mirror, await long.addEntries(0, 1_400))).toBe('409 1500 0');
    expect(await upload(mirror, await long.addEntries(1, 1_500))).toBe('409 1500 0');
    expect(await upload(mirror, await long.addEntries(0, 1_500, { packages: 5 }))).toBe('202 1500 1280');
    expect(await upload(mirror, await long.addEntries(255, 1_500))).toBe('409 1500 1280');
    expect(await upload(mirror, await long.addEntries(256, 1_500))).toBe('200');
  });

  it('for entries that are not those of the checkpoint, keeping the packages before', async () => {
    const forged = tinyLog({ branch: { at: 400, name: 'forged' } });
    const mirror = await mirrorFor();
    await mirror.addCheckpoint(await log.addCheckpoint(0, 600));
    const [good, bad] = [await log.addEntries(0, 600, { packages: 1 }), await forged.addEntries(256, 600)];
    const header = (await log.addEntries(0, 0)).length;
    expect(await upload(mirror, Buffer.concat([good, bad.subarray(header)]))).toBe('422');
    expect(await upload(mirror, await forged.addEntries(256, 600))).toBe('422');
    expect(await checkMirror(mirror, log)).toBeUndefined();
    expect(await upload(mirror, await log.addEntries(256, 600))).toBe('200');
  });

  it('when any one bit of it is flipped, and never makes the copy wrong', async () => {
    const small = tinyLog({ count: 20 });
    const body = await small.addEntries(3, 20);
    const mirror = await mirrorFor([small]);
    await mirror.addCheckpoint(await small.addCheckpoint(0, 3));
    await upload(mirror, await small.addEntries(0, 3));
    await mirror.addCheckpoint(await small.addCheckpoint(3, 20));
    const seen = new Set<string>();
    for (let i = 0; i < body.length; i++) {
      const answer = await upload(mirror, body.with(i, (body[i] ?? 0) ^ (1 << (i % 8))));
      seen.add(answer);
      expect((await checkMirror(mirror, small))?.size).toBe(3);
    }
    expect([...seen].sort()).toEqual(['400', '404', '409 20 3', '422']);
    expect(await upload(mirror, body)).toBe('200');
  });

  it('when its header is malformed', async () => {
    const mirror = await mirrorFor();
    await mirror.addCheckpoint(await log.addCheckpoint(0, 5));
    const inverted = Buffer.from(await log.addEntries(0, 5));
    inverted[2 + log.origin.length + 7] = 6;
    for (const body of [
      new Uint8Array(0),
      utf8Encode('x'),
      Uint8Array.of(0, 2, 0xff, 0xfe, ...new Uint8Array(18)),
      inverted,
    ]) {
      expect(await upload(mirror, body)).toBe('400');
    }
    const huge = Buffer.from(await log.addEntries(0, 5));
    huge.fill(0xff, 2 + log.origin.length + 8, 2 + log.origin.length + 16);
    expect(await mirror.addEntries(oneChunk(huge))).toMatchObject({
      status: 400,
      body: expect.stringMatching(/^size-too-large/),
    });
  });

  it('when the stream breaks off with an error, as if it had ended', async () => {
    const mirror = await mirrorFor();
    await mirror.addCheckpoint(await log.addCheckpoint(0, 600));
    const body = await log.addEntries(0, 600);
    const firstPackage = (await log.addEntries(0, 600, { packages: 1 })).length;
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i <= firstPackage; i += 1000) yield body.subarray(i, i + 1000);
      throw new Error('ECONNRESET');
    };
    expect(await transcript(mirror.addEntries(broken()))).toBe('202 600 256');
  });
});

describe('pending checkpoints', () => {
  it('may be any of the last ones, and never take the mirror checkpoint back', async () => {
    const mirror = await mirrorFor();
    await mirror.addCheckpoint(await log.addCheckpoint(0, 100));
    await mirror.addCheckpoint(await log.addCheckpoint(100, 200));
    await mirror.addCheckpoint(await log.addCheckpoint(200, 300));
    expect(await upload(mirror, await log.addEntries(0, 200))).toBe('200');
    expect((await checkMirror(mirror, log))?.size).toBe(200);
    expect(await upload(mirror, await log.addEntries(0, 100))).toBe('409 300 200');
    expect(await upload(mirror, await log.addEntries(200, 300))).toBe('200');
    expect(await upload(mirror, await log.addEntries(200, 200))).toBe('409 300 300');
    expect((await checkMirror(mirror, log))?.size).toBe(300);
  });

  it('are recovered from a ticket when the mirror has forgotten them, by this mirror and for this log only', async () => {
    const disk = memoryDisk();
    const first = await mirrorFor([log], {}, disk);
    await first.addCheckpoint(await log.addCheckpoint(0, 600));
    const { body } = await first.addEntries(oneChunk(await log.addEntries(0, 600, { packages: 1 })));
    const { ticket } = parseMirrorInfo(body);
    await first.addCheckpoint(await log.addCheckpoint(600, 700));
    const second = await mirrorFor([log], {}, disk);
    expect(await upload(second, await log.addEntries(256, 600))).toBe('409 700 256');
    for (let i = 0; i < ticket.length; i += 7) {
      const forged = ticket.with(i, (ticket[i] ?? 0) ^ 1);
      expect(await upload(second, await log.addEntries(256, 600, { ticket: forged }))).toBe('409 700 256');
    }
    expect(await upload(second, await log.addEntries(256, 600, { ticket, packages: 1 }))).toBe('202 600 512');
    expect(await upload(second, await log.addEntries(512, 600, { ticket }))).toBe('200');
    expect((await checkMirror(second, log))?.size).toBe(600);
    const stranger = await mirrorFor([log], { ticketSecret: new Uint8Array(32).fill(8) }, disk);
    expect(await upload(stranger, await log.addEntries(512, 600, { ticket }))).toBe('200');
  });

  it('are judged as a witness judges them: 403, 409, 422, and evidence of a second history', async () => {
    const forged = tinyLog({ branch: { at: 10, name: 'forged' } });
    const mirror = await mirrorFor();
    expect(await transcript(mirror.addCheckpoint(await log.addCheckpoint(0, 20)))).toBe('200');
    const { status, contentType, body } = await mirror.addCheckpoint(await log.addCheckpoint(5, 30));
    expect({ status, contentType, body }).toEqual({ status: 409, contentType: 'text/x.tlog.size', body: '20\n' });
    const unsigned = Buffer.from(await log.addCheckpoint(20, 30));
    unsigned[unsigned.length - 10] = 0x41;
    expect(await transcript(mirror.addCheckpoint(unsigned))).toBe('403');
    expect(await transcript(mirror.addCheckpoint(await forged.addCheckpoint(20, 20)))).toBe('422');
    expect(await transcript(mirror.addCheckpoint(await forged.addCheckpoint(20, 30)))).toBe('422');
    expect((await mirror.evidence()).map(({ kind, conclusive }) => `${kind} ${conclusive}`)).toEqual([
      'two-roots true',
      'failed-consistency true',
    ]);
  });
});

describe('uploads at the same time', () => {
  it('of the same entries, of others, and in pieces, end in one whole copy', async () => {
    const mirror = await mirrorFor();
    await mirror.addCheckpoint(await log.addCheckpoint(0, 400));
    await mirror.addCheckpoint(await log.addCheckpoint(400, 700));
    const slowly = async function* (bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < bytes.length; i += step) {
        await new Promise((resolve) => setImmediate(resolve));
        yield bytes.subarray(i, i + step);
      }
    };
    const answers = await Promise.all([
      transcript(mirror.addEntries(slowly(await log.addEntries(0, 700), 97))),
      transcript(mirror.addEntries(slowly(await log.addEntries(0, 700), 1_009))),
      transcript(mirror.addEntries(slowly(await log.addEntries(0, 400), 211))),
      transcript(mirror.addEntries(slowly(await log.addEntries(0, 700, { packages: 2 }), 53))),
    ]);
    expect(answers.slice(0, 2)).toEqual(['200', '200']);
    expect(['200', '409 700 700']).toContain(answers[2]);
    expect(answers[3]).toMatch(/^202 700 (512|700)$/);
    expect((await checkMirror(mirror, log))?.size).toBe(700);
  });

  it('beyond what memory allows are told to come back', async () => {
    const mirror = await mirrorFor();
    await mirror.addCheckpoint(await log.addCheckpoint(0, 10));
    const held: (() => void)[] = [];
    const waiting = Array.from({ length: 16 }, () =>
      mirror.addEntries(
        (async function* (): AsyncGenerator<Uint8Array> {
          await new Promise<void>((resolve) => held.push(resolve));
        })(),
      ),
    );
    expect((await mirror.addEntries(oneChunk(await log.addEntries(0, 10)))).status).toBe(503);
    for (const release of held) release();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(16).fill(400));
    expect(await upload(mirror, await log.addEntries(0, 10))).toBe('200');
  });
});

describe('a mirror over HTTP', () => {
  async function served<T>(work: (url: string, mirror: Mirror) => Promise<T>): Promise<T> {
    const mirror = await mirrorFor();
    const server = await serveMirror(mirror, { host: '127.0.0.1', port: 0 });
    try {
      return await work(server.url, mirror);
    } finally {
      await server.close();
    }
  }
  const post = (url: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      body: Buffer.from(body),
      headers: { 'content-type': 'application/octet-stream', ...headers },
    });

  it('takes plain and compressed uploads, and says what it can decompress', async () => {
    await served(async (url) => {
      await post(`${url}/add-checkpoint`, await log.addCheckpoint(0, 600));
      const first = await post(`${url}/add-entries`, gzipSync(await log.addEntries(0, 600, { packages: 1 })), {
        'content-encoding': 'gzip',
      });
      expect([first.status, first.headers.get('content-type')]).toEqual([202, 'text/x.tlog.mirror-info']);
      expect(first.headers.get('accept-encoding')).toContain('gzip');
      expect(await first.text()).toMatch(/^600\n256\n[A-Za-z0-9+/=]+\n$/);
      const cut = gzipSync(await log.addEntries(256, 600)).subarray(0, 400);
      expect((await post(`${url}/add-entries`, cut, { 'content-encoding': 'gzip' })).status).toBe(400);
      const notGzip = await log.addEntries(256, 600);
      expect((await post(`${url}/add-entries`, notGzip, { 'content-encoding': 'gzip' })).status).toBe(400);
      expect((await post(`${url}/add-entries`, notGzip, { 'content-encoding': 'br' })).status).toBe(400);
      expect((await post(`${url}/add-entries`, notGzip)).status).toBe(200);
    });
  });

  it('answers a refused upload of many megabytes before it has all of it', async () => {
    await served(async (url) => {
      const body = Buffer.concat([await log.addEntries(0, 600), Buffer.alloc(8 * 1024 * 1024)]);
      expect((await post(`${url}/add-entries`, body)).status).toBe(422);
    });
  });

  it('serves the whole tile API under the hash of the origin', async () => {
    await served(async (url, mirror) => {
      await post(`${url}/add-checkpoint`, await log.addCheckpoint(0, 600));
      expect((await fetch(`${url}/${originHash(log.origin)}/checkpoint`)).status).toBe(404);
      await post(`${url}/add-entries`, await log.addEntries(0, 600));
      const prefix = `${url}/${originHash(log.origin)}`;
      const checkpoint = await fetch(`${prefix}/checkpoint`);
      expect(checkpoint.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(checkpoint.headers.get('cache-control')).toBe('no-cache');
      const { note } = parseCheckpoint(await checkpoint.text());
      expect(note.signatures.map(({ name }) => name)).toEqual([log.origin, mirror.name]);
      for (const path of [
        'tile/0/000',
        'tile/0/002.p/88',
        'tile/1/000.p/2',
        'tile/entries/001',
        'tile/entries/002.p/7',
      ]) {
        const response = await fetch(`${prefix}/${path}`);
        expect([path, response.status, response.headers.get('cache-control')]).toEqual([
          path,
          200,
          'public, max-age=31536000, immutable',
        ]);
        expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from((await log.resource(path, 600)) ?? []));
      }
      const gone = [
        'tile/0/002',
        'tile/0/002.p/89',
        'tile/2/000.p/1',
        'tile/0/00',
        'tile/entries/003',
        'tile/0/000?x',
        'head',
      ];
      for (const path of gone) {
        const response = await fetch(`${prefix}/${path}`);
        expect([path, response.status, response.headers.get('cache-control')]).toEqual([path, 404, null]);
      }
      expect((await fetch(`${url}/${originHash('nobody')}/tile/0/000`)).status).toBe(404);
    });
  });

  it('reports what it holds', async () => {
    await served(async (url) => {
      await post(`${url}/add-checkpoint`, await log.addCheckpoint(0, 600));
      await post(`${url}/add-entries`, await log.addEntries(0, 600, { packages: 1 }));
      const health = await (await fetch(`${url}/healthz`)).json();
      expect(health).toMatchObject({
        healthy: true,
        logs: [{ origin: log.origin, size: null, pending: 600, stored: 256 }],
      });
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(metrics).toContain(`countersign_mirror_stored_entries{origin="${log.origin}"} 256`);
      expect(metrics).toContain('countersign_witness_requests_total{endpoint="add-entries",status="202"} 1');
      expect((await fetch(`${url}/add-entries`)).status).toBe(405);
    });
  });
});
