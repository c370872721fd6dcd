/** A monitor round by round: what the log, its witnesses and its mirrors show, and what it makes of that. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkForkProof, parseForkProof } from '../../proofs/fork-proof.ts';
import { verifierKeyOf } from '../../proofs/key.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { WitnessError } from '../../witness/errors.ts';
import { originHash } from '../../witness/logs.ts';
import { type MonitorOptions, openMonitor, type RoundReport } from '../../witness/monitor.ts';
import { testSigner } from '../support/signed.ts';
import { answerView, type TinyLog, tinyLog, type View } from '../support/tiny-log.ts';

const LOG_URL = 'http://log.test/one';
const MAX_LAG_MS = 60_000;
const MAX_STILL_MS = 3_600_000;
const log = tinyLog({ count: 2_000 });
/** The same log with another history from entry 400 on. */
const forged = tinyLog({ count: 2_000, branch: { at: 400, name: 'forged' } });
const hash = originHash(log.origin);
const signers = ['w1', 'w2', 'w3'].map((name) => testSigner(`witness.example/${name}`, 4));
const mirrorSigner = testSigner('mirror.example/m1', 4);
const policyText = [
  `log ${verifierKeyOf(log.signer).vkey} ${LOG_URL}`,
  ...signers.map((signer, i) => `witness w${i + 1} ${verifierKeyOf(signer).vkey} http://w${i + 1}.test`),
  'group all 2 w1 w2 w3',
  'quorum all',
  '',
].join('\n');

/** What each of them shows: a head of this size, of this history; or it is down. */
interface World {
  log: View | 'down';
  /** By host: `w1.test`. */
  readonly others: Map<
    string,
    { readonly log: TinyLog; readonly size: number; readonly text?: string } | 'down' | 'none'
  >;
  nowMs: number;
}

let directory: string;
let world: World;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-monitor-'));
  world = { log: 'down', others: new Map(), nowMs: Date.parse('2026-02-01T00:00:00Z') };
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function open(options: Partial<MonitorOptions> = {}): ReturnType<typeof openMonitor> {
  return openMonitor({
    directory,
    policy: parsePolicy(policyText),
    origin: log.origin,
    logUrl: LOG_URL,
    mirrors: [],
    clock: () => world.nowMs,
    maxLagMs: MAX_LAG_MS,
    maxStillMs: MAX_STILL_MS,
    client: { fetch: fetchWorld, timeoutMs: 1_000, signal: new AbortController().signal },
    ...options,
  });
}

async function fetchWorld(url: string, init: RequestInit): Promise<Response> {
  if (url.startsWith(`${LOG_URL}/`)) {
    if (world.log === 'down') throw new TypeError('connection refused');
    return answerView(world.log, url.slice(LOG_URL.length + 1), init);
  }
  const { host, pathname } = new URL(url);
  const shown = world.others.get(host) ?? 'down';
  if (shown === 'down') throw new TypeError('connection refused');
  const [, prefix, ...path] = pathname.split('/');
  if (shown === 'none' || prefix !== hash) return new Response('', { status: 404 });
  if (path.join('/') === 'checkpoint') {
    const own = host === 'm1.test' ? mirrorSigner : signers[Number(host[1]) - 1];
    return new Response(shown.text ?? (await shown.log.head(shown.size, [log.signer, ...(own ? [own] : [])])));
  }
  return answerView(shown, path.join('/'), init);
}

/** Shows an honest log of this size, cosigned by all, that all witnesses have cosigned. */
function showHonest(size: number): void {
  world.log = { log, size, signers: [log.signer, ...signers] };
  for (const host of ['w1.test', 'w2.test', 'w3.test']) world.others.set(host, { log, size });
}

function codes({ problems }: RoundReport): string[] {
  return problems.map(({ code, source }) => (code === 'fork' ? 'fork' : `${code}: ${source}`)).sort();
}

async function forkProofs(): Promise<string[]> {
  return (await readdir(join(directory, 'forks'))).sort();
}

async function theForkProof(): Promise<ReturnType<typeof checkForkProof>> {
  const [name = '', ...others] = await forkProofs();
  expect(others).toEqual([]);
  const text = await readFile(join(directory, 'forks', name), 'utf8');
  return checkForkProof(parseForkProof(text), parsePolicy(policyText));
}

