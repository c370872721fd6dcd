/** The pull side: a witness that polls logs, honest ones, broken ones and liars. */
import { afterEach, describe, expect, it } from 'vitest';
import { base64Decode, equalBytes } from '../../proofs/bytes.ts';
import { checkConsistency } from '../../proofs/check.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { localCosigner } from '../../witness/cosigner.ts';
import { headsOf } from '../../witness/evidence.ts';
import { originHash } from '../../witness/logs.ts';
import type { Witness, WitnessOptions } from '../../witness/witness.ts';
import { type FakeLog, fakeLog, postedSizes } from './support/fake-log.ts';
import {
  CLOCK_SECONDS,
  memoryWitness,
  testLog,
  verifiedLines,
  witnessEd25519,
  witnessMldsa44,
} from './support/witness.ts';

const log = testLog();
const fork = testLog({ branch: { at: 3, name: 'another history' } });
const POLL_MS = 10;

let opened: Witness[] = [];

afterEach(async () => {
  for (const witness of opened) await witness.close();
  opened = [];
});

async function follow(fake: FakeLog, options: Partial<WitnessOptions> = {}): Promise<Witness> {
  const witness = await memoryWitness([{ ...log.known, url: fake.url }], {
    fetch: fake.fetch,
    pollMs: POLL_MS,
    ...options,
  });
  opened.push(witness);
  witness.follow();
  return witness;
}

