/**
 * npm run test:faults -- [--quick] [--seed N] [--only NAME,…] [--times F]
 *
 * Real faults on real processes: each kind of fault gets a log of its own (and a witness, where it takes one), producers
 * who remember every promise, and an oracle that holds what is served against them. Prints one row for each kind; exit 1
 * if anything acknowledged was lost, altered or duplicated, or two histories were signed. The same seed chooses the same
 * moments, files and bits, as far as time allows.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startHungPeer } from './hung-peer.ts';
import type { Episodes, FaultKind, Tally } from './kind.ts';
import { FAULT_KINDS } from './kinds.ts';
import { Ledger } from './ledger.ts';
import { Heads } from './oracle.ts';
import { seededRandom } from './random.ts';
import { type FaultRow, faultTable } from './table.ts';
import { withTmpfs } from './tmpfs.ts';
import { createWorld, killAll } from './world.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seed: { type: 'string' },
    only: { type: 'string' },
    times: { type: 'string', default: '1' },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(values.seed);
const only = values.only?.split(',');
const times = Number(values.times);

process.exitCode = await main();

async function main(): Promise<number> {
  const kinds = FAULT_KINDS.filter(({ name }) => only === undefined || only.some((part) => name.includes(part)));
  if (kinds.length === 0) {
    console.error(
      `no kind of fault is called ${values.only}; there are: ${FAULT_KINDS.map(({ name }) => name).join(', ')}`,
    );
    return 2;
  }
  console.log(`seed ${seed}`);
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-faults-'));
  const rows: FaultRow[] = [];
  try {
    for (const [i, kind] of kinds.entries()) rows.push(await runKind(kind, path.join(directory, `${i}`), seed + i));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  console.log(`\n${faultTable(rows)}\n(seed ${seed})`);
  return rows.some(({ failure, breaches }) => failure !== undefined || breaches.length > 0) ? 1 : 0;
}

async function runKind(kind: FaultKind, directory: string, kindSeed: number): Promise<FaultRow> {
  const startedMs = performance.now();
  const count = Math.max(1, Math.round((values.quick ? kind.counts.quick : kind.counts.full) * times));
  const tally: Tally = { faults: 0, refusals: 0, checked: 0, named: 0 };
  const ledger = new Ledger(`f${kindSeed.toString(36)}`);
  const heads = new Heads(ledger);
  const scratch = path.join(directory, 'scratch');
  await mkdir(scratch, { recursive: true });
  let failure: string | undefined;
  const work = async (data: string): Promise<void> => {
    const hung = kind.needs.hungWitness === true ? await startHungPeer() : undefined;
    const world = await createWorld(data, {
      witness: kind.needs.witness,
      ...(hung === undefined ? {} : { hungUrl: hung.url }),
    });
    try {
      const progress = (done: number): void => {
        if (process.stderr.isTTY === true) process.stderr.write(`\r${kind.name}: ${done} of ${count} `);
      };
      await kind.run({
        world,
        ledger,
        heads,
        tally,
        count,
        scratch,
        progress,
        random: seededRandom(kindSeed),
      } satisfies Episodes);
    } finally {
      killAll();
      await world.stop();
      hung?.close();
    }
  };
  try {
    const data = path.join(directory, 'data');
    const { tmpfsMiB } = kind.needs;
    await (tmpfsMiB === undefined ? work(data) : withTmpfs(data, tmpfsMiB, () => work(data)));
  } catch (error) {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  await rm(directory, { recursive: true, force: true });
  const seconds = (performance.now() - startedMs) / 1_000;
  const row = { kind: kind.name, ...tally, heads: heads.seen.size, breaches: ledger.breaches, failure, seconds };
  console.log(
    `${kind.name}: ${tally.faults} faults in ${seconds.toFixed(0)} s${failure === undefined ? '' : ', FAILED'}`,
  );
  if (failure !== undefined) console.log(`  ${failure}`);
  for (const { breach, what } of ledger.breaches.slice(0, 10)) console.log(`  ${breach.toUpperCase()} ${what}`);
  return row;
}
