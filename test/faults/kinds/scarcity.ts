/** Too few file descriptors, and too little memory: the log refuses, or ends, and keeps what it acknowledged. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { mustStart, type RunningLog } from '../world.ts';

const run = promisify(execFile);

/** More than a log has open once it runs; so many connections do not fit. */
const SPARE_DESCRIPTORS = 24;
const CONNECTIONS = 200;
const UNDER_PRESSURE_MS = 300;
const WITHIN_MS = 30_000;
const POLL_MS = 20;

export const descriptors: FaultKind = {
  name: 'file descriptors used up',
  counts: { full: 10, quick: 1 },
  needs: { witness: false },
  async run({ world, ledger, heads, random, tally, count, progress }) {
    for (let done = 0; done < count; done++) {
      const log = await mustStart(world);
      await leaveDescriptors(log.pid, SPARE_DESCRIPTORS);
      const load = startLoad(log, world, ledger, random);
      await pause(random.below(UNDER_PRESSURE_MS));
      const sockets = Array.from({ length: CONNECTIONS }, () => openSocket(log));
      tally.faults += 1;
      await pause(UNDER_PRESSURE_MS);
      for (const socket of sockets) socket.destroy();
      const after = load.answers();
      for (const deadline = Date.now() + WITHIN_MS; load.answers() === after; await pause(POLL_MS)) {
        if (!log.isAlive()) break;
        if (Date.now() > deadline) throw new Error(`no answer after the connections were gone: ${log.said()}`);
      }
      await load.stop();
      await log.kill();
      const again = await mustStart(world);
      await settle(again, world, ledger);
      tally.checked += (await checkPromises(again, world, ledger, heads, { contents: true })).events;
      await again.stop();
      progress(done + 1);
    }
  },
};

/** Loading a program opens many files at once, so the limit comes when it runs. */
async function leaveDescriptors(pid: number, spare: number): Promise<void> {
  const { length: open } = await readdir(`/proc/${pid}/fd`);
  await run('prlimit', ['--pid', `${pid}`, `--nofile=${open + spare}:${open + spare}`]);
}

function openSocket({ baseUrl }: RunningLog): Socket {
  const { hostname, port } = new URL(baseUrl);
  return createConnection(Number(port), hostname).on('error', () => undefined);
}

const HEAP_MIB = 40;
const GREEDY_LOADS = 6;
const MAX_PRESSURE_MS = 8_000;

export const memory: FaultKind = {
  name: 'out of memory',
  counts: { full: 10, quick: 1 },
  needs: { witness: false },
  async run({ world, ledger, heads, random, tally, count, progress }) {
    for (let done = 0; done < count; done++) {
      const log = await mustStart(world, { nodeOptions: [`--max-old-space-size=${HEAP_MIB}`] });
      const loads = Array.from({ length: GREEDY_LOADS }, () => startLoad(log, world, ledger, random));
      for (const deadline = Date.now() + MAX_PRESSURE_MS; log.isAlive() && Date.now() < deadline; ) {
        await Promise.all([readAll(log, world.tokens.auditor), readAll(log, world.tokens.auditor), pause(POLL_MS)]);
      }
      tally.faults += 1;
      await log.kill();
      await Promise.all(loads.map((load) => load.stop()));
      const again = await mustStart(world);
      await settle(again, world, ledger);
      tally.checked += (await checkPromises(again, world, ledger, heads, { contents: true })).events;
      await again.stop();
      progress(done + 1);
    }
  },
};

async function readAll({ url }: RunningLog, token: string): Promise<void> {
  try {
    const response = await fetch(`${url}/export.ndjson`, { headers: { authorization: `Bearer ${token}` } });
    await response.arrayBuffer();
  } catch {
    // The log ended: that is what this is about.
  }
}
