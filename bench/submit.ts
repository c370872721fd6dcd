/**
 * npm run bench:submit -- [--quick] [--compare-features] [--compare-server FILE] [--json FILE] …
 *
 * How fast events go in, and how long a producer waits for the acknowledgement: this process generates the load, another
 * one is the server, over loopback, on the same machine. At the end the server is killed and its database is checked
 * against every acknowledgement (lib/check-log.ts); a run that lost or changed an event fails.
 *
 *   --quick              shorter rounds, under a minute
 *   --seconds N          of each measurement                       --rounds N   measurements of each kind; medians are shown
 *   --only a,b           of: post1 post10 post100 post500 batch100 batch1000 open-post open-batch
 *   --sync-delay N       adds N ms to every fsync of the server    --ids ulid|uuid
 *   --without-watch      the server has no detectors behind the writer
 *   --compare-features   alternating rounds: catalogue, redaction and search index on, and all three off
 *   --compare-server F   alternating rounds: this build's server, and the bench/server.js of another build
 *   --profile DIR        the server writes a CPU profile there, and its stages are shown
 *   --json FILE          everything as JSON
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Acknowledgements } from './lib/acknowledgements.ts';
import { checkLog } from './lib/check-log.ts';
import { createEvents, type IdKind } from './lib/events.ts';
import type { LatencySummary } from './lib/latency.ts';
import { median } from './lib/latency.ts';
import { type LoadOptions, type LoadResult, type Numbering, runLoad } from './lib/load.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { readStageShares } from './lib/profile.ts';
import {
  ALL_FEATURES,
  type FeatureSettings,
  NO_FEATURES,
  type StartOptions,
  startServer,
} from './lib/server-process.ts';

interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly connections: number;
  readonly batch: number;
  readonly rate?: number;
}

const SCENARIOS: readonly Scenario[] = [
  { id: 'post1', title: 'POST, 1 connection', connections: 1, batch: 1 },
  { id: 'post10', title: 'POST, 10 connections', connections: 10, batch: 1 },
  { id: 'post100', title: 'POST, 100 connections', connections: 100, batch: 1 },
  { id: 'post500', title: 'POST, 500 connections', connections: 500, batch: 1 },
  { id: 'batch100', title: 'NDJSON × 100, 10 connections', connections: 10, batch: 100 },
  { id: 'batch1000', title: 'NDJSON × 1,000, 4 connections', connections: 4, batch: 1_000 },
  { id: 'open-post', title: 'POST, open loop, 2,000/s', connections: 100, batch: 1, rate: 2_000 },
  { id: 'open-batch', title: 'NDJSON × 100, open loop, 10,000/s', connections: 50, batch: 100, rate: 10_000 },
];
/** One event in so many is opened and compared in the check. */
const OPEN_EVERY = 97;

interface Measured extends LoadResult {
  readonly scenario: Scenario;
  /** Processor time of the server, all threads, per acknowledged event. */
  readonly serverCpuUs: number;
  readonly residentMiB: number;
  /** Events a second of the slowest and the fastest round. */
  readonly spread?: readonly [least: number, most: number];
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    'sync-delay': { type: 'string', default: '0' },
    ids: { type: 'string', default: 'ulid' },
    'without-watch': { type: 'boolean', default: false },
    'compare-features': { type: 'boolean', default: false },
    'compare-server': { type: 'string' },
    profile: { type: 'string' },
    json: { type: 'string' },
  },
});

const seconds = Number(values.seconds ?? (values.quick ? 3 : 10));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
/** Each of the two ways in: the optimising compiler of V8 takes some twenty thousand events. */
const warmSeconds = values.quick ? 1 : 4;
const idKind: IdKind = values.ids === 'uuid' ? 'uuid' : 'ulid';
const command = `npm run bench:submit -- ${process.argv.slice(2).join(' ')}`.trim();
const machine = describeMachine(command);
process.stdout.write(machineLines(machine));
process.stdout.write(
  `${Object.entries(dependencyVersions())
    .map(([name, version]) => `${name} ${version}`)
    .join(' · ')}\n\n`,
);

