/**
 * `npm run demo:insider`: plays the attack that this program exists for, against a real network of four processes. An
 * insider with the log's database, the log's keys and this source code rewrites one event and builds the whole tree
 * again. Exit 0 if everybody noticed, 1 if anybody was fooled.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { base64Encode } from '../../proofs/bytes.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { type Verdict, verifyEvent } from '../../proofs/verify-event.ts';
import type { Log } from '../log/types.ts';
import { openedEventOf } from '../trail/open.ts';
import { exchange, members, parseAnswer, pause } from './client.ts';
import { dataPaths, logPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { fetchEvent, fetchReceipt } from './fetch-evidence.ts';
import { forgeLog, openAlone, prepareAgain } from './forge-log.ts';
import { type LogIdentity, loadLog } from './init.ts';
import { type Io, processIo } from './io.ts';
import { WITNESS_NAMES } from './plan-network.ts';
import { ownCommand } from './processes.ts';
import { runAndReport } from './program.ts';
import { submitEvents } from './submit-events.ts';
import { resolveTarget, type Target } from './target.ts';
import { type RunningNetwork, startNetwork, startOne } from './up.ts';

const EVENT_COUNT = 12;
/** The event that the insider wants to be someone else's, as its producer numbers them. */
const VICTIM = 4;
const REAL_ACTOR = 'u_ceo';
const SCAPEGOAT = 'u_intern';
const TIMEOUT_MS = 30_000;
const POLL_MS = 100;

interface Scene {
  readonly io: Io;
  readonly data: string;
  readonly running: RunningNetwork;
  readonly auditor: Target;
  readonly policy: string;
}

/** What the auditor took home while the log was still honest. */
interface Evidence {
  readonly index: number;
  readonly opened: string;
  readonly receipt: string;
  /** Entries that every witness had cosigned then. */
  readonly size: number;
}

process.exitCode = await runAndReport(processIo, playDemo);

async function playDemo(io: Io): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), 'countersign-insider-'));
  const data = path.join(root, 'network');
  let running: RunningNetwork | undefined;
  try {
    title(io, 'A log and three witnesses, quorum 2 of 3');
    running = await startNetwork({ data, port: 0, restart: false, say: (line) => tell(io, line) });
    const scene = await openScene(io, data, running);
    const evidence = await liveHonestly(scene);
    const identity = await loadLog(logPaths(data, running.network.log));
    const directory = await forge(scene, identity, evidence, root);
    await restartOnForgery(scene, directory);
    const forged = await openAlone(identity, directory);
    try {
      await askWitnesses(scene, forged);
      await verifyAgainst(scene, evidence, forged);
    } finally {
      await forged.close();
    }
    title(io, 'The insider fooled nobody');
  } finally {
    await running?.stop();
    await rm(root, { recursive: true, force: true });
  }
}

async function openScene(io: Io, data: string, running: RunningNetwork): Promise<Scene> {
  const auditor = await resolveTarget(io, { network: running.networkFile }, 'auditor');
  return { io, data, running, auditor, policy: await readFile(running.network.policy, 'utf8') };
}

async function liveHonestly({ io, running, auditor, policy }: Scene): Promise<Evidence> {
  title(io, `${EVENT_COUNT} events are submitted; in payment-${VICTIM}, ${REAL_ACTOR} approves a payment`);
  const producer = await resolveTarget(io, { network: running.networkFile }, 'producer');
  const submissions = Array.from({ length: EVENT_COUNT }, (_, n) => ({ text: eventText(n), where: `event ${n}` }));
  await submitEvents(io, producer, submissions, {
    timeoutMs: TIMEOUT_MS,
    onAccepted: () => undefined,
    onRefused: ({ detail }) => fail(`the log refused an event: ${detail}`),
    onWait: () => undefined,
  });
  const options = { timeoutMs: TIMEOUT_MS, onWait: () => undefined };
  const { index, text: opened } = await fetchEvent(io, auditor, { id: `payment-${VICTIM}` }, options);
  const receipt = await fetchReceipt(io, auditor, { index }, options);
  const { verdict, reason } = verifyEvent({ opened, tlogProof: receipt, policy });
  expect(verdict === 'PASS', `the honest event does not verify: ${reason}`);
  tell(io, `the auditor takes event ${index}, its receipt and the policy home; verify: ${verdict}`);
  const size = await awaitAllWitnesses(io, auditor);
  tell(io, `all ${WITNESS_NAMES.length} witnesses have cosigned a head of ${size} entries`);
  return { index, opened, receipt, size };
}

