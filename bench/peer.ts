/**
 * npm run bench:peer -- --peer URL --peer-vkey V [--peer-name TEXT] [--seconds N] [--rounds N] [--quick] [--json FILE]
 *
 * Our raw log and any running server that speaks the same (`POST add` answers the decimal index; C2SP checkpoint, tiles
 * and entry bundles), driven by one load generator, in alternating rounds on the same machine; ratios of medians. Ours is
 * started here, on a fresh directory, once with and once without suppressing duplicates. At the end every checkpoint is
 * verified (signature under the key and its origin, consistency with the one before) and every entry is read back from
 * bundles that are proven under the last checkpoint, on both sides; a lost or altered entry fails the run.
 *
 *   --connections a,b   closed loop with so many connections (default 1,100,512)
 *   --rate a,b          open loop, entries a second (default 1000)      --rate-connections N   for these (default 512)
 *   --deduplicate       ours suppresses duplicates in every round (default: it does not)
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { checkRawRuns, type RawRun } from './lib/check-raw.ts';
import { type LatencySummary, median } from './lib/latency.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { RAW_ENTRY_BYTES } from './lib/raw-entries.ts';
import { type RawLoad, type RawResult, runRawLoad } from './lib/raw-load.ts';
import { startServer } from './lib/server-process.ts';

const { values } = parseArgs({
  options: {
    peer: { type: 'string' },
    'peer-vkey': { type: 'string' },
    'peer-name': { type: 'string', default: 'the peer' },
    connections: { type: 'string', default: '1,100,512' },
    rate: { type: 'string', default: '1000' },
    'rate-connections': { type: 'string', default: '512' },
    deduplicate: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
});
const { peer, 'peer-vkey': peerVkey, 'peer-name': peerName } = values;
if (peer === undefined || peerVkey === undefined)
  throw new Error('--peer URL and --peer-vkey V say what to compare with');
const seconds = Number(values.seconds ?? (values.quick ? 2 : 8));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));

/** How long code is warmed up on each side, out of the figures and in the check. */
const WARM_UP = { connections: 32, seconds: 2, seed: 1 };

interface Scenario {
  readonly title: string;
  readonly load: Omit<RawLoad, 'run' | 'seed'>;
}

const numbers = (text: string): readonly number[] => text.split(',').filter(Boolean).map(Number);
const SCENARIOS: readonly Scenario[] = [
  ...numbers(values.connections).map((connections) => ({
    title: `${connections} connection${connections === 1 ? '' : 's'}`,
    load: { connections, seconds },
  })),
  ...numbers(values.rate).map((rate) => ({
    title: `open loop, ${rate.toLocaleString('en')}/s`,
    load: { connections: Number(values['rate-connections']), seconds, rate },
  })),
];

const OURS = 'ours';

interface Side {
  readonly name: string;
  readonly url: string;
  readonly vkey: string;
  readonly runs: (RawRun & { readonly scenario?: Scenario })[];
}

const HEAD =
  '| | | writes/s (least–most) | answered p50 ms | p99 | p99.9 | checkpoint covers it p50 ms | p99 |\n|---|---|---:|---:|---:|---:|---:|---:|\n';

