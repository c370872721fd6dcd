/**
 * npm run bench -- [--quick] [--events N] [--leaves a,b] [--data DIR] [--only part,…] [--json FILE]
 *
 * The whole measurement in one command: each part below is a benchmark of its own, run one after the other, each with its
 * server in a process apart from the load, over loopback. Their tables go to the standard output as they come, and all of
 * their figures into one JSON file, with machine, versions and commands. A part whose check fails (an entry lost, altered
 * or at another index than was answered; a receipt that does not verify; a wrong answer) fails the run, after the others.
 *
 *   --quick       under two minutes, every check on: what continuous integration runs
 *   --events N    size of the log that is searched (default 1,000,000; quick: 20,000)
 *   --leaves a,b  sizes of the raw logs (default 10,000 and 1,000,000; quick: 10,000 and 50,000)
 *   --data DIR    keeps the logs that are searched and read, and uses them again
 *   --only a,b    of: submit submit-2ms submit-10ms receipts sizes search disk
 *   --json FILE   default bench.json in the directory for temporary files
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    events: { type: 'string' },
    leaves: { type: 'string' },
    data: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const { quick, data } = values;
const events = values.events ?? (quick ? '20000' : '1000000');
const leaves = values.leaves ?? (quick ? '10000,50000' : '10000,1000000');

interface Part {
  readonly name: string;
  /** The benchmark, where it is another form of one: `bench:submit` of `submit-2ms`. */
  readonly benchmark?: string;
  readonly title: string;
  readonly args: readonly string[];
}

const kept = (name: string): readonly string[] => (data === undefined ? [] : ['--data', join(data, name)]);
const PARTS: readonly Part[] = [
  { name: 'submit', title: 'Submission', args: quick ? ['--quick', '--seconds', '1.5'] : [] },
  ...(quick ? [] : [2, 10]).map((delayMs) => ({
    name: `submit-${delayMs}ms`,
    benchmark: 'submit',
    title: `Submission, on a disk whose fsync takes ${delayMs} ms longer`,
    args: ['--sync-delay', `${delayMs}`],
  })),
  { name: 'receipts', title: 'Cosigned receipts, verification', args: quick ? ['--quick', '--rate', '1000'] : [] },
  {
    name: 'sizes',
    title: 'Sizes: writes, reads, starts, memory, disk',
    args: [...(quick ? ['--quick', '--seconds', '1'] : []), '--leaves', leaves, ...kept('sizes')],
  },
  {
    name: 'search',
    title: 'Search',
    args: ['--events', events, ...(quick ? ['--requests', '15'] : []), ...kept(`search-${events}`)],
  },
  { name: 'disk', title: 'Bytes on disk', args: quick ? ['--events', '10000'] : [] },
];

interface Outcome {
  readonly part: string;
  readonly command: string;
  readonly exitCode: number;
  readonly seconds: number;
  /** What the part wrote as JSON; null where it writes none. */
  readonly figures: unknown;
}

const machine = describeMachine(`npm run bench -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));
const wanted = values.only?.split(',');
const place = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
const outcomes: Outcome[] = [];
try {
  for (const part of PARTS.filter(({ name }) => wanted === undefined || wanted.includes(name))) {
    process.stdout.write(`\n## ${part.title}\n\n`);
    outcomes.push(await run(part));
  }
} finally {
  await rm(place, { recursive: true, force: true });
}
const json = values.json ?? join(tmpdir(), 'bench.json');
const versions = dependencyVersions();
await writeFile(
  json,
  `${JSON.stringify({ machine, versions, input: { events, leaves, quick }, parts: outcomes }, null, 2)}\n`,
);
const failed = outcomes.filter(({ exitCode }) => exitCode !== 0);
const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0);
process.stdout.write(`\n${outcomes.length} parts in ${seconds.toFixed(0)} s, figures in ${json}\n`);
for (const { part, exitCode } of failed) process.stderr.write(`bench: ${part} failed (${exitCode})\n`);
if (failed.length > 0 || outcomes.length === 0) process.exitCode = 1;

async function run({ name, benchmark = name, args }: Part): Promise<Outcome> {
  const figuresFile = join(place, `${name}.json`);
  const script = fileURLToPath(new URL(`./${benchmark}.js`, import.meta.url));
  const startedMs = performance.now();
  const child = spawn(process.execPath, [script, ...args, '--json', figuresFile], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const figures: unknown = await readFile(figuresFile, 'utf8').then(JSON.parse, () => null);
  const command = `npm run bench:${benchmark} -- ${args.join(' ')}`.trim();
  return { part: name, command, exitCode, seconds: (performance.now() - startedMs) / 1000, figures };
}