/** Waits until it is so; the test's time limit is the bound. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function outcome(witness: Witness): Promise<string | null | undefined> {
  return (await witness.health()).logs[0]?.outcome;
}

async function polls(fake: FakeLog, count: number): Promise<void> {
  const start = fake.asked.filter((path) => path === 'head').length;
  await until(() => fake.asked.filter((path) => path === 'head').length >= start + count);
}

describe('following an honest log', () => {
  it('cosigns each head, with a proof built from tiles, and posts the checkpoint with its lines', async () => {
    const fake = fakeLog(log, 0);
    const cosigners = [localCosigner(witnessEd25519), localCosigner(witnessMldsa44)];
    const witness = await follow(fake, { cosigners });
    const sizes = [0, 1, 3, 8, 255, 256, 257, 511, 512, 600];
    for (const size of sizes) {
      fake.size = size;
      await until(() => postedSizes(fake).at(-1) === size);
      const note = fake.posted.at(-1) ?? '';
      const { checkpoint } = parseCheckpoint(note);
      const lines = verifiedLines({ body: note.slice(log.head(size).length) }, checkpoint, witness.keys);
      expect(lines.map(({ key }) => key.type)).toEqual([4, 6]);
      expect(note.startsWith(log.head(size))).toBe(true);
    }
    expect(postedSizes(fake)).toEqual(sizes);
    expect(await witness.evidence()).toEqual([]);
    expect(fake.asked).toContain('tile/0/002.p/88');
  });

  it('asks again with the entity tag, and posts nothing while nothing changed', async () => {
    const fake = fakeLog(log, 5);
    const statuses: number[] = [];
    fake.intercept = (path, init) => {
      if (path === 'head') statuses.push(new Headers(init.headers).has('if-none-match') ? 304 : 200);
      return undefined;
    };
    const witness = await follow(fake);
    await polls(fake, 4);
    expect(statuses.slice(0, 4)).toEqual([200, 304, 304, 304]);
    expect(postedSizes(fake)).toEqual([5]);
    expect(await outcome(witness)).toBe('unchanged');
  });

  it('posts again, from time to time, a head that stays the newest: the log may have forgotten', async () => {
    let nowMs = CLOCK_SECONDS * 1000;
    const fake = fakeLog(log, 5);
    await follow(fake, { clock: () => nowMs });
    await until(() => fake.posted.length === 1);
    nowMs += 11_000;
    await until(() => fake.posted.length === 2);
    expect(fake.posted[1]).toBe(fake.posted[0]);
  });

  it('does not post what the log got as the answer to its own push', async () => {
    const fake = fakeLog(log, 5);
    const witness = await memoryWitness([{ ...log.known, url: fake.url }], { fetch: fake.fetch, pollMs: POLL_MS });
    opened.push(witness);
    expect((await witness.addCheckpoint(log.request(0, 5))).status).toBe(200);
    witness.follow();
    await polls(fake, 3);
    expect(fake.posted).toEqual([]);
    fake.size = 8;
    await until(() => postedSizes(fake).at(-1) === 8);
  });

  it('takes a partial tile that is gone from the full one', async () => {
    const fake = fakeLog(log, 250);
    await follow(fake);
    await until(() => fake.posted.length === 1);
    // The head is that of 255, but the log has grown to 300 since and dropped the partial tile.
    fake.size = 300;
    fake.headText = log.head(255);
    await until(() => postedSizes(fake).at(-1) === 255);
    expect(fake.asked).toContain('tile/0/000.p/255');
    expect(fake.asked).toContain('tile/0/000');
  });

  it('makes good for a post that failed, and for tiles that could not be had', async () => {
    const fake = fakeLog(log, 5);
    let failing = 'cosignatures';
    fake.intercept = (path) =>
      failing !== '' && path.startsWith(failing) ? new Response('', { status: 500 }) : undefined;
    const witness = await follow(fake);
    await until(async () => (await outcome(witness)) === 'bad-answer');
    failing = '';
    await until(() => postedSizes(fake).at(-1) === 5);
    failing = 'tile/';
    fake.size = 8;
    await until(async () => (await outcome(witness)) === 'bad-answer');
    failing = '';
    await until(() => postedSizes(fake).at(-1) === 8);
    expect(await witness.evidence()).toEqual([]);
  });
});

describe('following a log that misbehaves', () => {
  it('keeps conclusive evidence of a rewritten history, posts its own head, and goes on when the log is back', async () => {
    for (const [held, next] of [
      [5, 8],
      [8, 8],
      [8, 13],
      [256, 300],
    ] as const) {
      const fake = fakeLog(log, held);
      const witness = await follow(fake);
      await until(() => fake.posted.length === 1);
      fake.log = fork;
      fake.size = next;
      const expected = held === next ? 'two-roots' : 'inconsistent';
      await until(async () => (await outcome(witness)) === expected);
      const [evidence, ...others] = await witness.evidence();
      expect(others).toEqual([]);
      expect(evidence).toMatchObject({ conclusive: true, via: 'poll', held: fake.posted[0], offered: fork.head(next) });
      if (evidence?.proof !== undefined) {
        const heads = headsOf(evidence);
        const prefixRoot = base64Decode(evidence.prefix_root ?? '');
        const proof = evidence.proof.map(base64Decode);
        checkConsistency({ from: held, to: next, fromRoot: prefixRoot, toRoot: heads.offered.root, proof });
        expect(equalBytes(prefixRoot, heads.held.root)).toBe(false);
      }
      expect((await witness.health()).problems).toEqual([`the log "${log.origin}": ${expected}; see the evidence`]);
      expect(postedSizes(fake).every((size) => size === held)).toBe(true);
      const before = await witness.monitoredCheckpoint(originHash(log.origin));
      expect(parseCheckpoint(before.body).checkpoint.root).toEqual(log.tree.root(0, held));
      fake.log = log;
      fake.size = 301;
      await until(() => postedSizes(fake).at(-1) === 301);
    }
  });

  it('tells a log that was set back what it had signed, and keeps the smaller head', async () => {
    let nowMs = CLOCK_SECONDS * 1000;
    const fake = fakeLog(log, 8);
    const witness = await follow(fake, { clock: () => nowMs });
    await until(() => fake.posted.length === 1);
    fake.posted.length = 0;
    nowMs += 11_000;
    fake.size = 5;
    await until(() => fake.posted.length > 0);
    expect(fake.posted[0]?.startsWith(log.head(8))).toBe(true);
    await until(async () => (await outcome(witness)) === 'behind');
    expect(await witness.evidence()).toMatchObject([{ kind: 'rollback', conclusive: false, offered: log.head(5) }]);
  });

  it('goes on reporting although the log refuses to hear it', async () => {
    const fake = fakeLog(log, 8);
    const witness = await follow(fake);
    await until(() => fake.posted.length === 1);
    fake.intercept = (path) => (path === 'cosignatures' ? new Response('', { status: 409 }) : undefined);
    fake.log = fork;
    await until(async () => (await outcome(witness)) === 'two-roots');
  });

  it('does not take tiles for evidence of anything while they do not go with the head', async () => {
    const fake = fakeLog(log, 5);
    const witness = await follow(fake);
    await until(() => fake.posted.length === 1);
    fake.intercept = (path) => (path.startsWith('tile/') ? new Response(Buffer.alloc(8 * 32, 7)) : undefined);
    fake.size = 8;
    await until(async () => (await outcome(witness)) === 'inconsistent');
    expect(await witness.evidence()).toMatchObject([{ kind: 'failed-consistency', conclusive: false }]);
    fake.intercept = () => undefined;
    await until(() => postedSizes(fake).at(-1) === 8);
  });
});

describe('following a log that gives nothing to judge', () => {
  it('names what is wrong, keeps no evidence, and never signs it', async () => {
    const stranger = testLog({ origin: 'log.example/stranger', seed: 0x33 });
    const impostor = testLog({ seed: 0x34 });
    const answering = (response: () => Response): Partial<FakeLog> => ({ intercept: response });
    const cases: readonly (readonly [what: string, outcome: string, spoilt: Partial<FakeLog>])[] = [
      ['no head yet', 'bad-answer', answering(() => new Response('none', { status: 404 }))],
      ['a redirect', 'bad-answer', answering(() => new Response(null, { status: 302, headers: { location: '/x' } }))],
      ['a head without end', 'bad-answer', answering(() => new Response('x'.repeat(300_000)))],
      ['no connection', 'unreachable', { intercept: () => Promise.reject(new TypeError('fetch failed')) }],
      ['no text', 'refused', { headText: 'hello' }],
      ['the head of another log', 'refused', { headText: stranger.head(5) }],
      ['a head by another key', 'refused', { headText: impostor.head(5) }],
      ['an unsupported size', 'refused', { headText: log.head(5).replace('\n5\n', '\n9007199254740993\n') }],
    ];
    for (const [what, expected, spoilt] of cases) {
      const fake = Object.assign(fakeLog(log, 5), spoilt);
      const witness = await follow(fake);
      await until(async () => (await outcome(witness)) !== null);
      expect(await outcome(witness), what).toBe(expected);
      expect((await witness.health()).logs[0]?.error, what).not.toBeNull();
      expect((await witness.monitoredCheckpoint(originHash(log.origin))).status, what).toBe(404);
      expect(fake.posted, what).toEqual([]);
      expect(await witness.evidence(), what).toEqual([]);
      expect((await witness.health()).healthy, what).toBe(true);
    }
  });

  it('gives up on a log that does not answer, and tries again', async () => {
    const fake = fakeLog(log, 5);
    let silent = true;
    fake.intercept = (path, init) =>
      silent && path === 'head'
        ? new Promise((_, reject) => {
            init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
          })
        : undefined;
    const witness = await follow(fake, { timeoutMs: 20 });
    await until(async () => (await outcome(witness)) === 'unreachable');
    expect((await witness.health()).logs[0]?.error).toContain('no answer within 20 ms');
    silent = false;
    await until(() => fake.posted.length === 1);
  });

  it('stops at once when it is closed in the middle of a request', async () => {
    const fake = fakeLog(log, 5);
    fake.intercept = (_, init) =>
      new Promise((_resolve, reject) => {
        init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
    const witness = await follow(fake);
    await until(() => fake.asked.length === 1);
    await witness.close();
    opened = [];
    expect(fake.asked).toEqual(['head']);
  });
});
