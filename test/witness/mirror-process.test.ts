/**
 * The mirror as a process, killed at any moment while it copies and while it is uploaded to. Whatever it ever served, it
 * serves again: it never goes back, and what it signed it holds.
 *
 *     MIRROR_KILLS=100 MIRROR_SEED=7 npx vitest run test/witness/mirror-process.test.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { parseVerifierKey, verifierKeyOf } from '../../proofs/key.ts';
import { originHash } from '../../witness/logs.ts';
import { until } from '../support/test-log.ts';
import { type ServedViews, serveViews, tinyLog } from '../support/tiny-log.ts';
import { checkServedCopy } from './support/mirror.ts';
import { type RunningProgram, runProgram, startProgram } from './support/program.ts';

const MIRROR = 'witness/mirror-main.ts';
const KILLS = Number(process.env['MIRROR_KILLS'] ?? 4);
const SEED = Number(process.env['MIRROR_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const MS_PER_KILL = 20_000;
const MAX_LIFE_MS = 300;

const pulled = tinyLog({ origin: 'log.example/pulled', count: 8_000 });
const pushed = tinyLog({ origin: 'log.example/pushed', count: 5_000 });

describe('a mirror process', () => {
  let data: string;
  let logs: ServedViews;
  let size = 0;
  const started: RunningProgram[] = [];
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'countersign-mirror-'));
    logs = await serveViews((segment) => (segment === 'pulled' ? { log: pulled, size } : undefined));
  });
  afterAll(async () => {
    for (const mirror of started) if (mirror.isRunning()) await mirror.end('SIGKILL');
    await logs.close();
    await rm(data, { recursive: true, force: true });
  });

  async function start(): Promise<RunningProgram> {
    const pullFrom = `${verifierKeyOf(pulled.signer).vkey} ${logs.url}/pulled`;
    const flags = ['--name', 'mirror.example/m1', '--poll-ms', '10', '--log', pullFrom];
    const mirror = await startProgram(MIRROR, [
      'run',
      '--data',
      data,
      ...flags,
      '--log',
      verifierKeyOf(pushed.signer).vkey,
    ]);
    started.push(mirror);
    return mirror;
  }

  async function heldSize(mirror: RunningProgram, log: typeof pulled, check: 'whole' | 'head'): Promise<number> {
    const prefix = `${mirror.url}/${originHash(log.origin)}`;
    const response = await fetch(`${prefix}/checkpoint`);
    if (response.status === 404) return 0;
    const note = await response.text();
    expect(response.status).toBe(200);
    if (check === 'head') return parseCheckpoint(note).checkpoint.size;
    const checkpoint = await checkServedCopy(note, mirror.vkeys.map(parseVerifierKey), log, async (path) => {
      const answer = await fetch(`${prefix}/${path}`);
      return answer.status === 200 ? new Uint8Array(await answer.arrayBuffer()) : undefined;
    });
    return checkpoint.size;
  }

  it(
    `never goes back over ${KILLS} kills, and holds what it signed (MIRROR_SEED=${SEED})`,
    async () => {
      const random = mulberry32(SEED);
      const largest = { pulled: 0, pushed: 0 };
      for (let kill = 0; kill <= KILLS; kill++) {
        size = Math.min(pulled.entries.length, size + 1 + Math.floor(random() * 2_000));
        const mirror = await start();
        for (const [name, log] of [
          ['pulled', pulled],
          ['pushed', pushed],
        ] as const) {
          const held = await heldSize(mirror, log, 'whole');
          expect(held, `${name} after kill ${kill}`).toBeGreaterThanOrEqual(largest[name]);
          largest[name] = held;
        }
        if (kill === KILLS) {
          await until(
            async () => (await heldSize(mirror, pulled, 'head')) === size,
            'the whole log is mirrored',
            30_000,
          );
          expect(await heldSize(mirror, pulled, 'whole')).toBe(size);
          expect(await mirror.end('SIGTERM')).toBe(0);
          return;
        }
        const abort = new AbortController();
        const uploads = uploadForEver(mirror.url, abort.signal, (held) => {
          largest.pushed = Math.max(largest.pushed, held);
        });
        await pause(random() * MAX_LIFE_MS);
        largest.pulled = Math.max(largest.pulled, await heldSize(mirror, pulled, 'head'));
        expect(await mirror.end('SIGKILL')).toBe('SIGKILL');
        abort.abort();
        await uploads;
      }
    },
    MS_PER_KILL * (KILLS + 1),
  );

  it('is alone on its directory, and says what is wrong with its settings', async () => {
    const mirror = await start();
    const second = await runProgram(MIRROR, ['run', '--data', data, '--log', verifierKeyOf(pushed.signer).vkey]);
    expect(second).toMatchObject({ code: 1, err: expect.stringContaining('store-locked') });
    expect(await mirror.end('SIGINT')).toBe(0);
    const none = await runProgram(MIRROR, ['run', '--data', data]);
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining('a log is needed') });
    expect((await runProgram(MIRROR, ['evidence', '--data', data])).err).toContain('No misbehaviour');
  }, 60_000);

  /** Uploads in requests of one or two packages, with new checkpoints between, until the mirror is gone. */
  async function uploadForEver(url: string, signal: AbortSignal, onHeld: (size: number) => void): Promise<void> {
    const post = async (path: string, body: Uint8Array): Promise<Response> =>
      fetch(url + path, { method: 'POST', body: Buffer.from(body), signal });
    try {
      let pending = Number(await (await post('/add-checkpoint', await pushed.addCheckpoint(1, 2))).text());
      let next = 0;
      while (!signal.aborted && pending < pushed.entries.length - 400) {
        const to = pending + 391;
        await (await post('/add-checkpoint', await pushed.addCheckpoint(pending, to))).arrayBuffer();
        pending = to;
        for (let status = 0; status !== 200; ) {
          const answer = await post('/add-entries', await pushed.addEntries(next, pending, { packages: 1 }));
          status = answer.status;
          const [, line = String(pending)] = (await answer.text()).split('\n');
          next = status === 200 ? pending : Number(line);
        }
        onHeld(pending);
      }
    } catch {
      // The mirror was killed.
    }
  }
});

function mulberry32(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
