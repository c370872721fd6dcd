/**
 * A disk that cannot be read: reads fail, or bring half of what was asked for, for a while or once, while the log runs or
 * already when it starts. Tables are read by calls for this, and not mapped (shim.c). Readers hold every answer against what
 * was promised: it may be refused, and is never wrong. The log goes on, or stops and says why; nothing acknowledged is lost.
 */
import type { Episodes, FaultKind } from '../kind.ts';
import { pause, resend, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { startReaders } from '../readers.ts';
import { createFaultyDisk, type DiskFault, type FaultyDisk } from '../shim.ts';
import { type LogStart, mustStart, type RunningLog, startLog } from '../world.ts';

const FAULTS: readonly DiskFault[] = ['read-fails', 'read-fails-once', 'read-half'];
/** Enough for several tables and rows of everything. */
const TEMPLATE_EVENTS = 600;
const MAX_COUNTDOWN = 60;
const SMALL_COUNTDOWN = 3;
const FIRES_WITHIN_MS = 4_000;
/** How long the fault lasts once it has happened. */
const MAX_LASTING_MS = 400;
const POLL_MS = 10;
/** Every so often the disk is bad from before the start. */
const AT_START_EVERY = 4;
/** Episodes in which nothing was read from the disk, in a row. */
const MAX_MISSES = 20;
/** Known events that are sent again while the disk is bad: their ids have to be looked up. */
const RESENT = 100;

export const readErrors: FaultKind = {
  name: 'read error (fails, fails once, half)',
  counts: { full: 120, quick: 6 },
  needs: { witness: false },
  async run(episodes) {
    const { world, tally, count, scratch, progress } = episodes;
    const disk = await createFaultyDisk(scratch, world.directory);
    const start: LogStart = { env: { ...disk.env, FAULT_UNMAPPED: '1' } };
    await fill(episodes, start);
    let misses = 0;
    while (tally.faults < count) {
      const fault = FAULTS[tally.faults % FAULTS.length] ?? 'read-fails';
      const isAtStart = tally.faults % AT_START_EVERY === AT_START_EVERY - 1;
      const fired = await (isAtStart ? startOnBadDisk : readFromBadDisk)(episodes, disk, start, fault);
      misses = fired ? 0 : misses + 1;
      if (misses > MAX_MISSES) throw new Error(`${fault} did not happen: nothing is read from the disk`);
      if (!fired) continue;
      tally.faults += 1;
      await checkAfterwards(episodes, start);
      progress(tally.faults);
    }
  },
};

/** Stopped in good order and started again: what the log of the database held is in tables. */
async function fill({ world, ledger, random }: Episodes, start: LogStart): Promise<void> {
  const log = await mustStart(world, start);
  const load = startLoad(log, world, ledger, random);
  while (ledger.acknowledged.size < TEMPLATE_EVENTS) await pause(POLL_MS);
  await load.stop();
  await settle(log, world, ledger);
  await log.stop();
}

async function readFromBadDisk(
  { world, ledger, heads, random }: Episodes,
  disk: FaultyDisk,
  start: LogStart,
  fault: DiskFault,
): Promise<boolean> {
  const log = await mustStart(world, start);
  // What is looked up first is not in memory yet: sometimes that are the ids of known events, and a second entry would be wrong.
  const isResentFirst = random.below(2) === 0;
  await disk.arm(fault, random.below(isResentFirst ? SMALL_COUNTDOWN : MAX_COUNTDOWN));
  const resent = sendAgain(log, { world, ledger, random });
  // It is awaited below, and may have failed before.
  resent.catch(() => undefined);
  if (isResentFirst) await resent;
  const load = startLoad(log, world, ledger, random);
  const readers = await startReaders(log, world, ledger, heads, random);
  const fired = await happens(disk, log);
  await pause(random.below(MAX_LASTING_MS));
  await disk.disarm();
  await readers.stop();
  await load.stop();
  await resent;
  await mustGoOnOrSayWhy(log, { world, ledger, heads, fault });
  await (random.below(2) === 0 && log.isAlive() ? log.stop() : log.kill());
  return fired;
}

/** It starts and is right, or it refuses and names the directory; with the disk good again it starts. */
async function startOnBadDisk(
  { world, ledger, heads, random, tally }: Episodes,
  disk: FaultyDisk,
  start: LogStart,
  fault: DiskFault,
): Promise<boolean> {
  await disk.arm(fault, random.below(MAX_COUNTDOWN));
  const log = await startLog(world, start);
  const fired = (await disk.fired()) > 0;
  await disk.disarm();
  if (!log.started) {
    tally.refusals += 1;
    if (!log.said.includes(world.data)) ledger.breach('unexplained', `${fault} at the start: ${log.said.trim()}`);
    return fired;
  }
  await mustGoOnOrSayWhy(log, { world, ledger, heads, fault });
  await log.kill();
  return fired;
}

/** Known events: the same answer again, or a refusal. The ledger says if there is another one. */
async function sendAgain(
  log: RunningLog,
  { world, ledger, random }: Pick<Episodes, 'world' | 'ledger' | 'random'>,
): Promise<void> {
  const known = [...ledger.acknowledged.keys()];
  const from = random.below(Math.max(1, known.length - RESENT));
  await resend(log, world, ledger, known.slice(from, from + RESENT));
}

async function happens(disk: FaultyDisk, log: RunningLog): Promise<boolean> {
  for (const deadline = Date.now() + FIRES_WITHIN_MS; (await disk.fired()) === 0; await pause(POLL_MS)) {
    if (Date.now() > deadline || !log.isAlive()) return (await disk.fired()) > 0;
  }
  return true;
}

/** The process that met the fault, once the disk is good again: what it kept in memory meanwhile must not be wrong either. */
async function mustGoOnOrSayWhy(
  log: RunningLog,
  { world, ledger, heads, fault }: Pick<Episodes, 'world' | 'ledger' | 'heads'> & { readonly fault: DiskFault },
): Promise<void> {
  if (!log.isAlive()) {
    if (log.said() === '') ledger.breach('unexplained', `${fault}: it ended without a word`);
    return;
  }
  const ready = await fetch(`${log.baseUrl}/readyz`);
  const text = await ready.text();
  if (ready.status === 200) {
    await settle(log, world, ledger);
    await checkPromises(log, world, ledger, heads, { contents: true });
  } else if (!text.includes(world.data) && !log.said().includes(world.data)) {
    ledger.breach('unexplained', `${fault}: it takes no events, and says ${text}`);
  }
}

async function checkAfterwards({ world, ledger, heads, tally }: Episodes, start: LogStart): Promise<void> {
  const log = await mustStart(world, start);
  await settle(log, world, ledger);
  tally.checked += (await checkPromises(log, world, ledger, heads, { contents: true })).events;
  await log.stop();
}