describe('a log without fault', () => {
  it('is verified entry by entry, round by round, and after a start from where it was', async () => {
    let monitor = await open();
    for (const [i, size] of [300, 301, 512, 900].entries()) {
      showHonest(size);
      expect(await monitor.round()).toMatchObject({
        headSize: size,
        entriesVerified: size,
        problems: [],
        unchecked: [],
      });
      if (i === 1) monitor = await open();
      world.nowMs += 1_000;
    }
    expect(await forkProofs()).toEqual([]);
  });

  it('reads no entry twice but those of the bundle that was not full', async () => {
    const asked: string[] = [];
    const fetch: typeof fetchWorld = (url, init) => {
      if (url.includes('/tile/entries/')) asked.push(url.slice(url.indexOf('entries/')));
      return fetchWorld(url, init);
    };
    const client = { fetch, timeoutMs: 1_000, signal: new AbortController().signal };
    const monitor = await open({ client });
    for (const size of [300, 600, 600]) {
      showHonest(size);
      await monitor.round();
    }
    expect(asked).toEqual(['entries/000', 'entries/001.p/44', 'entries/001', 'entries/002.p/88']);
  });

  it('may have a head that is not published yet, and witnesses before and behind it, for a while', async () => {
    const monitor = await open();
    showHonest(500);
    world.log = { log, size: 600, published: 500, signers: [log.signer, ...signers] };
    world.others.set('w2.test', { log, size: 600 });
    world.others.set('w3.test', { log, size: 450 });
    expect(await monitor.round()).toMatchObject({ headSize: 600, problems: [], unchecked: [] });
    // A witness that was told of a head a moment after we had asked the log.
    world.others.set('w1.test', { log, size: 650 });
    world.log = { log, size: 650, published: 600, signers: [log.signer, ...signers], intercept: headOf(600) };
    expect(await monitor.round()).toMatchObject({ headSize: 650, problems: [], unchecked: [] });
  });

  function headOf(size: number): (path: string) => Response | undefined {
    const note = log.head(size, [log.signer]);
    return (path) => (path === 'head' ? responseOf(note) : undefined);
  }

  it('is only half checked when anything does not answer, and that is never called good', async () => {
    const monitor = await open();
    expect(await monitor.round()).toMatchObject({
      headSize: 0,
      problems: [],
      unchecked: expect.arrayContaining([expect.stringMatching(/^log head: /)]),
    });
    showHonest(300);
    world.others.set('w2.test', 'down');
    const { problems, unchecked } = await monitor.round();
    expect([problems, unchecked.length, unchecked[0]]).toEqual([[], 1, expect.stringContaining('witness w2')]);
  });
});

describe('two histories', () => {
  it('of one size, one shown by the log and one by a witness, are proof', async () => {
    const monitor = await open();
    showHonest(500);
    await monitor.round();
    world.others.set('w2.test', { log: forged, size: 500 });
    expect(codes(await monitor.round())).toEqual(['fork']);
    expect(await theForkProof()).toMatchObject({ kind: 'two-roots', origin: log.origin });
    // Told again in every round, and written once.
    expect(codes(await monitor.round())).toEqual(['fork']);
    showHonest(500);
    expect(codes(await (await open()).round())).toEqual(['fork']);
    expect(await forkProofs()).toHaveLength(1);
  });

  it('of one size, shown by two witnesses while the log is away, are proof', async () => {
    const monitor = await open();
    world.others.set('w1.test', { log, size: 500 });
    world.others.set('w2.test', { log: forged, size: 500 });
    expect(codes(await monitor.round())).toEqual(['fork']);
    expect(await theForkProof()).toMatchObject({ kind: 'two-roots' });
  });

  it('of two sizes are proof as soon as the tiles of the larger one can be had', async () => {
    const monitor = await open();
    showHonest(500);
    await monitor.round();
    world.others.set('w3.test', { log: forged, size: 450 });
    expect(codes(await monitor.round())).toEqual(['fork', 'rollback: witness w3']);
    const { kind, first, second } = await theForkProof();
    expect([kind, first.checkpoint.size, second.checkpoint.size]).toEqual(['two-histories', 450, 500]);
    expect(first.witnesses.map(({ name }) => name)).toEqual(['w3']);
  });

  it('are found when a witness is ahead on another one: not placed at first, proof once the log has grown', async () => {
    const monitor = await open();
    showHonest(500);
    await monitor.round();
    world.others.set('w3.test', { log: forged, size: 700 });
    const early = await monitor.round();
    expect([codes(early), early.unchecked]).toEqual([[], [expect.stringContaining('witness w3')]]);
    world.nowMs += MAX_LAG_MS;
    expect(codes(await monitor.round())).toEqual(['unexplained-head: witness w3']);
    showHonest(800);
    expect(codes(await monitor.round())).toEqual(['fork']);
    const { first, second } = await theForkProof();
    expect([first.checkpoint.size, second.checkpoint.size]).toEqual([700, 800]);
  });

  it('are found when the log itself goes over to another one', async () => {
    const monitor = await open();
    showHonest(500);
    await monitor.round();
    for (const host of ['w1.test', 'w2.test', 'w3.test']) world.others.set(host, { log: forged, size: 600 });
    world.log = { log: forged, size: 600, signers: [log.signer, ...signers] };
    const report = await monitor.round();
    expect(codes(report)).toEqual(['fork']);
    expect(report).toMatchObject({ headSize: 500, entriesVerified: 500 });
    expect(await theForkProof()).toMatchObject({ kind: 'two-histories' });
  });

  it('are proof with the tiles of a mirror when the log has gone', async () => {
    const mirrors = [{ url: 'http://m1.test', key: verifierKeyOf(mirrorSigner) }];
    const monitor = await open({ mirrors });
    showHonest(500);
    world.others.set('m1.test', { log, size: 500 });
    await monitor.round();
    world.log = 'down';
    world.others.set('w1.test', { log: forged, size: 450 });
    expect(codes(await monitor.round())).toContain('fork');
  });

  it('name a witness that cosigned both', async () => {
    const monitor = await open();
    showHonest(500);
    await monitor.round();
    world.others.set('w2.test', { log: forged, size: 500 });
    world.others.set('w1.test', 'down');
    // The head that the monitor holds carries the lines of all three.
    await monitor.round();
    expect((await theForkProof()).witnessesOfBoth).toEqual(['w2']);
  });
});