async function awaitAllWitnesses(io: Io, target: Target): Promise<number> {
  const deadlineMs = io.nowMs() + TIMEOUT_MS;
  for (;;) {
    const { text } = await exchange(io, target, `${target.baseUrl}/healthz`, {});
    const [log] = healthOf(text);
    if (log?.cosignedSizes.every((size) => size === log.treeSize) === true) return log.treeSize;
    if (io.nowMs() > deadlineMs) fail('the witnesses do not keep up');
    await pause(POLL_MS);
  }
}

async function forge(
  { io, data, running }: Scene,
  identity: LogIdentity,
  { index, size }: Evidence,
  root: string,
): Promise<string> {
  title(io, `The insider stops the log and makes event ${index} say ${SCAPEGOAT}`);
  await running.stopOne('log');
  const workshop = path.join(root, 'workshop');
  await mkdir(workshop);
  const directory = await forgeLog({
    original: logPaths(data, running.network.log).directory,
    workshop,
    identity,
    size,
    index,
    alter: ([id, value]) => [id, value.replaceAll(REAL_ACTOR, SCAPEGOAT)],
  });
  tell(io, "the whole tree is built again, and its head is signed with the log's own keys");
  return directory;
}

/** The log's own software, on the forged database and the forged guard. */
async function restartOnForgery({ io, data, running, auditor }: Scene, forged: string): Promise<void> {
  title(io, 'The insider puts the forged database and guard in place and starts the log again');
  const { directory } = logPaths(data, running.network.log);
  for (const name of ['db', 'guard']) {
    await rm(path.join(directory, name), { recursive: true, force: true });
    await cp(path.join(forged, name), path.join(directory, name), { recursive: true });
  }
  const again = await startOne(data, 'log', (line) => tell(io, line));
  try {
    const answer = await exchange(io, auditor, `${auditor.baseUrl}/healthz`, {});
    const [log] = healthOf(answer.text);
    expect(answer.status === 503 && log?.signing === 'refusing', 'the log signs on top of the forged history');
    for (const problem of log?.problems ?? []) tell(io, `/healthz: ${problem}`);
  } finally {
    await again.stop();
  }
}

/** So the insider signs with own hands, and goes to the witnesses directly. */
async function askWitnesses({ io, data, running }: Scene, forged: Log): Promise<void> {
  title(io, 'The insider brings the forged head to the witnesses');
  const size = forged.treeSize();
  const sameSize = `old ${size}\n\n${forged.head()}`;
  await refusedByAll(io, running, sameSize, `same size ${size}, other root`);
  title(io, 'The insider lets the forged log grow, and brings a larger head with a consistency proof');
  await growForged(forged);
  const larger = forged.treeSize();
  const proof = await forged.consistencyProof(size, larger);
  const grown = `old ${size}\n${proof.map((hash) => `${base64Encode(hash)}\n`).join('')}\n${forged.head()}`;
  await refusedByAll(io, running, grown, `size ${larger}, which does not go on from the ${size} entries they know`);
  for (const name of WITNESS_NAMES) {
    const [program = '', ...args] = ownCommand('../../witness/main', [
      ...['evidence', '--json', '--data', path.join(dataPaths(data).witnesses, name)],
    ]);
    const { stdout } = await promisify(execFile)(program, args);
    const kept = stdout.split('\n').filter((line) => line !== '').length;
    expect(kept > 0, `${name} kept no evidence`);
    tell(io, `${name} keeps ${kept} pieces of evidence: heads signed by this log that cannot both be true`);
  }
}

