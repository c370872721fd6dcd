/** A log that lost its database, back from a mirror: what comes back, what does not, and what is never believed. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { utf8Encode } from '../../proofs/bytes.ts';
import { checkConsistency } from '../../proofs/check.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { encodeEntry } from '../../proofs/entry.ts';
import { leafHash, sha256 } from '../../proofs/hash.ts';
import { makeSignerKey } from '../../proofs/key.ts';
import { checkCheckpoint, parsePolicy } from '../../proofs/policy.ts';
import { checkTlogProof, parseTlogProof } from '../../proofs/tlog-proof.ts';
import { writeGuard } from '../../src/log/guard.ts';
import { RestoreError } from '../../src/log/restore-error.ts';
import type { Log } from '../../src/log/types.ts';
import { HASH, LOG_URL, lostLogWorld, type World } from '../support/lost-log.ts';
import { signedCheckpoint } from '../support/signed.ts';
import { ORIGIN, openTestLog, preparedEvent, testKeys, until, withDirectory } from '../support/test-log.ts';
import { answerView, tinyLog } from '../support/tiny-log.ts';

async function submit(log: Log, from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += 100) {
    const ids = Array.from({ length: Math.min(100, to - first) }, (_, i) => `event-${first + i}`);
    await log.submit(ids.map((id) => preparedEvent(id)));
  }
}

async function mirrorSize(world: World): Promise<number> {
  return (await world.mirror.health()).logs[0]?.size ?? 0;
}

/** A world with a published and mirrored log of this size. */
async function withLog(
  size: number,
  work: (world: World, log: Log, directory: string) => Promise<void>,
  options: Parameters<typeof lostLogWorld>[1] = {},
): Promise<void> {
  await withDirectory(async (directory) => {
    const world = await lostLogWorld(directory, options);
    try {
      const log = await world.open();
      await submit(log, 0, size);
      await settled(world, log, size);
      await work(world, log, directory);
    } finally {
      await world.close();
    }
  });
}

/** Published, mirrored, and the same head with every witness. */
async function settled(world: World, log: Log, size: number): Promise<void> {
  await until(() => log.publishedSize() === size, `the log publishes ${size}`);
  await until(async () => (await mirrorSize(world)) === size, `the mirror has ${size}`);
  for (const witness of world.witnesses.values()) {
    await until(async () => {
      const { body, status } = await witness.monitoredCheckpoint(HASH);
      return status === 200 && parseCheckpoint(body).checkpoint.size === size;
    }, `${witness.name} has ${size}`);
  }
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'restored';
  } catch (error) {
    if (error instanceof RestoreError) return error.code;
    throw error;
  }
}