const machine = describeMachine(`npm run bench:peer -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));
const suppressed = values.deduplicate ? 'suppresses duplicates' : 'does not suppress duplicates';
process.stdout.write(`${RAW_ENTRY_BYTES}-byte entries, ${rounds} × ${seconds} s each; ours ${suppressed}\n\n`);

const server = await startServer({ raw: { deduplicate: values.deduplicate } });
try {
  const ours: Side = { name: OURS, url: server.ready.logUrl, vkey: server.ready.vkey ?? '', runs: [] };
  const theirs: Side = { name: peerName, url: peer.replace(/\/+$/, ''), vkey: peerVkey, runs: [] };
  const sides = [ours, theirs];
  for (const side of sides) await measure(side, undefined, { ...WARM_UP });
  for (let round = 0; round < rounds; round++) {
    for (const scenario of SCENARIOS) {
      const inTurn = round % 2 === 0 ? sides : sides.toReversed();
      for (const side of inTurn) await measure(side, scenario, { ...scenario.load, seed: 1 + round });
    }
  }
  const rows = SCENARIOS.map((scenario) => rowOf(scenario, medianOf(ours, scenario), medianOf(theirs, scenario)));
  process.stdout.write(`${HEAD}${rows.map(({ lines }) => lines).join('')}\n`);
  for (const { name, url, vkey, runs } of sides) {
    const { checkpoints, acknowledged, size } = await checkRawRuns({ url }, { vkey }, runs);
    process.stdout.write(
      `${name}: ${checkpoints} checkpoints verified, each consistent with the one before; ${acknowledged.toLocaleString('en')} answered entries read back at their indices, of ${size.toLocaleString('en')} in the log\n`,
    );
  }
  if (values.json !== undefined) {
    const result = {
      machine,
      versions: dependencyVersions(),
      peerName,
      seconds,
      rounds,
      rows: rows.map(({ json }) => json),
    };
    await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
} finally {
  await server.stop();
  await server.remove();
}

async function measure(side: Side, scenario: Scenario | undefined, load: Omit<RawLoad, 'run'>): Promise<void> {
  const run = randomBytes(8).toString('hex');
  const result = await runRawLoad(side, { ...load, run });
  if (side.name === OURS && Object.keys(result.refused).length > 0) {
    throw new Error(`${side.name}: answers that are no index: ${JSON.stringify(result.refused)}`);
  }
  side.runs.push({ run, result, ...(scenario === undefined ? {} : { scenario }) });
}

interface Medians {
  readonly writesPerSecond: number;
  readonly spread: readonly [least: number, most: number];
  readonly acknowledged: LatencySummary;
  readonly covered: LatencySummary;
  readonly unsent: number;
  /** Requests that were answered with something else than an index: pushed back, and not sent again. */
  readonly refused: number;
}

function medianOf({ runs }: Side, scenario: Scenario): Medians {
  const results = runs.filter((one) => one.scenario === scenario).map(({ result }) => result);
  const of = (pick: (result: RawResult) => number): number => median(results.map(pick));
  const latency = (pick: (result: RawResult) => LatencySummary): LatencySummary => ({
    p50: of((result) => pick(result).p50),
    p99: of((result) => pick(result).p99),
    p999: of((result) => pick(result).p999),
    max: of((result) => pick(result).max),
  });
  const writes = results.map(({ writesPerSecond }) => writesPerSecond);
  return {
    writesPerSecond: median(writes),
    spread: [Math.min(...writes), Math.max(...writes)],
    acknowledged: latency((result) => result.acknowledged),
    covered: latency((result) => result.covered),
    unsent: of((result) => result.unsent),
    refused: of((result) => Object.values(result.refused).reduce((sum, count) => sum + count, 0)),
  };
}

function rowOf(
  { title }: Scenario,
  ours: Medians,
  theirs: Medians,
): { readonly lines: string; readonly json: unknown } {
  const ratio = {
    writes: ours.writesPerSecond / theirs.writesPerSecond,
    acknowledged: theirs.acknowledged.p50 / ours.acknowledged.p50,
    covered: theirs.covered.p50 / ours.covered.p50,
  };
  const lines = [
    lineOf(title, 'ours', ours),
    lineOf('', peerName, theirs),
    `| | **ratio** | **${ratio.writes.toFixed(2)} ×** | **${ratio.acknowledged.toFixed(1)} × shorter** | | | **${ratio.covered.toFixed(1)} × shorter** | |\n`,
  ].join('');
  return { lines, json: { title, ours, theirs, ratio } };
}

function lineOf(
  title: string,
  side: string,
  { writesPerSecond, spread, acknowledged, covered, unsent, refused }: Medians,
): string {
  const whole = (value: number): string => Math.round(value).toLocaleString('en');
  const ms = (value: number): string => value.toFixed(1);
  const writes = `${whole(writesPerSecond)} (${spread.map(whole).join('–')})${unsent > 0 ? `, ${whole(unsent)} not sent` : ''}${refused > 0 ? `, ${whole(refused)} refused` : ''}`;
  const { p50, p99, p999 } = acknowledged;
  return `| ${title} | ${side} | ${writes} | ${ms(p50)} | ${ms(p99)} | ${ms(p999)} | ${ms(covered.p50)} | ${ms(covered.p99)} |\n`;
}
