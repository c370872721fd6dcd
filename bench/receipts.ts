/**
 * npm run bench:receipts -- [--quick] [--rate N] [--seconds N] [--json FILE]
 *
 * How long a producer waits for a cosigned receipt while the log is busy, and how fast anyone verifies one. One process
 * is the log, three are witnesses with both kinds of keys, of which two have to cosign; events go in at a steady rate, and
 * beside them fifty a second ask for their receipt with `Prefer: wait`. Every receipt is verified under the policy with
 * the event that it is about; the log is then killed with SIGKILL and held against every acknowledgement.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { createEventVerifier, type EventToVerify } from '../proofs/verify-event.ts';
import { createLog } from '../src/cli/init.ts';
import { Acknowledgements } from './lib/acknowledgements.ts';
import { checkLog } from './lib/check-log.ts';
import { Connection, requestBytes } from './lib/connection.ts';
import { createEvents, EVENT_BYTES } from './lib/events.ts';
import { Latencies, type LatencySummary } from './lib/latency.ts';
import { runLoad } from './lib/load.ts';
import { openLoop } from './lib/loops.ts';
import { dependencyVersions, describeMachine, machineLines } from './lib/machine.ts';
import { type ServerProcess, startServer } from './lib/server-process.ts';
import { policyLines, startWitness, type WitnessProcess } from './lib/witness-process.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rate: { type: 'string' },
    seconds: { type: 'string' },
    json: { type: 'string' },
  },
});
const seconds = Number(values.seconds ?? (values.quick ? 4 : 30));
const rate = Number(values.rate ?? 5_000);
const WITNESSES = 3;
const QUORUM = 2;
const BATCH = 100;
const PROBES_PER_SECOND = 50;
const PROBE_CONNECTIONS = 100;
const OPEN_EVERY = 97;
/** Receipts that are verified one by one, each with all signatures. */
const VERIFIED_ALONE = 20;

/** As bench/server.ts names it. */
const LOG = { name: 'bench', origin: 'bench.example/audit', kind: 'audit' } as const;

interface Receipt {
  readonly index: number;
  readonly receipt: string;
}