async function growForged(forged: Log): Promise<void> {
  const [last] = await forged.eventsAt([forged.treeSize() - 1]);
  if (last === undefined) throw new CliError('demo-failed', 'the forged log is empty');
  const size = forged.treeSize();
  await forged.submit([prepareAgain(last, ([id, value]) => [id, id === 'event_id' ? '"one-more"' : value])]);
  if (!(await forged.waitForPublished(size, TIMEOUT_MS))) throw new CliError('demo-failed', 'the forged log is stuck');
}

async function refusedByAll(io: Io, { network }: RunningNetwork, body: string, what: string): Promise<void> {
  tell(io, what);
  for (const [name, url] of Object.entries(network.witness_urls)) {
    const target = { baseUrl: url, logUrl: url, token: undefined };
    const { status, text } = await exchange(io, target, `${url}/add-checkpoint`, { method: 'POST', body });
    tell(io, `${name} answers ${status}: ${text.trim()}`);
    expect(status === 422 || status === 409, `${name} cosigned a forged head`);
  }
}

async function verifyAgainst({ io, policy }: Scene, evidence: Evidence, forged: Log): Promise<void> {
  title(io, 'The auditor verifies, offline');
  const { index } = evidence;
  const stored = await forged.eventAt(index);
  const forgedReceipt = await forged.receipt(index);
  if (stored === undefined || forgedReceipt === undefined)
    throw new CliError('demo-failed', 'there is no forged event');
  const lie = formatOpenedEvent(openedEventOf(stored));
  const honest = verifyEvent({ opened: evidence.opened, tlogProof: evidence.receipt, policy });
  const oldReceipt = verifyEvent({ opened: lie, tlogProof: evidence.receipt, policy });
  const newReceipt = verifyEvent({ opened: lie, tlogProof: forgedReceipt, policy });
  say(io, 'the event as it was, with its receipt', honest);
  say(io, 'the forged event, with the receipt of then', oldReceipt);
  say(io, "the forged event, with a receipt that the log's own keys signed", newReceipt);
  expect(honest.verdict === 'PASS', 'the honest event does not verify any more');
  expect(oldReceipt.verdict === 'FAIL' && oldReceipt.index === index, 'the forged event passes with the old receipt');
  expect(newReceipt.verdict === 'FAIL', 'the forged event passes with a forged receipt');
}

function say(io: Io, what: string, { verdict, reason, index }: Verdict): void {
  tell(io, `${what}: ${verdict}, index ${index ?? 'unknown'}: ${reason}`);
}

interface LogHealth {
  readonly signing: unknown;
  readonly problems: readonly string[];
  readonly treeSize: number;
  readonly cosignedSizes: readonly unknown[];
}

function healthOf(text: string): readonly LogHealth[] {
  const { logs } = members(parseAnswer('/healthz', text));
  return listOf(logs).map((log) => {
    const { signing, problems, tree_size: treeSize, witnesses } = members(log);
    return {
      signing,
      problems: listOf(problems).map(String),
      treeSize: Number(treeSize),
      cosignedSizes: listOf(witnesses).map((witness) => members(witness)['cosigned_size']),
    };
  });
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function eventText(n: number): string {
  return JSON.stringify({
    event_id: `payment-${n}`,
    occurred_at: new Date(Date.UTC(2026, 0, 8, 14, n)).toISOString(),
    tenant: 'acme',
    actor: { type: 'user', id: n === VICTIM ? REAL_ACTOR : `u_${1000 + n}`, role: 'approver' },
    action: 'payment.approve',
    target: { type: 'payment', id: `pay_${n}` },
    outcome: { result: 'success' },
    reason: 'invoice checked',
  });
}

function title(io: Io, text: string): void {
  io.out(`\n== ${text}\n`);
}

function tell(io: Io, text: string): void {
  io.out(`   ${text}\n`);
}

function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) fail(otherwise);
}

function fail(reason: string): never {
  throw new CliError('demo-failed', `the attack worked: ${reason}`);
}
