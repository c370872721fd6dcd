/**
 * npm run bench:fsck -- [--events N] [--json FILE] [--keep DIR] [--fill] [--whole]
 *
 * How long `countersign fsck` takes over a log of a million events, and how much memory: entries, tiles, root, contents,
 * ids and search rows, all from the stored bytes. The log is filled through its own stages in this process, without HTTP;
 * then fsck runs as the process that an operator starts. It must find nothing; then one bit of one entry is flipped, and it
 * must name that entry and nothing else. With --keep the log stays in DIR, and is used again when it is
 * there; --fill only makes it, --whole leaves the flipped bit out.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { logPaths } from '../src/cli/data-dir.ts';
import { loadLog } from '../src/cli/init.ts';
import { processIo } from '../src/cli/io.ts';
import { openPrepareSource } from '../src/cli/prepare-source.ts';
import { runProgram } from '../src/cli/program.ts';
import { prepareEvent } from '../src/events/prepare.ts';
import { openLog } from '../src/log/audit-log.ts';
import { chunkFirstIndex, chunkHolding } from '../src/log/rows.ts';
import { openLevelStore } from '../src/store/leveldb.ts';
import { createEvents, eventBytes } from './lib/events.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    json: { type: 'string' },
    keep: { type: 'string' },
    fill: { type: 'boolean', default: false },
    whole: { type: 'boolean', default: false },
  },
});
const eventCount = Number(values.events);
const GROUP = 1000;
/** Groups on their way to the log at once. */
const IN_FLIGHT = 4;
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');

const HEADER = ['| log | events | seconds | events/s | memory at most, MiB | result |', '|---|---|---|---|---|---|'];

interface Run {
  readonly seconds: number;
  readonly code: number | null;
  readonly maxMiB: number;
  readonly status: string;
  readonly damages: readonly { readonly kind: string; readonly index: number | null }[];
}

const machine = describeMachine(`npm run bench:fsck -- ${process.argv.slice(2).join(' ')}`.trim());
const data = values.keep ?? (await mkdtemp(path.join(tmpdir(), 'countersign-fsck-')));
try {
  const isThere = await stat(logPaths(data, 'audit').config).catch(() => undefined);
  if (isThere === undefined) await fill();
  if (!values.fill) await measure();
} finally {
  if (values.keep === undefined) await rm(data, { recursive: true, force: true });
}

async function fill(): Promise<void> {
  const code = await runProgram(['init', '--data', data, '--origin', 'bench.example/fsck', '--json'], processIo);
  if (code !== 0) throw new Error('the log could not be made');
  const paths = logPaths(data, 'audit');
  const { signers, secret, config } = await loadLog(paths);
  const { contextFor } = await openPrepareSource(secret, paths.allowedCards);
  const context = contextFor('tok_bench');
  const policyText = await readFile(paths.policy, 'utf8');
  const log = await openLog({
    ...{ name: config.name, origin: config.origin, directory: paths.directory, signers, policyText },
    limits: { maxQueuedEvents: 20 * GROUP, scrubEntriesPerSecond: 0 },
  });
  const source = createEvents('f5c000');
  const waiting: Promise<unknown>[] = [];
  for (let from = 0; from < eventCount; from += GROUP) {
    const count = Math.min(GROUP, eventCount - from);
    waiting.push(
      log.submit(Array.from({ length: count }, (_, i) => prepareEvent(eventBytes(source, from + i), context))),
    );
    if (waiting.length >= IN_FLIGHT) await waiting.shift();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(waiting);
  await log.close();
}

async function measure(): Promise<void> {
  process.stdout.write(machineLines(machine));
  const whole = await run();
  if (whole.status !== 'whole') throw new Error(`fsck found damage in a whole log: ${JSON.stringify(whole)}`);
  if (values.whole) {
    process.stdout.write([...HEADER, row('whole', whole), ''].join('\n'));
    return;
  }
  const index = await flipBit();
  const damaged = await run();
  const named = damaged.damages.map(({ kind, index: at }) => `${kind} ${at}`).join(', ');
  if (named !== `entry-altered ${index}`) throw new Error(`fsck named "${named}" and not entry ${index}`);
  await flipBit();
  process.stdout.write([...HEADER, row('whole', whole), row('one bit of one entry flipped', damaged), ''].join('\n'));
  if (values.json !== undefined) {
    const versions = dependencyVersions();
    await writeFile(values.json, `${JSON.stringify({ machine, versions, eventCount, whole, damaged }, null, 2)}\n`);
  }
}

function row(title: string, { seconds, maxMiB, status, damages }: Run): string {
  const result = damages.length === 0 ? status : damages.map(({ kind, index }) => `${kind} ${index}`).join(', ');
  const rate = Math.round(eventCount / seconds);
  return `| ${title} | ${eventCount} | ${seconds.toFixed(1)} | ${rate} | ${Math.round(maxMiB)} | ${result} |`;
}

/** In the log time of an entry in the middle; the second call flips it back. */
async function flipBit(): Promise<number> {
  const store = await openLevelStore(path.join(logPaths(data, 'audit').directory, 'db'));
  const [row] = await store.range(chunkHolding('entries', Math.floor(eventCount / 2)));
  if (row === undefined) throw new Error('there is no such row');
  const value = row.value.slice();
  value[32] = (value[32] ?? 0) ^ 1;
  await store.write([{ key: row.key, value }]);
  await store.close();
  return chunkFirstIndex(row.key);
}

/** One `countersign fsck`, and the most memory that its process had resident. */
async function run(): Promise<Run> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, ['--import', TSX, MAIN, 'fsck', '--data', data, '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  let maxKiB = 0;
  const sampler = setInterval(() => void readPeak(child.pid).then((kib) => (maxKiB = Math.max(maxKiB, kib))), 50);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(sampler);
  const { status, damages } = JSON.parse(out) as Pick<Run, 'status' | 'damages'>;
  return { seconds: (performance.now() - startedMs) / 1000, code, maxMiB: maxKiB / 1024, status, damages };
}

async function readPeak(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
}