describe('a problem that is no fork', () => {
  it('is an entry that is not the one in the tree, named by its index; it goes away with it', async () => {
    const monitor = await open();
    showHonest(600);
    const altered = Buffer.from((await log.resource('tile/entries/001', 600)) ?? []);
    altered[10] = (altered[10] ?? 0) ^ 1;
    const intercept = (path: string): Response | undefined =>
      path === 'tile/entries/001' ? new Response(altered) : undefined;
    world.log = { log, size: 600, signers: [log.signer, ...signers], intercept };
    const report = await monitor.round();
    expect(report.problems).toEqual([
      { code: 'entries-differ', source: 'log', detail: 'entry 256 is not the one in the tree of size 600' },
    ]);
    expect(report.entriesVerified).toBe(0);
    showHonest(600);
    expect(await monitor.round()).toMatchObject({ problems: [], entriesVerified: 600 });
  });

  it('is a tile that does not lead to the head', async () => {
    const monitor = await open();
    showHonest(600);
    const intercept = (path: string): Response | undefined =>
      path === 'tile/1/000.p/2' ? new Response(Buffer.alloc(64)) : undefined;
    world.log = { log, size: 600, signers: [log.signer, ...signers], intercept };
    expect(codes(await monitor.round())).toEqual(['entries-differ: log']);
  });

  it('is a witness that is behind for too long, or has cosigned nothing', async () => {
    const monitor = await open();
    showHonest(300);
    await monitor.round();
    showHonest(500);
    world.others.set('w1.test', { log, size: 300 });
    expect(codes(await monitor.round())).toEqual([]);
    world.nowMs += MAX_LAG_MS - 1;
    expect(codes(await monitor.round())).toEqual([]);
    world.nowMs += 1;
    world.others.set('w2.test', 'none');
    expect(codes(await monitor.round())).toEqual(['behind: witness w1', 'behind: witness w2', 'rollback: witness w2']);
    // One that moves along with a busy log, always a little behind, is not behind.
    for (let size = 600; size < 1_400; size += 50) {
      showHonest(size);
      world.others.set('w1.test', { log, size: size - 50 });
      world.nowMs += MAX_LAG_MS / 2;
      expect(codes(await monitor.round())).toEqual([]);
    }
  });

  it('is a published checkpoint that stays behind what is signed, or has no quorum', async () => {
    const monitor = await open();
    showHonest(300);
    world.log = { log, size: 500, published: 300, signers: [log.signer, ...signers] };
    await monitor.round();
    world.nowMs += MAX_LAG_MS;
    expect(codes(await monitor.round())).toEqual([
      'behind: log checkpoint',
      ...[1, 2, 3].map((i) => `behind: witness w${i}`),
    ]);
    showHonest(500);
    world.log = { log, size: 500, signers: [log.signer, ...signers.slice(0, 1)] };
    expect(codes(await monitor.round())).toEqual(['quorum-not-met: log checkpoint']);
  });

  it('is a head that stands still, until it moves', async () => {
    const monitor = await open();
    showHonest(300);
    await monitor.round();
    world.nowMs += MAX_STILL_MS;
    expect(codes(await monitor.round())).toEqual(['head-still: log']);
    expect(codes(await (await open({ maxStillMs: 0 })).round())).toEqual([]);
    showHonest(301);
    expect(codes(await monitor.round())).toEqual([]);
  });

  it('is a source that has not answered for too long', async () => {
    const monitor = await open();
    showHonest(300);
    await monitor.round();
    world.others.set('w1.test', 'down');
    world.nowMs += MAX_LAG_MS;
    expect(codes(await monitor.round())).toEqual(['unreachable: witness w1']);
    world.log = 'down';
    world.nowMs += MAX_LAG_MS;
    expect(codes(await monitor.round())).toEqual([
      'unreachable: log checkpoint',
      'unreachable: log head',
      'unreachable: witness w1',
    ]);
  });

  it('is a log that goes back, even to a head that was once true', async () => {
    const monitor = await open();
    showHonest(500);
    await monitor.round();
    showHonest(400);
    expect(codes(await monitor.round())).toEqual([
      'rollback: log checkpoint',
      'rollback: log head',
      ...[1, 2, 3].map((i) => `rollback: witness w${i}`),
    ]);
    showHonest(500);
    expect(codes(await monitor.round())).toEqual([]);
  });

  it('is a head by a stranger, one of another log, one without its own cosignature, and no head at all', async () => {
    const monitor = await open();
    showHonest(500);
    const other = tinyLog({ origin: 'log.example/other' });
    const bad: [string, string][] = [
      ['stranger', await log.head(500, [testSigner('stranger.example/x', 1), ...signers])],
      ['another log', await other.head(500, [other.signer, ...signers])],
      ['no line of its own', await log.head(500, [log.signer, ...signers.slice(1)])],
      ['forged line', (await log.head(500, [log.signer, ...signers.slice(0, 1)])).replace(/.{8}\n$/, 'AAAAAAA=\n')],
      ['no head', '<html>'],
    ];
    for (const [what, text] of bad) {
      world.others.set('w1.test', { log, size: 500, text });
      expect([what, codes(await monitor.round())]).toEqual([what, ['bad-head: witness w1']]);
    }
  });

  it('is a mirror whose own line is missing or bad', async () => {
    showHonest(500);
    const mirrors = [{ url: 'http://m1.test', key: verifierKeyOf(testSigner('mirror.example/other', 4)) }];
    world.others.set('m1.test', { log, size: 500 });
    expect(codes(await (await open({ mirrors })).round())).toEqual(['bad-head: mirror http://m1.test']);
  });
});