describe('a log that lost its database', () => {
  it('gets every entry, its tree and its head back, and goes on under the same origin with the same witnesses', async () => {
    await withLog(700, async (world, log, directory) => {
      const before = {
        root: await log.rootAt(700),
        entry: (await log.eventAt(300))?.entry,
        receipt: await log.receipt(300),
      };
      await world.lose();
      const progress: number[] = [];
      const restored = await world.restore({ onProgress: (done) => progress.push(done) });
      expect(restored).toMatchObject({ size: 700, root: before.root, silent: [], quorumSize: 700, published: true });
      expect(restored.agrees.map(({ holder }) => holder)).toEqual([
        'the guard file',
        'witness w1',
        'witness w2',
        'witness w3',
      ]);
      expect(progress.at(-1)).toBe(700);

      const again = await world.open();
      expect([again.treeSize(), again.signedSize(), again.publishedSize()]).toEqual([700, 700, 700]);
      expect(await again.rootAt(700)).toEqual(before.root);
      expect(await again.eventAt(300)).toMatchObject({ entry: before.entry, contentsLost: true, fields: [] });
      expect(again.health()).toMatchObject({ healthy: true, accepting: true, signing: { state: 'signing' } });

      await submit(again, 700, 900);
      await settled(world, again, 900);
      const { size, root } = parseCheckpoint(again.checkpoint() ?? '').checkpoint;
      const proof = await again.consistencyProof(700, size);
      checkConsistency({ from: 700, to: size, fromRoot: before.root, toRoot: root, proof });
      // Receipts of before and after, under the one pinned policy.
      const policy = parsePolicy(world.policyText);
      for (const receipt of [before.receipt, await again.receipt(300), await again.receipt(850)]) {
        const parsed = parseTlogProof(receipt ?? '');
        expect(checkTlogProof(parsed, leafHash(parsed.extra ?? new Uint8Array(0)), policy).quorum).toBe(true);
      }
      expect((await again.eventAt(850))?.contentsLost).toBeUndefined();
      expect(await readdir(directory)).not.toContain('db.restoring');
    });
  });

  it('survives a second start, answers searches, and has forgotten the event ids of before', async () => {
    await withLog(300, async (world) => {
      await world.lose();
      await world.restore();
      await (await world.open()).close();
      const log = await world.open();
      const find = (terms: readonly string[]): Promise<readonly number[]> =>
        log.search({ terms, from: 0, size: log.treeSize(), limit: 1000 }).then(({ indices }) => indices);
      expect(await find(['action="test.run"'])).toEqual([]);
      expect((await find([])).length).toBe(300);
      expect(await log.eventsAt(await find([]))).toHaveLength(300);
      expect(await log.findEvent('event-7')).toEqual([]);
      // The id is not known any more: the same event again is a new entry. docs/restore.md says what to do about it.
      expect(await log.submit([preparedEvent('event-7')])).toMatchObject([{ status: 'accepted', index: 300 }]);
      expect(await log.submit([preparedEvent('event-7')])).toMatchObject([{ status: 'duplicate', index: 300 }]);
      expect(await find(['action="test.run"'])).toEqual([300]);
    });
  });

  it('agrees with the heads that people kept', async () => {
    await withLog(100, async (world, log) => {
      const pin = { name: 'safe.txt', note: utf8Encode(log.checkpoint() ?? '') };
      await submit(log, 100, 200);
      await settled(world, log, 200);
      await world.lose();
      const { agrees } = await world.restore({ pins: [pin] });
      expect(agrees).toContainEqual({ holder: 'the pin safe.txt', size: 100 });
    });
  });

  it('can be restored without its guard file, which is written anew', async () => {
    await withLog(40, async (world) => {
      await world.lose({ guard: true });
      expect((await world.restore()).agrees.map(({ holder }) => holder)).not.toContain('the guard file');
      expect((await world.open()).health().signing).toEqual({ state: 'signing' });
    });
  });

  it('is restored the same after a restore that was cut off', async () => {
    await withLog(300, async (world, _, directory) => {
      await world.lose();
      let fetched = 0;
      world.intercept = (url) => {
        if (url.includes('/tile/entries/') && ++fetched > 1) throw new TypeError('cut off');
        return undefined;
      };
      expect(await failure(world.restore())).toBe('unreachable');
      world.intercept = () => undefined;
      // What a kill -9 leaves behind.
      await mkdir(join(directory, 'db.restoring'));
      await writeFile(join(directory, 'db.restoring', 'CURRENT'), 'MANIFEST-000001\n');
      expect((await world.restore()).size).toBe(300);
    });
  });

  it('goes on with a head that had not been published: it is cosigned again', async () => {
    await withLog(100, async (world, log) => {
      world.down.add('w1.test').add('w2.test');
      await submit(log, 100, 150);
      await until(async () => (await mirrorSize(world)) === 150);
      expect(log.publishedSize()).toBe(100);
      await world.lose();
      expect(await failure(world.restore())).toBe('unreachable');
      world.down.clear();
      // Two of three vouch for 100 entries, one for all; the log's own signature and the mirror for the rest.
      expect(await world.restore()).toMatchObject({ size: 150, quorumSize: 100, published: false });
      const again = await world.open();
      await until(() => again.publishedSize() === 150);
    });
  });

  it('can be restored from any tiled copy, such as another server of the same log', async () => {
    await withLog(300, async (world, log) => {
      const checkpoint = log.checkpoint();
      const resources = new Map<string, Uint8Array | undefined>();
      for (const path of [
        'tile/0/000',
        'tile/0/001.p/44',
        'tile/1/000.p/1',
        'tile/entries/000',
        'tile/entries/001.p/44',
      ]) {
        const response = await world.fetch(`${LOG_URL}/${path}`);
        resources.set(path, new Uint8Array(await response.arrayBuffer()));
      }
      await world.lose();
      world.intercept = (url) => {
        if (!url.startsWith('http://archive.test/audit/')) return undefined;
        const path = url.slice('http://archive.test/audit/'.length);
        const body = path === 'checkpoint' ? checkpoint : resources.get(path);
        return body === undefined ? new Response('', { status: 404 }) : new Response(Buffer.from(body));
      };
      expect(await world.restore({ from: 'http://archive.test/audit/' })).toMatchObject({ size: 300, published: true });
    });
  });
});

