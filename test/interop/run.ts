/**
 * `npm run test:interop`: our formats, log and witness against another implementation, golang.org/x/mod. Prints a line
 * per part and a total; exits with 1 when anything failed, when anything was skipped, or when there is no Go.
 *
 *   Go verifies a running log       note.Open, tlog.TileHashReader, CheckRecord, CheckTree over HTTP     log_test.go
 *   Go verifies a running raw log   the same, over entries of any bytes                                  log_test.go
 *   Go drives a running witness     a log made in Go, add-checkpoint status by status                    witness_test.go
 *   we verify what Go made          notes, checkpoints, cosignatures, proofs, tiles                      made.ts
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ownCommand, startProcess } from '../../src/cli/processes.ts';
import { removeNetworks, startTestNetwork, type TestNetwork } from '../support/network.ts';
import { until } from '../support/test-log.ts';
import { type GoTally, goRun, goTest, goVersion } from './go.ts';
import { checkMade } from './made.ts';
import { type InteropOptions, parseTargets } from './targets.ts';

/** Enough for full tiles and a second level: 256 · 2 < 300 + 1,000. */
const FIRST_EVENTS = 300;
const MORE_EVENTS = 1_000;
const RECEIPT_INDICES = [0, 1, 255, 256, 299, 300, 1_299];
const RAW_ENTRIES = 600;
/** Two of them have no bytes, and are one entry: duplicates are suppressed. */
const RAW_DIFFERENT = 599;
const WITNESS_NAME = 'countersign.example/interop-witness';

type Say = (what: string, tally: GoTally) => void;

