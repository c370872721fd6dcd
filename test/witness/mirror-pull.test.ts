/** A mirror that follows a log by itself: what it fetches, what it then holds and signs, and what it never takes over. */
import { afterEach, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { checkForkProof } from '../../proofs/fork-proof.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { forkProofOf } from '../../witness/evidence-proof.ts';
import { originHash } from '../../witness/logs.ts';
import type { Mirror, MirrorOptions } from '../../witness/mirror.ts';
import { testSigner } from '../support/signed.ts';
import { until } from '../support/test-log.ts';
import { fetchViews, type TinyLog, tinyLog, type View } from '../support/tiny-log.ts';
import { checkMirror, type MemoryDisk, memoryDisk, mirrorOn } from './support/mirror.ts';

const URL = 'http://log.test/one';
const log = tinyLog();
const open: Mirror[] = [];
afterEach(async () => {
  for (const mirror of open.splice(0)) await mirror.close();
});

interface Following {
  readonly mirror: Mirror;
  /** Paths that were asked for and notes that were posted, in order. */
  readonly asked: string[];
  readonly posted: string[];
  view: View | 'down';
}

/** A mirror that follows the log at URL, as it is shown by `view`. */
async function following(
  first: View | 'down',
  options: Partial<MirrorOptions> = {},
  disk: MemoryDisk = memoryDisk(),
): Promise<Following> {
  const asked: string[] = [];
  const posted: string[] = [];
  const shown: { view: View | 'down' } = { view: first };
  const views = fetchViews(() => new Map([[URL, shown.view]]));
  const known: TinyLog = { ...log, known: { ...log.known, url: URL } };
  const mirror = await mirrorOn(disk, [known], {
    pollMs: 10,
    fetch: async (url, init) => {
      asked.push(url.slice(URL.length + 1));
      if (init.method === 'POST' && typeof init.body === 'string') posted.push(init.body);
      return views(url, init);
    },
    ...options,
  });
  open.push(mirror);
  mirror.follow();
  return {
    mirror,
    asked,
    posted,
    get view() {
      return shown.view;
    },
    set view(next) {
      shown.view = next;
    },
  };
}

async function sizeOf(mirror: Mirror): Promise<number> {
  return (await checkMirror(mirror, log))?.size ?? -1;
}

function outcomeOf(mirror: Mirror): Promise<string | null | undefined> {
  return mirror.health().then(({ logs }) => logs[0]?.outcome);
}

describe('a mirror that follows a log', () => {
  it('copies it, signs what it holds, posts that, and keeps up', async () => {
    const follow = await following({ log, size: 300 });
    await until(async () => (await sizeOf(follow.mirror)) === 300);
    for (const size of [301, 512, 513, 700]) {
      follow.view = { log, size };
      await until(async () => (await sizeOf(follow.mirror)) === size);
    }
    await until(() => follow.posted.length === 5);
    const posted = follow.posted.map((note) => parseCheckpoint(note));
    expect(posted.map(({ checkpoint }) => checkpoint.size)).toEqual([300, 301, 512, 513, 700]);
    for (const { note } of posted)
      expect(note.signatures.map(({ name }) => name)).toEqual([log.origin, follow.mirror.name]);
  });

  it('fetches each full bundle once', async () => {
    const follow = await following({ log, size: 600 });
    await until(async () => (await sizeOf(follow.mirror)) === 600);
    follow.view = { log, size: 700 };
    await until(async () => (await sizeOf(follow.mirror)) === 700);
    const bundles = follow.asked.filter((path) => path.startsWith('tile/entries/'));
    expect(bundles).toEqual([
      'tile/entries/000',
      'tile/entries/001',
      'tile/entries/002.p/88',
      'tile/entries/002.p/188',
    ]);
  });

  it('follows the checkpoint of a log that has no head, and lives with one that takes no cosignatures', async () => {
    const intercept = (path: string): Response | undefined =>
      ['head', 'cosignatures'].includes(path) ? new Response('', { status: 404 }) : undefined;
    const follow = await following({ log, size: 300, published: 256, intercept });
    await until(async () => (await sizeOf(follow.mirror)) === 256);
    follow.view = { log, size: 400, intercept };
    await until(async () => (await sizeOf(follow.mirror)) === 400);
  });

  it('goes on after the log was away, and after a start', async () => {
    const disk = memoryDisk();
    const follow = await following({ log, size: 100 }, {}, disk);
    await until(async () => (await sizeOf(follow.mirror)) === 100);
    follow.view = 'down';
    await until(async () => (await outcomeOf(follow.mirror)) === 'unreachable');
    follow.view = { log, size: 200 };
    await until(async () => (await sizeOf(follow.mirror)) === 200);
    await open.pop()?.close();
    const again = await following({ log, size: 600 }, {}, disk);
    await until(async () => (await sizeOf(again.mirror)) === 600);
    expect(again.asked).not.toContain('tile/entries/001.p/1');
  });

  it('keeps the lines of the witnesses that it knows, and no others', async () => {
    const [known, unknown] = [testSigner('witness.example/w1', 4), testSigner('witness.example/w2', 4)];
    const witnesses = [verifierKeyOf(known), verifierKeyOf(testSigner('witness.example/w3', 4))];
    const disk = memoryDisk();
    const signers = [log.signer, known, unknown];
    const follow = await following({ log, size: 50, signers }, { witnesses }, disk);
    const namesOf = async (mirror: Mirror): Promise<readonly string[]> => {
      const { body, status } = await mirror.checkpoint(originHash(log.origin));
      return status === 200 ? parseCheckpoint(body).note.signatures.map(({ name }) => name) : [];
    };
    const expected = [log.origin, known.name, follow.mirror.name];
    await until(async () => (await namesOf(follow.mirror)).join() === expected.join());
    await open.pop()?.close();
    const again = await mirrorOn(disk, [log], { witnesses });
    open.push(again);
    expect(await namesOf(again)).toEqual(expected);
  });

  it('never keeps a forged line in the name of a witness', async () => {
    const witness = testSigner('witness.example/w1', 4);
    const forged = (await log.head(50, [log.signer, witness])).replace(/\n$/, '');
    const lines = (await log.head(60, [log.signer, witness])).split('\n');
    const note = `${forged.slice(0, forged.lastIndexOf('\u2014'))}${lines.at(-2)}\n`;
    const intercept = (path: string): Response | undefined => (path === 'checkpoint' ? new Response(note) : undefined);
    const follow = await following({ log, size: 50, intercept }, { witnesses: [verifierKeyOf(witness)] });
    await until(() => follow.asked.filter((path) => path === 'checkpoint').length > 2);
    const { body } = await follow.mirror.checkpoint(originHash(log.origin));
    expect(parseCheckpoint(body).note.signatures.map(({ name }) => name)).toEqual([log.origin, follow.mirror.name]);
  });
});

describe('a log that misbehaves', () => {
  const forged = tinyLog({ branch: { at: 100, name: 'forged' } });
  const policy = parsePolicy(`log ${verifierKeyOf(log.signer).vkey}\nquorum none\n`);

  it.each([
    ['shows another root for the same size', { log: forged, size: 300 }, 'two-roots', 'two-roots true'],
    [
      'shows a longer history that does not extend ours',
      { log: forged, size: 600 },
      'inconsistent',
      'failed-consistency true',
    ],
    ['goes back', { log, size: 200 }, 'behind', 'rollback false'],
  ] as const)('%s: nothing is taken over, and the evidence is kept', async (_, view, outcome, evidence) => {
    const follow = await following({ log, size: 300 });
    await until(async () => (await sizeOf(follow.mirror)) === 300);
    follow.view = view;
    await until(async () => (await outcomeOf(follow.mirror)) === outcome);
    expect(await sizeOf(follow.mirror)).toBe(300);
    expect((await follow.mirror.evidence()).map(({ kind, conclusive }) => `${kind} ${conclusive}`)).toEqual([evidence]);
    const proofs = (await follow.mirror.evidence()).flatMap((one) => forkProofOf(one) ?? []);
    expect(proofs.map((proof) => checkForkProof(proof, policy).origin)).toEqual(
      outcome === 'behind' ? [] : [log.origin],
    );
    expect(await follow.mirror.health()).toMatchObject({ healthy: true, problems: [expect.stringContaining(outcome)] });
    follow.view = { log, size: 400 };
    await until(async () => (await sizeOf(follow.mirror)) === 400);
  });

  it('serves entries that are not those of its own tree: none of them is stored', async () => {
    const altered = (path: string): Response | undefined =>
      path === 'tile/entries/001' ? new Response(Buffer.from('\x00\x03bad'.repeat(256))) : undefined;
    const follow = await following({ log, size: 600, intercept: altered });
    await until(async () => (await outcomeOf(follow.mirror)) === 'bad-answer');
    expect((await follow.mirror.health()).logs[0]).toMatchObject({
      size: null,
      stored: 256,
      error: expect.stringContaining('the entries from 256 on are not those of the log'),
    });
    follow.view = { log, size: 600 };
    await until(async () => (await sizeOf(follow.mirror)) === 600);
  });

  it('signs its head with another key: nothing is fetched', async () => {
    const stranger = testSigner('log.example/stranger', 1);
    const follow = await following({ log, size: 300, signers: [stranger] });
    await until(async () => (await outcomeOf(follow.mirror)) === 'refused');
    expect(follow.asked.filter((path) => path.startsWith('tile/'))).toEqual([]);
    expect((await follow.mirror.health()).logs[0]).toMatchObject({ size: null, pending: null, stored: 0 });
  });
});