describe('a restore is refused, and changes nothing,', () => {
  async function refused(
    world: World,
    directory: string,
    options: Parameters<World['restore']>[0] = {},
  ): Promise<string> {
    const before = await readdir(directory);
    const code = await failure(world.restore(options));
    expect(await readdir(directory)).toEqual(before);
    return code;
  }

  it('when there is a database', async () => {
    await withLog(10, async (world, log, directory) => {
      await log.close();
      world.log = undefined;
      expect(await refused(world, directory)).toBe('not-empty');
    });
  });

  it('when the mirror is behind a witness, the guard, or a head that somebody kept', async () => {
    await withLog(100, async (world, log, directory) => {
      const stale = answersOf(await copyOf(world));
      await submit(log, 100, 120);
      await settled(world, log, 120);
      const pin = utf8Encode(log.checkpoint() ?? '');
      await world.lose();
      world.intercept = stale;
      expect(await refused(world, directory)).toBe('behind');
      await world.lose({ guard: true });
      expect(await refused(world, directory)).toBe('behind');
      for (const host of ['w1.test', 'w2.test', 'w3.test']) world.down.add(host);
      expect(await refused(world, directory)).toBe('unreachable');
      const alone = { acceptSilentWitnesses: true, pins: [{ name: 'safe.txt', note: pin }] };
      expect(await refused(world, directory, alone)).toBe('behind');
    });
  });

  it('when an entry, a tile or the checkpoint of the copy was altered', async () => {
    await withLog(600, async (world, _, directory) => {
      await world.lose();
      const paths = ['tile/entries/001', 'tile/entries/002.p/88', 'tile/0/002.p/88', 'tile/1/000.p/2', 'checkpoint'];
      for (const path of paths) {
        const original = await world.fetch(`http://mirror.test/${HASH}/${path}`);
        const bytes = new Uint8Array(await original.arrayBuffer());
        for (const at of [Math.floor(bytes.length / 3), bytes.length - 2]) {
          const altered = bytes.with(at, (bytes[at] ?? 0) ^ 1);
          world.intercept = (url) =>
            url.endsWith(`${HASH}/${path}`) && !/w\d/.test(url) ? new Response(altered) : undefined;
          const code = await refused(world, directory);
          expect([path, at, code]).toEqual([path, at, 'altered']);
        }
      }
    });
  });

  it("when the copy is another history under the log's own key", async () => {
    await withLog(100, async (world, _, directory) => {
      const other = forgedEntries(world, 100);
      await world.lose();
      world.intercept = other;
      expect(await refused(world, directory)).toBe('contradicted');
      await world.lose({ guard: true });
      expect(await refused(world, directory)).toBe('contradicted');
      // Longer than what anybody holds, and none of their heads is one of it.
      world.intercept = forgedEntries(world, 300);
      expect(await refused(world, directory)).toBe('contradicted');
    });
  });

  it('when the log did not sign it, or it is that of another log', async () => {
    await withLog(50, async (world, _, directory) => {
      await world.lose();
      const stranger = makeSignerKey(ORIGIN, 1, new Uint8Array(32).fill(99));
      for (const signer of [stranger, makeSignerKey('log.example/other', 1, new Uint8Array(32).fill(1))]) {
        const note = signedCheckpoint({ origin: signer.name, size: 50, root: sha256(Uint8Array.of(1)) }, [signer]);
        world.intercept = (url) => (url.startsWith('http://mirror.test') ? new Response(note) : undefined);
        expect(await refused(world, directory)).toBe('altered');
      }
      world.intercept = (url) => (url.startsWith('http://mirror.test') ? new Response('', { status: 404 }) : undefined);
      expect(await refused(world, directory)).toBe('no-copy');
      world.intercept = () => undefined;
      world.down.add('mirror.test');
      expect(await refused(world, directory)).toBe('unreachable');
    });
  });

  it('when the guard file is that of another log', async () => {
    await withLog(50, async (world, _, directory) => {
      await world.lose();
      await writeGuard(join(directory, 'guard'), {
        origin: 'log.example/other',
        size: 1,
        root: sha256(Uint8Array.of(1)),
      });
      expect(await refused(world, directory)).toBe('contradicted');
    });
  });

  it('when no quorum stands behind it, unless that is said to be enough', async () => {
    await withLog(60, async (world, _, directory) => {
      await world.lose();
      // The mirror knows the witnesses' lines; another copy has the log's own signature and no more.
      const { checkpoint, note } = parseCheckpoint((await world.mirror.checkpoint(HASH)).body);
      const bare = `${checkpoint.body}\n${note.signatures.find(({ name }) => name === ORIGIN)?.line}\n`;
      world.intercept = (url) =>
        url.includes('mirror.test') && url.endsWith('/checkpoint') ? new Response(bare) : undefined;
      for (const host of ['w1.test', 'w2.test', 'w3.test']) world.down.add(host);
      expect(await refused(world, directory)).toBe('unreachable');
      expect(await refused(world, directory, { acceptSilentWitnesses: true })).toBe('quorum-not-met');
      const restored = await world.restore({ acceptSilentWitnesses: true, acceptNoQuorum: true });
      expect(restored).toMatchObject({ size: 60, quorumSize: 0, published: false });
      world.down.clear();
      const log = await world.open();
      await until(() => log.publishedSize() === 60);
    });
  });
});