async function main(): Promise<number> {
  const options = parseTargets(process.argv.slice(2));
  const version = goVersion();
  if (version === undefined) {
    process.stderr.write('test:interop needs Go, and there is none on this machine: nothing was checked\n');
    return 1;
  }
  const logKey = (await goRun('./cmd/logkey', [options.origin])).trim();
  if (options.printLogKey) {
    process.stdout.write(`${logKey}\n`);
    return 0;
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  const say: Say = (what, { passed, failed, skipped, output }) => {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    for (const line of output) process.stdout.write(`    ${line}\n`);
    process.stdout.write(`${what}: ${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  };
  process.stdout.write(`${version}, Node ${process.version}\n`);
  const own = options.log === undefined && options.witness === undefined;
  if (own || options.log !== undefined) await checkLog(options, say);
  if (own || options.witness !== undefined) await checkWitness(options, logKey, say);
  if (own) {
    const { passed, failures } = await checkMade(await goRun('./cmd/make'));
    say('made by Go, verified by us', { passed, failed: failures.length, skipped: 0, output: failures.slice(0, 20) });
  }
  process.stdout.write(`total: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  return total.failed > 0 || total.skipped > 0 || total.passed === 0 ? 1 : 0;
}

async function checkLog({ log }: InteropOptions, say: Say): Promise<void> {
  if (log !== undefined) {
    say(`the log at ${log.url}, verified by Go`, await goTest('^TestLog', logEnvironment(log)));
    return;
  }
  const receipts = await mkdtemp(path.join(tmpdir(), 'countersign-interop-'));
  try {
    const network = await startTestNetwork({ args: ['--raw', 'bytes'] });
    await submit(network, 0, FIRST_EVENTS);
    const oldCheckpoint = path.join(receipts, 'checkpoint');
    await writeFile(oldCheckpoint, String((await network.run(['checkpoint', '--json'])).json()['checkpoint']));
    await submit(network, FIRST_EVENTS, MORE_EVENTS);
    for (const index of RECEIPT_INDICES) {
      const { code, err } = await network.run(['proof', '--index', String(index), '--out', receipts]);
      if (code !== 0) throw new Error(`no receipt of event ${index}: ${err}`);
    }
    const { log_url: url, log_vkeys: vkeys, witness_vkeys: witnesses } = await network.read();
    const environment = {
      ...logEnvironment({ url, vkeys }),
      INTEROP_COSIGNER_VKEYS: Object.values(witnesses).flat().join(' '),
      INTEROP_OLD_CHECKPOINT: oldCheckpoint,
      INTEROP_RECEIPTS: receipts,
    };
    say('our log, verified by Go', await goTest('^Test(Log|Own)', environment));
    say('our raw log, verified by Go', await goTest('^TestLog', await addBytes(network)));
  } finally {
    await removeNetworks();
    await rm(receipts, { recursive: true, force: true });
  }
}

async function checkWitness({ witness, origin }: InteropOptions, logKey: string, say: Say): Promise<void> {
  if (witness !== undefined) {
    const environment = witnessEnvironment(witness, origin);
    say(`the witness at ${witness.url}, driven by Go`, await goTest('^TestWitness$', environment));
    return;
  }
  const data = await mkdtemp(path.join(tmpdir(), 'countersign-interop-'));
  const args = ['run', '--data', data, '--name', WITNESS_NAME, '--log', logKey, '--rate', '10000'];
  const command = ownCommand('../../witness/main', args);
  const running = await startProcess('witness', command, path.join(data, 'output'));
  try {
    const { url, vkeys } = running.ready;
    if (typeof url !== 'string' || !Array.isArray(vkeys)) throw new Error('the witness did not say where it is');
    const environment = witnessEnvironment({ url, vkeys: vkeys.map(String) }, origin);
    // Twice: the second time the witness remembers the log.
    say('our witness, driven by Go', await goTest('^TestWitness$', environment, 2));
  } finally {
    await running.stop();
    await rm(data, { recursive: true, force: true });
  }
}

/** Entries of all lengths and all byte values, and a checkpoint that covers them. */
async function addBytes(network: TestNetwork): Promise<Readonly<Record<string, string>>> {
  const [raw] = (await network.read()).raw_logs ?? [];
  if (raw === undefined) throw new Error('the network serves no raw log');
  const authorization = `Bearer ${(await readFile(raw.producer_token, 'utf8')).trim()}`;
  for (let i = 0; i < RAW_ENTRIES; i++) {
    const body = Uint8Array.from({ length: i % 300 }, (_, at) => (i + 7 * at) % 256);
    const answer = await fetch(`${raw.log_url}/add`, { method: 'POST', body, headers: { authorization } });
    if (answer.status !== 200) throw new Error(`entry ${i} was not taken: ${await answer.text()}`);
  }
  const covers = async (): Promise<boolean> => {
    const [, size = '0'] = (await (await fetch(`${raw.log_url}/checkpoint`)).text()).split('\n');
    return Number(size) >= RAW_DIFFERENT;
  };
  await until(covers, 'a checkpoint over all entries');
  return logEnvironment({ url: raw.log_url, vkeys: raw.log_vkeys });
}

function logEnvironment({ url, vkeys }: { url: string; vkeys: readonly string[] }): Readonly<Record<string, string>> {
  return { INTEROP_LOG_URL: url, INTEROP_LOG_VKEYS: vkeys.join(' ') };
}

function witnessEnvironment(
  { url, vkeys }: { url: string; vkeys: readonly string[] },
  origin: string,
): Readonly<Record<string, string>> {
  return { INTEROP_WITNESS_URL: url, INTEROP_WITNESS_VKEYS: vkeys.join(' '), INTEROP_LOG_ORIGIN: origin };
}

async function submit(network: TestNetwork, from: number, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      event_id: `interop-${from + i}`,
      occurred_at: '2026-01-08T14:32:07Z',
      actor: { type: 'service', id: 'svc-interop' },
      action: 'job.run',
      target: { type: 'job', id: `job-${(from + i) % 7}` },
      outcome: { result: 'success' },
    }),
  );
  const { code, err } = await network.run(['submit', '-', '--wait'], `${events.join('\n')}\n`);
  if (code !== 0) throw new Error(`the events were not taken: ${err}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`test:interop: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
