/**
 * npm run bench:witness -- [--quick] [--seconds N] [--json FILE]
 *
 * How many add-checkpoint requests a witness answers in a second, each one a new head: parsed, its signature verified, its
 * proof checked, recorded with an fsync, cosigned. One witness process, real HTTP on loopback, its load generator on the
 * same machine; a log sends its next head when the last one was answered, so the number of logs is the number of requests
 * in flight. At the end the witness is killed and started again, and must remember everything that it answered for.
 *
 * Beside it, in the same run: the same witness refusing (409, nothing written), and bare fsyncs of this disk.
 */
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { parseCheckpoint } from '../proofs/checkpoint.ts';
import { Connection, requestBytes } from './lib/connection.ts';
import { Latencies, type LatencySummary } from './lib/latency.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { type Growth, LEAVES_PER_HEAD, type MadeLog, makeGrowth, makeLog } from './lib/made-log.ts';
import { startWitness, type WitnessKeys } from './lib/witness-process.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, seconds: { type: 'string' }, json: { type: 'string' } },
});
const seconds = Number(values.seconds ?? (values.quick ? 2 : 10));
const logCounts = values.quick ? [1, 16] : [1, 16, 64];
/** More heads for each log than any machine takes in the time; a run that gets through all of them ends early. */
const HEADS_PER_SECOND_AND_LOG = 2_500;
const MAX_HEADS = 200_000;
const FSYNC_BYTES = 600;

interface Row {
  readonly keys: WitnessKeys;
  readonly what: 'cosigned' | 'refused';
  readonly logs: number;
  readonly perSecond: number;
  readonly latency: LatencySummary;
}

const machine = describeMachine(`npm run bench:witness${values.quick ? ' -- --quick' : ''}`);
process.stdout.write(machineLines(machine));
const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
try {
  const fsyncsPerSecond = await measureFsyncs(join(directory, 'fsync'));
  process.stdout.write(`fsyncs of ${FSYNC_BYTES} bytes, one after the other: ${Math.round(fsyncsPerSecond)}/s\n\n`);
  process.stdout.write('| keys | | logs | requests/s | p50 ms | p99 ms | p99.9 ms |\n|---|---|---|---|---|---|---|\n');
  const rows: Row[] = [];
  for (const keys of ['ed25519', 'both'] as const) {
    for (const logs of logCounts) {
      for (const row of await measure(keys, logs)) {
        rows.push(row);
        process.stdout.write(line(row));
      }
    }
  }
  const result = { machine, dependencies: dependencyVersions(), seconds, fsyncsPerSecond, rows };
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** One witness on a fresh directory: heads for the time, then refusals for a third of it, then a kill and a look. */
async function measure(keys: WitnessKeys, count: number): Promise<readonly Row[]> {
  const heads = Math.min(HEADS_PER_SECOND_AND_LOG * seconds, Math.ceil(MAX_HEADS / count));
  const growth: Growth = await makeGrowth(heads);
  const logs = Array.from({ length: count }, (_, i) => makeLog(i, growth));
  const data = join(directory, `${keys}-${count}`);
  const options = { directory: data, name: 'bench.example/witness', keys, logVkeys: logs.map(({ vkey }) => vkey) };
  const witness = await startWitness(options);
  const connections = await Promise.all(logs.map(() => Connection.open(witness.url)));
  const done = logs.map(() => 0);
  const cosigned = await run(connections, async (connection, i, latencies) => {
    const request = logs[i]?.requests[done[i] ?? 0];
    if (request === undefined) return false;
    await ask(connection, request, 200, latencies);
    done[i] = (done[i] ?? 0) + 1;
    return true;
  });
  const refused = await run(
    connections,
    async (connection, i, latencies) => {
      const [first = Buffer.alloc(0)] = logs[i]?.requests ?? [];
      await ask(connection, first, 409, latencies);
      return true;
    },
    seconds / 3,
  );
  for (const connection of connections) connection.close();
  await witness.kill();
  await checkMemory(options, logs, done);
  await rm(data, { recursive: true, force: true });
  return [
    { keys, what: 'cosigned', logs: count, ...cosigned },
    { keys, what: 'refused', logs: count, ...refused },
  ];
}

type Step = (connection: Connection, index: number, latencies: Latencies) => Promise<boolean>;

async function run(
  connections: readonly Connection[],
  step: Step,
  duration = seconds,
): Promise<Pick<Row, 'perSecond' | 'latency'>> {
  const latencies = new Latencies();
  const startedAt = performance.now();
  const endAt = startedAt + duration * 1_000;
  await Promise.all(
    connections.map(async (connection, i) => {
      while (performance.now() < endAt && (await step(connection, i, latencies)));
    }),
  );
  const elapsedSeconds = (performance.now() - startedAt) / 1_000;
  return { perSecond: latencies.count / elapsedSeconds, latency: latencies.summary() };
}

async function ask(connection: Connection, request: Buffer, expected: number, latencies: Latencies): Promise<void> {
  const sentAt = performance.now();
  const { status, body } = await connection.request(request);
  if (status !== expected) throw new Error(`status ${status} instead of ${expected}: ${body.toString()}`);
  latencies.add(performance.now() - sentAt);
}

/** After SIGKILL, every log's head must be the last one that was answered for. */
async function checkMemory(
  options: Parameters<typeof startWitness>[0],
  logs: readonly MadeLog[],
  done: readonly number[],
): Promise<void> {
  const witness = await startWitness(options);
  const connection = await Connection.open(witness.url);
  for (const [i, { origin }] of logs.entries()) {
    const path = `/${hash('sha256', origin, 'hex')}/checkpoint`;
    const { body } = await connection.request(requestBytes('GET', path, {}, 0).bytes);
    const { size } = parseCheckpoint(body.toString()).checkpoint;
    const expected = (done[i] ?? 0) * LEAVES_PER_HEAD;
    if (size !== expected) throw new Error(`${origin}: it answered for ${expected} and remembers ${size}`);
  }
  connection.close();
  await witness.stop();
}

async function measureFsyncs(path: string): Promise<number> {
  const file = await open(path, 'w');
  const bytes = Buffer.alloc(FSYNC_BYTES, 1);
  const startedAt = performance.now();
  let count = 0;
  while (performance.now() - startedAt < 1_000) {
    await file.write(bytes);
    await file.datasync();
    count += 1;
  }
  const elapsedSeconds = (performance.now() - startedAt) / 1_000;
  await file.close();
  return count / elapsedSeconds;
}

function line({ keys, what, logs, perSecond, latency: { p50, p99, p999 } }: Row): string {
  const milliseconds = [p50, p99, p999].map((value) => value.toFixed(1)).join(' | ');
  const names = keys === 'both' ? 'Ed25519 + ML-DSA-44' : 'Ed25519';
  const status = what === 'cosigned' ? '200' : '409, nothing written';
  return `| ${names} | ${status} | ${logs} | ${Math.round(perSecond)} | ${milliseconds} |\n`;
}