const comparison = values['compare-features'] || values['compare-server'] !== undefined;
const results = comparison ? await compare() : await measureAll();
if (values.profile !== undefined) {
  process.stdout.write('\n| stage | share of the main thread |\n|---|---:|\n');
  for (const { stage, share } of await readStageShares(values.profile)) {
    process.stdout.write(`| ${stage} | ${percent(share)} |\n`);
  }
}
if (values.json !== undefined) {
  const versions = dependencyVersions();
  await writeFile(values.json, `${JSON.stringify({ machine, versions, seconds, rounds, results }, null, 2)}\n`);
}

async function measureAll(): Promise<readonly Measured[]> {
  const wanted = values.only?.split(',');
  const scenarios = SCENARIOS.filter(({ id }) => wanted === undefined || wanted.includes(id));
  const measured = await session(serverOptions(), scenarios, rounds);
  process.stdout.write(tableHead());
  const medians = scenarios.map((scenario) => medianOf(measured.filter((one) => one.scenario === scenario)));
  for (const one of medians) process.stdout.write(tableRow(one.scenario.title, one));
  process.stdout.write('\n');
  return medians;
}

/** Two servers at once would disturb each other, so they take turns: one round each, a fresh server a round. */
async function compare(): Promise<readonly unknown[]> {
  const other = values['compare-server'];
  const sides: readonly (readonly [title: string, options: StartOptions])[] =
    other === undefined
      ? [
          ['catalogue, redaction, search on', serverOptions()],
          ['all three off', serverOptions(NO_FEATURES)],
        ]
      : [
          ['this build', serverOptions()],
          ['the other build', { ...serverOptions(), script: other }],
        ];
  const wanted = values.only?.split(',') ?? ['batch100'];
  const scenarios = SCENARIOS.filter(({ id }) => wanted.includes(id));
  const all: { side: string; measured: Measured }[] = [];
  const turns = Math.max(rounds, values.quick ? 2 : 5);
  for (let turn = 0; turn < turns; turn++) {
    for (const [side, options] of turn % 2 === 0 ? sides : [...sides].reverse()) {
      for (const measured of await session(options, scenarios, 1)) all.push({ side, measured });
    }
  }
  process.stdout.write(tableHead());
  const out: unknown[] = [];
  for (const scenario of scenarios) {
    const [first, second] = sides.map(([side]) => {
      const own = all.filter((one) => one.side === side && one.measured.scenario === scenario);
      const result = medianOf(own.map(({ measured }) => measured));
      process.stdout.write(tableRow(`${scenario.title}: ${side}`, result));
      return result;
    });
    if (first === undefined || second === undefined) continue;
    const ratio = first.eventsPerSecond / second.eventsPerSecond;
    const cpuRatio = second.serverCpuUs / first.serverCpuUs;
    process.stdout.write(
      `${scenario.title}: ratio of events/s ${percent(ratio)}, of server time per event ${percent(cpuRatio)} (${turns} alternating rounds of ${seconds} s, medians)\n`,
    );
    out.push({ scenario: scenario.id, first, second, ratio, cpuRatio });
  }
  return out;
}

function serverOptions(features: FeatureSettings = ALL_FEATURES): StartOptions {
  const { profile } = values;
  return {
    features: { ...features, watch: !values['without-watch'] },
    syncDelayMs: Number(values['sync-delay']),
    ...(profile === undefined ? {} : { execArgv: ['--cpu-prof', `--cpu-prof-dir=${profile}`] }),
  };
}

