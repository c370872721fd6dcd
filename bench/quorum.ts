/**
 * npm run bench:quorum -- [--quick] [--samples N] [--json FILE]
 *
 * How long a signed head waits for its quorum: the log in this process, 1, 5 and 15 witnesses as processes of their own on
 * the same machine, a majority of them needed. Time runs from the first request that carries the new head to the moment at
 * which the checkpoint is public, which includes the log's own check of each cosignature and the fsync of the published
 * row. Witnesses do all that they always do: verify, record with an fsync, cosign. The heads come one at a time, each
 * with one new event.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { utf8Encode } from '../proofs/bytes.ts';
import { parseCheckpoint } from '../proofs/checkpoint.ts';
import { makeSignerKey, verifierKeyOf } from '../proofs/key.ts';
import { openPrepareSource } from '../src/cli/prepare-source.ts';
import { prepareEvent } from '../src/events/prepare.ts';
import type { Prepared } from '../src/events/types.ts';
import { openLog } from '../src/log/audit-log.ts';
import type { Log } from '../src/log/types.ts';
import { Latencies, type LatencySummary } from './lib/latency.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { policyLines, startWitness, type WitnessKeys, type WitnessProcess } from './lib/witness-process.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, samples: { type: 'string' }, json: { type: 'string' } },
});
const samples = Number(values.samples ?? (values.quick ? 20 : 200));
const witnessCounts = [1, 5, 15];
const ORIGIN = 'bench.example/quorum';
const WARM_UP = 10;
const PUBLISH_TIMEOUT_MS = 60_000;

interface Row {
  readonly keys: WitnessKeys;
  readonly witnesses: number;
  readonly quorum: number;
  readonly latency: LatencySummary;
}

const machine = describeMachine(`npm run bench:quorum${values.quick ? ' -- --quick' : ''}`);
process.stdout.write(machineLines(machine));
process.stdout.write(
  '| keys of a witness | witnesses | quorum | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|---|\n',
);
const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
try {
  const rows: Row[] = [];
  for (const keys of ['ed25519', 'both'] as const) {
    for (const count of witnessCounts) {
      const row = await measure(keys, count);
      rows.push(row);
      process.stdout.write(line(row));
    }
  }
  const result = { machine, dependencies: dependencyVersions(), samples, rows };
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function measure(keys: WitnessKeys, count: number): Promise<Row> {
  const place = join(directory, `${keys}-${count}`);
  const signer = makeSignerKey(ORIGIN, 1, new Uint8Array(32).fill(1));
  const logVkeys = [verifierKeyOf(signer).vkey];
  const witnesses: WitnessProcess[] = [];
  try {
    for (let i = 1; i <= count; i++) {
      const name = `bench.example/w${i}`;
      witnesses.push(await startWitness({ directory: join(place, `w${i}`), name, keys, logVkeys }));
    }
    const quorum = Math.floor(count / 2) + 1;
    const policyText = `log ${logVkeys[0]}\n${policyLines(witnesses, quorum)}`;
    const firstSent = new Map<number, number>();
    const log = await openLog({
      name: 'bench',
      origin: ORIGIN,
      directory: join(place, 'log'),
      signers: [signer],
      policyText,
      fetch: (input, init) => {
        const size = sizeIn(init?.body);
        if (size !== undefined && !firstSent.has(size)) firstSent.set(size, performance.now());
        return fetch(input, init);
      },
      limits: { signIntervalMs: 1, headPatienceMs: PUBLISH_TIMEOUT_MS },
    });
    try {
      return { keys, witnesses: count, quorum, latency: await sample(log, firstSent, place) };
    } finally {
      await log.close();
    }
  } finally {
    await Promise.all(witnesses.map((witness) => witness.stop()));
  }
}

/** One event, one head, one quorum, and again. */
async function sample(log: Log, firstSent: ReadonlyMap<number, number>, place: string): Promise<LatencySummary> {
  const source = await openPrepareSource(new Uint8Array(32).fill(7), join(place, 'allowed-cards.txt'));
  const context = source.contextFor('tok_bench');
  const latencies = new Latencies();
  for (let i = 0; i < WARM_UP + samples; i++) {
    await log.submit([event(i, (bytes) => prepareEvent(bytes, context))]);
    if (!(await log.waitForPublished(i, PUBLISH_TIMEOUT_MS))) throw new Error(`no quorum for size ${i + 1}`);
    const publicAt = performance.now();
    const sentAt = firstSent.get(i + 1);
    if (sentAt === undefined) throw new Error(`the head of size ${i + 1} was never sent`);
    if (i >= WARM_UP) latencies.add(publicAt - sentAt);
  }
  return latencies.summary();
}

function event(number: number, prepare: (bytes: Uint8Array) => ReturnType<typeof prepareEvent>): Prepared {
  const text = JSON.stringify({
    event_id: `bench-${number}`,
    occurred_at: '2026-01-08T14:32:07Z',
    actor: { type: 'service', id: 'svc-bench' },
    action: 'job.run',
    target: { type: 'job', id: 'nightly' },
    outcome: { result: 'success' },
  });
  return prepare(utf8Encode(text));
}

/** The size of the head in an add-checkpoint request; undefined for any other request. */
function sizeIn(body: unknown): number | undefined {
  if (typeof body !== 'string') return undefined;
  return parseCheckpoint(body.slice(body.indexOf('\n\n') + 2)).checkpoint.size;
}

function line({ keys, witnesses, quorum, latency: { p50, p99, max } }: Row): string {
  const milliseconds = [p50, p99, max].map((value) => value.toFixed(1)).join(' | ');
  const names = keys === 'both' ? 'Ed25519 + ML-DSA-44' : 'Ed25519';
  return `| ${names} | ${witnesses} | ${quorum} | ${milliseconds} |\n`;
}