describe('the state of a monitor', () => {
  it('belongs to one log, and a damaged one is not begun anew', async () => {
    const monitor = await open();
    showHonest(300);
    await monitor.round();
    await expect(open({ origin: 'log.example/other' })).rejects.toMatchObject({ code: 'config-invalid' });
    const file = join(directory, 'monitor.json');
    const text = await readFile(file, 'utf8');
    for (const damaged of [
      '',
      text.slice(0, -20),
      text.replace('"size": 300', '"size": 301'),
      text.replace('v1', 'v2'),
    ]) {
      await writeFile(file, damaged);
      await expect(open(), damaged.slice(0, 20)).rejects.toMatchObject({ code: 'state-corrupt' });
    }
    await writeFile(file, text);
    expect(await (await open()).round()).toMatchObject({ entriesVerified: 300, problems: [] });
  });

  it('does not pass for another history of its own', async () => {
    const monitor = await open();
    showHonest(300);
    await monitor.round();
    const file = join(directory, 'monitor.json');
    const text = await readFile(file, 'utf8');
    const { entries } = JSON.parse(text) as { entries: { hashes: string[] } };
    const [peak = ''] = entries.hashes;
    await writeFile(file, text.replace(peak, entries.hashes[1] ?? ''));
    showHonest(400);
    const next = await open();
    await expect(next.round()).rejects.toBeInstanceOf(WitnessError);
  });
});

function responseOf(text: Promise<string>): Response {
  const stream = new ReadableStream<Uint8Array>({
    start: async (controller) => {
      controller.enqueue(new TextEncoder().encode(await text));
      controller.close();
    },
  });
  return new Response(stream);
}