/** One server, all scenarios, as many rounds; then the check. */
async function session(
  options: StartOptions,
  scenarios: readonly Scenario[],
  roundCount: number,
): Promise<readonly Measured[]> {
  const server = await startServer(options);
  const events = createEvents(randomBytes(3).toString('hex'), idKind);
  const acknowledgements = new Acknowledgements(events);
  const numbering: Numbering = { next: 0 };
  const target = { logUrl: server.ready.logUrl, token: server.ready.producerToken };
  const load = (given: Omit<LoadOptions, 'seed'>, seed: number): Promise<LoadResult> =>
    runLoad(target, { ...given, seed }, events, numbering, acknowledgements);
  const measured: Measured[] = [];
  try {
    // Both ways in, until they are compiled.
    await load({ connections: 4, batch: 100, seconds: warmSeconds, warmupSeconds: 0 }, 0);
    await load({ connections: 10, batch: 1, seconds: warmSeconds, warmupSeconds: 0 }, 0);
    for (let round = 0; round < roundCount; round++) {
      for (const scenario of scenarios) {
        const before = await server.stats();
        const result = await load({ ...scenario, seconds, warmupSeconds: 0 }, 1 + round);
        const after = await server.stats();
        const sizeBefore = before.treeSize;
        const serverCpuUs = (1000 * (after.cpuMs - before.cpuMs)) / Math.max(1, after.treeSize - sizeBefore);
        measured.push({ ...result, scenario, serverCpuUs, residentMiB: after.residentMiB });
        acknowledgements.settle();
        fail(scenario, result);
      }
    }
    acknowledgements.settle();
    if (values.profile === undefined) await server.kill();
    else await server.stop();
    const directory = `${server.directory}/logs/bench`;
    const sent = numbering.next;
    const checked = await checkLog({ directory, events, acknowledgements, sent, openEvery: OPEN_EVERY });
    process.stdout.write(
      `checked after ${values.profile === undefined ? 'kill -9' : 'a clean end'}: ${count(checked.acknowledged)} of ${count(sent)} events acknowledged, each once at its index among ${count(checked.entries)} entries, ${count(checked.opened)} opened (${Math.round(checked.milliseconds)} ms)\n`,
    );
    return measured;
  } catch (error) {
    await server.kill();
    throw error;
  } finally {
    await server.remove();
  }
}

function fail(scenario: Scenario, { refused, unsent }: LoadResult): void {
  if (Object.keys(refused).length > 0) {
    throw new Error(`${scenario.title}: answers that acknowledge nothing: ${JSON.stringify(refused)}`);
  }
  if (unsent > 0) process.stdout.write(`${scenario.title}: ${unsent} requests were not sent: the server fell behind\n`);
}

function medianOf(all: readonly Measured[]): Measured {
  const [first] = all;
  if (first === undefined) throw new Error('nothing was measured');
  const of = (pick: (one: Measured) => number): number => median(all.map(pick));
  const latency = (name: keyof LatencySummary): number => of((one) => one.latency[name]);
  return {
    ...first,
    eventsPerSecond: of((one) => one.eventsPerSecond),
    serverCpuUs: of((one) => one.serverCpuUs),
    residentMiB: of((one) => one.residentMiB),
    spread: [Math.min(...all.map((one) => one.eventsPerSecond)), Math.max(...all.map((one) => one.eventsPerSecond))],
    latency: { p50: latency('p50'), p99: latency('p99'), p999: latency('p999'), max: latency('max') },
  };
}

function tableHead(): string {
  return '\n| | events/s (least–most) | p50 ms | p99 ms | p99.9 ms | server µs/event | resident MiB |\n|---|---:|---:|---:|---:|---:|---:|\n';
}

function tableRow(title: string, { eventsPerSecond, spread, latency, serverCpuUs, residentMiB }: Measured): string {
  const { p50, p99, p999 } = latency;
  return `| ${title} | ${count(eventsPerSecond)}${spread === undefined ? '' : ` (${spread.map(count).join('–')})`} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${p999.toFixed(1)} | ${serverCpuUs.toFixed(1)} | ${residentMiB} |\n`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
