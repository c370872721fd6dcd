/**
 * npm run bench:sizes -- [--leaves a,b,c] [--data DIR] [--quick] [--seconds N] [--rounds N] [--json FILE]
 *
 * What grows with a log and what does not. At each size, on a raw log of 200-byte entries made by the same code that
 * serves: how long a start takes, after the log was closed and after SIGKILL; bytes on disk; entries written a second and
 * checkpoints, tiles, bundles and inclusion proofs read a second, each over 100 connections; memory before and after.
 * Answers are checked against what the log must hold. The sizes take turns in each round, so that a disturbance falls on
 * all of them. With --data the logs are kept, and used again by the next run (they grow by what a run writes).
 */
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { verifyCheckpoint } from '../proofs/checkpoint.ts';
import { parseVerifierKey } from '../proofs/key.ts';
import { checkRawRuns, type RawRun } from './lib/check-raw.ts';
import { median } from './lib/latency.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { runRawLoad } from './lib/raw-load.ts';
import { rawLogDirectory } from './lib/raw-log.ts';
import { type FilledLog, READ_KINDS, type ReadResult, runReads } from './lib/read-load.ts';
import { type ServerProcess, startServer } from './lib/server-process.ts';

const { values } = parseArgs({
  options: {
    leaves: { type: 'string' },
    data: { type: 'string' },
    quick: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
});
const sizes = (values.leaves ?? (values.quick ? '10000,100000' : '10000,1000000')).split(',').map(Number);
const seconds = Number(values.seconds ?? (values.quick ? 1.5 : 5));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const CONNECTIONS = 100;
const RAW = { deduplicate: false };
/** Above this many leaves reading all entries back would take longer than the run: then the newest runs alone are checked. */
const MAX_CHECKED_LEAVES = 2_000_000;

interface Round {
  readonly startMs: number;
  readonly startAfterKillMs: number;
  readonly writesPerSecond: number;
  readonly reads: readonly ReadResult[];
  readonly residentMiB: readonly [started: number, atTheEnd: number];
  readonly fileMiB: number;
}

interface Size {
  readonly leaves: number;
  readonly directory: string;
  readonly bytesPerLeaf: number;
  readonly rounds: Round[];
}

const machine = describeMachine(`npm run bench:sizes -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));
const place = values.data ?? (await mkdtemp(join(tmpdir(), 'countersign-sizes-')));
try {
  const measured: Size[] = [];
  for (const leaves of sizes) measured.push(await fill(leaves));
  for (let round = 0; round < rounds; round++) {
    for (const size of measured) size.rounds.push(await measure(size, round));
  }
  process.stdout.write(tableOf(measured));
  if (values.json !== undefined) {
    const result = { machine, versions: dependencyVersions(), seconds, rounds, sizes: measured };
    await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
} finally {
  if (values.data === undefined) await rm(place, { recursive: true, force: true });
}

/** The log of this size, made if it is not there. */
async function fill(leaves: number): Promise<Size> {
  const directory = join(place, `${leaves}`);
  const server = await startServer({ raw: RAW, directory, fillEvents: leaves });
  const { treeSize } = await server.stats();
  await server.stop();
  const bytes = await bytesIn(join(rawLogDirectory(directory), 'db'));
  return { leaves, directory, bytesPerLeaf: bytes / treeSize, rounds: [] };
}

async function measure({ leaves, directory }: Size, round: number): Promise<Round> {
  const closed = await startServer({ raw: RAW, directory });
  const startMs = closed.ready.openMs ?? 0;
  await closed.kill();
  const server = await startServer({ raw: RAW, directory });
  try {
    const before = await server.stats();
    // Writing first: reads then go on over a log that has just grown.
    const warm = await write(server, `w${round}-${process.pid}`, 1);
    const timed = await write(server, `t${round}-${process.pid}`, seconds);
    const log = await filledLog(server, leaves);
    const reads: ReadResult[] = [];
    for (const kind of READ_KINDS) {
      await runReads(log, kind, { connections: CONNECTIONS, seconds: Math.min(1, seconds), seed: 1 });
      reads.push(await runReads(log, kind, { connections: CONNECTIONS, seconds, seed: 2 + round }));
    }
    const { writesPerSecond } = timed.result;
    const after = await server.stats();
    if (after.treeSize < MAX_CHECKED_LEAVES) {
      await checkRawRuns({ url: log.url }, { vkey: log.vkey }, [warm, timed]);
    }
    return {
      ...{ startMs, startAfterKillMs: server.ready.openMs ?? 0, writesPerSecond, reads, fileMiB: after.fileMiB },
      residentMiB: [before.residentMiB, after.residentMiB],
    };
  } finally {
    await server.stop();
  }
}

async function write(server: ServerProcess, run: string, duration: number): Promise<RawRun> {
  const load = { connections: CONNECTIONS, seconds: duration, seed: 1, run };
  const result = await runRawLoad({ url: server.ready.logUrl }, load);
  if (Object.keys(result.refused).length > 0) throw new Error(`refused: ${JSON.stringify(result.refused)}`);
  return { run, result };
}

/** Against the checkpoint of this moment. */
async function filledLog({ ready }: ServerProcess, leaves: number): Promise<FilledLog> {
  const vkey = ready.vkey ?? '';
  const key = parseVerifierKey(vkey);
  const note = await (await fetch(`${ready.logUrl}/checkpoint`)).text();
  const { size, root } = verifyCheckpoint(note, [key], key.name).checkpoint;
  return { url: ready.logUrl, vkey, leaves, size, root };
}

async function bytesIn(directory: string): Promise<number> {
  const files = await readdir(directory);
  const stats = await Promise.all(files.map((file) => stat(join(directory, file))));
  return stats.reduce((sum, { size }) => sum + size, 0);
}

function tableOf(measured: readonly Size[]): string {
  const row = (title: string, cell: (size: Size) => string): string =>
    `| ${title} | ${measured.map(cell).join(' | ')} |\n`;
  const whole = (value: number): string => Math.round(value).toLocaleString('en');
  const spread = (of: readonly number[]): string =>
    of.length === 1 ? whole(of[0] ?? 0) : `${whole(median(of))} (${whole(Math.min(...of))}–${whole(Math.max(...of))})`;
  const over = (title: string, pick: (round: Round) => number): string =>
    row(title, ({ rounds: all }) => spread(all.map(pick)));
  return [
    row('leaves', ({ leaves }) => whole(leaves)),
    `|---|${measured.map(() => '---:').join('|')}|\n`,
    over('start after a clean end, ms', ({ startMs }) => startMs),
    over('start after SIGKILL, ms', ({ startAfterKillMs }) => startAfterKillMs),
    over('written a second', ({ writesPerSecond }) => writesPerSecond),
    ...READ_KINDS.map(({ title }, i) => over(`read a second: ${title}`, ({ reads }) => reads[i]?.readsPerSecond ?? 0)),
    ...READ_KINDS.map(({ title }, i) =>
      row(`p50 / p99 ms: ${title}`, ({ rounds: all }) => {
        const of = (pick: (result: ReadResult) => number): string =>
          median(all.flatMap(({ reads }) => reads.slice(i, i + 1).map(pick))).toFixed(1);
        return `${of(({ latency }) => latency.p50)} / ${of(({ latency }) => latency.p99)}`;
      }),
    ),
    over('resident MiB after the start', ({ residentMiB: [started] }) => started),
    over('resident MiB after the load', ({ residentMiB: [, atTheEnd] }) => atTheEnd),
    over('of these, pages of database files', ({ fileMiB }) => fileMiB),
    row('bytes on disk a leaf', ({ bytesPerLeaf }) => bytesPerLeaf.toFixed(0)),
    '\n',
  ].join('');
}