const machine = describeMachine(`npm run bench:receipts -- ${process.argv.slice(2).join(' ')}`.trim());
process.stdout.write(machineLines(machine));
const place = await mkdtemp(join(tmpdir(), 'countersign-receipts-'));
const witnesses: WitnessProcess[] = [];
try {
  const directory = join(place, 'log');
  const { vkeys } = await createLog(directory, LOG);
  for (let i = 1; i <= WITNESSES; i++) {
    const own = {
      directory: join(place, `w${i}`),
      name: `bench.example/w${i}`,
      keys: 'both',
      logVkeys: vkeys,
    } as const;
    witnesses.push(await startWitness(own));
  }
  const witnessLines = policyLines(witnesses, QUORUM);
  const policy = `${vkeys.map((vkey) => `log ${vkey}\n`).join('')}${witnessLines}`;
  const server = await startServer({ directory, witnessLines });
  const measured = await measure(server, policy);
  process.stdout.write(tableOf(measured));
  if (values.json !== undefined) {
    const result = { machine, versions: dependencyVersions(), rate, seconds, ...measured };
    await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
} finally {
  await Promise.all(witnesses.map((witness) => witness.stop()));
  await rm(place, { recursive: true, force: true });
}

interface Measured {
  readonly eventsPerSecond: number;
  readonly receipts: number;
  readonly receiptLatency: LatencySummary;
  /** Per receipt: the whole verification of an event, all signatures; and of many under one checkpoint. */
  readonly verifyAloneMs: number;
  readonly verifyTogetherMs: number;
}

async function measure(server: ServerProcess, policy: string): Promise<Measured> {
  try {
    const events = createEvents('a00001');
    const acknowledgements = new Acknowledgements(events);
    const numbering = { next: 0 };
    const target = { logUrl: server.ready.logUrl, token: server.ready.producerToken };
    const load = (duration: number): ReturnType<typeof runLoad> =>
      runLoad(
        target,
        { connections: 20, batch: BATCH, seconds: duration, warmupSeconds: 0, rate, seed: 1 },
        events,
        numbering,
        acknowledgements,
      );
    await Promise.all([load(2), probe(server, 1, 'a00002')]);
    const [{ eventsPerSecond, refused }, probed] = await Promise.all([load(seconds), probe(server, seconds, 'a00003')]);
    if (Object.keys(refused).length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`);
    acknowledgements.settle();
    const { receipts, latencies } = probed;
    const inputs = await Promise.all(receipts.map((receipt) => withEvent(server, receipt)));
    const verifyAloneMs = verifyAll(inputs.slice(0, VERIFIED_ALONE), () => createEventVerifier(policy));
    const verifier = createEventVerifier(policy);
    const verifyTogetherMs = verifyAll(inputs, () => verifier);
    await server.kill();
    const logDirectory = join(server.directory, 'logs', LOG.name);
    const sent = numbering.next;
    await checkLog({ directory: logDirectory, events, acknowledgements, sent, openEvery: OPEN_EVERY });
    return {
      eventsPerSecond,
      receipts: receipts.length,
      receiptLatency: latencies.summary(),
      verifyAloneMs,
      verifyTogetherMs,
    };
  } catch (error) {
    await server.kill();
    throw error;
  }
}

/** Events that wait for their receipts, due at times of their own. */
async function probe(
  { ready }: ServerProcess,
  duration: number,
  prefix: string,
): Promise<{ readonly receipts: readonly Receipt[]; readonly latencies: Latencies }> {
  const url = new URL(ready.logUrl);
  const events = createEvents(prefix);
  const latencies = new Latencies();
  const receipts: Receipt[] = [];
  const connections = await Promise.all(Array.from({ length: PROBE_CONNECTIONS }, () => Connection.open(url)));
  const headers = {
    ...{ authorization: `Bearer ${ready.producerToken}`, 'content-type': 'application/json', prefer: 'wait=60' },
  };
  let next = 0;
  const sends = connections.map((connection) => {
    const { bytes, bodyStart } = requestBytes('POST', `${url.pathname}/events`, headers, EVENT_BYTES);
    return async (dueMs: number): Promise<void> => {
      events.write(bytes, bodyStart, next++);
      const { status, body } = await connection.request(bytes);
      latencies.add(performance.now() - dueMs);
      const { index, receipt }: { readonly index?: number; readonly receipt?: string } = JSON.parse(
        body.toString('utf8'),
      );
      if (status !== 201 || index === undefined || receipt === undefined) {
        throw new Error(`no receipt came: ${status} ${body.toString('utf8', 0, 300)}`);
      }
      receipts.push({ index, receipt });
    };
  });
  try {
    const endMs = performance.now() + 1000 * duration;
    const unsent = await openLoop(sends, { requestsPerSecond: PROBES_PER_SECOND, endMs, seed: 7 });
    if (unsent > 0) throw new Error(`${unsent} events were not sent: their receipts took too long`);
  } finally {
    for (const connection of connections) connection.close();
  }
  return { receipts, latencies };
}

async function withEvent({ ready }: ServerProcess, { index, receipt }: Receipt): Promise<EventToVerify> {
  const answer = await fetch(`${ready.logUrl}/events/by-index/${index}`, {
    headers: { authorization: `Bearer ${ready.auditorToken}` },
  });
  if (answer.status !== 200) throw new Error(`event ${index} cannot be read: ${answer.status}`);
  return { opened: await answer.text(), tlogProof: receipt };
}

/** Milliseconds an event. Throws Error at the first one that does not pass. */
function verifyAll(inputs: readonly EventToVerify[], verifierOf: () => ReturnType<typeof createEventVerifier>): number {
  const startedMs = performance.now();
  for (const input of inputs) {
    const { verdict, index, claims } = verifierOf()(input);
    if (verdict !== 'PASS') throw new Error(`event ${index} does not verify: ${JSON.stringify(claims)}`);
  }
  return (performance.now() - startedMs) / Math.max(1, inputs.length);
}

function tableOf({ eventsPerSecond, receipts, receiptLatency, verifyAloneMs, verifyTogetherMs }: Measured): string {
  const { p50, p99, max } = receiptLatency;
  return [
    '\n| | |\n|---|---:|\n',
    `| events a second beside it, NDJSON × ${BATCH} (asked for: ${rate.toLocaleString('en')}) | ${Math.round(eventsPerSecond).toLocaleString('en')} |\n`,
    `| from a due POST to its cosigned receipt, p50 / p99 / max ms, ${receipts} receipts | ${p50.toFixed(0)} / ${p99.toFixed(0)} / ${max.toFixed(0)} |\n`,
    `| verifying an event with its receipt alone, all signatures, ms | ${verifyAloneMs.toFixed(2)} |\n`,
    `| the same for ${receipts} fetched together, ms an event | ${verifyTogetherMs.toFixed(2)} |\n`,
    `\nEvery receipt passed; after SIGKILL every acknowledged event was at its index.\n\n`,
  ].join('');
}