describe('a mirror that the policy demands', () => {
  it('makes the log wait until its entries are held in the second place', async () => {
    await withLog(
      50,
      async (world, log) => {
        expect(checkCheckpoint(log.policy, log.checkpoint() ?? '').witnesses.map(({ name }) => name)).toContain('m1');
        world.intercept = (url) => (url.includes('/tile/entries/') ? new Response('', { status: 500 }) : undefined);
        await submit(log, 50, 60);
        await until(
          async () => (await world.mirror.health()).logs[0]?.pending === 60,
          'the head is pending at the mirror',
        );
        expect(log.publishedSize()).toBe(50);
        world.intercept = () => undefined;
        await until(() => log.publishedSize() === 60);
      },
      { mirrorCounts: true },
    );
  });
});

describe('a long log', () => {
  it('comes back with a search index of whole blocks and a tail', async () => {
    await withDirectory(async (directory) => {
      const keys = testKeys(0, 0);
      const size = 16_384 + 700;
      const log = tinyLog({ origin: ORIGIN, count: size, entry: entryAt });
      const [signer] = keys.signers;
      if (signer === undefined) throw new Error('no signer');
      const world = await lostLogWorld(directory);
      try {
        const fetchLong: typeof fetch = (input) =>
          answerView({ log, size, signers: [signer] }, String(input).replace(/^.*test\//, ''));
        const options = {
          fetch: fetchLong,
          from: 'http://long.test',
          policyText: keys.policyText,
          acceptNoQuorum: true,
        };
        expect((await world.restore(options)).size).toBe(size);
        const { log: restored } = await openTestLog(directory, { keys });
        const ids = Array.from({ length: 40 }, (_, i) => preparedEvent(`late-${i}`));
        await restored.submit(ids);
        const { indices } = await restored.search({
          terms: ['action="test.run"'],
          from: 0,
          size: size + 40,
          limit: 100,
        });
        expect(indices).toEqual(ids.map((_, i) => size + i));
        expect(
          (await restored.eventsAt([0, 16_383, 16_384, size - 1])).map(({ contentsLost }) => contentsLost),
        ).toEqual(Array(4).fill(true));
        await restored.close();
      } finally {
        await world.close();
      }
    });
  }, 60_000);
});

function entryAt(index: number): Uint8Array {
  const hash = sha256(utf8Encode(`entry ${index}`));
  const rest = { producerId: 'tok_test', producerSeq: null, cardHash: hash, logCommitment: hash, signature: null };
  return encodeEntry({ logTime: 1_700_000_000_000_000 + index, ...rest });
}

/** Everything that the mirror serves at this moment, to be served later as if it were still all there is. */
async function copyOf(world: World): Promise<ReadonlyMap<string, Buffer>> {
  const { body } = await world.mirror.checkpoint(HASH);
  const { size } = parseCheckpoint(body).checkpoint;
  const copy = new Map([['checkpoint', Buffer.from(body)]]);
  for (const path of [`tile/0/000.p/${size}`, `tile/entries/000.p/${size}`]) {
    copy.set(path, Buffer.from((await world.mirror.resource(HASH, path)) ?? []));
  }
  return copy;
}

function answersOf(copy: ReadonlyMap<string, Buffer>): (url: string) => Response | undefined {
  return (url) => {
    if (!url.startsWith(`http://mirror.test/${HASH}/`)) return undefined;
    const body = copy.get(url.slice(`http://mirror.test/${HASH}/`.length));
    return body === undefined ? new Response('', { status: 404 }) : new Response(new Uint8Array(body));
  };
}

/** A mirror with well-formed entries of another history, under heads that the log's own key signed. */
function forgedEntries({ signer }: World, size: number): (url: string) => Response | undefined {
  const other = tinyLog({ origin: ORIGIN, count: size, entry: entryAt });
  return (url) => {
    const prefix = `http://mirror.test/${HASH}/`;
    if (!url.startsWith(prefix)) return undefined;
    const answer = answerView({ log: other, size, signers: [signer] }, url.slice(prefix.length));
    return laterResponse(answer);
  };
}

/** A response now, out of one that is still being made. */
function laterResponse(answer: Promise<Response>): Response {
  const body = new ReadableStream<Uint8Array>({
    start: async (controller) => {
      controller.enqueue(new Uint8Array(await (await answer).arrayBuffer()));
      controller.close();
    },
  });
  return new Response(body);
}
