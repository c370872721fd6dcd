/**
 * The disk fills up under load, on a small file system of its own. The log refuses what it cannot store, keeps what it
 * acknowledged, answers readers all the while, and takes events again by itself when there is room.
 */
import { rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { mustStart, type RunningLog, type World } from '../world.ts';

const TMPFS_MIB = 48;
/** Left free when the disk is filled: the log gets to write a little more, and then no more. */
const MAX_LEFT_BYTES = 256 * 1024;
const REFUSES_WITHIN_MS = 30_000;
const RECOVERS_WITHIN_MS = 30_000;
const POLL_MS = 25;
/** A restart in between: what was stored with the last free block is there again. */
const RESTART_EVERY = 5;
/** The log itself must not fill the file system: beyond this a new one would be needed. */
const MAX_LOG_BYTES = (TMPFS_MIB - 12) * 1024 * 1024;

export const fullDisks: FaultKind = {
  name: 'disk full',
  counts: { full: 50, quick: 4 },
  needs: { witness: false, tmpfsMiB: TMPFS_MIB },
  async run({ world, ledger, heads, random, tally, count, progress }) {
    const filler = path.join(world.data, 'filler');
    let log = await mustStart(world);
    for (let done = 0; done < count; done++) {
      if (done % RESTART_EVERY === RESTART_EVERY - 1) {
        await (random.below(2) === 0 ? log.stop() : log.kill());
        log = await mustStart(world);
      }
      const load = startLoad(log, world, ledger, random);
      const before = load.answers();
      await waitFor('a first answer', REFUSES_WITHIN_MS, log, async () => load.answers() > before);
      await fill(world, filler, random.below(MAX_LEFT_BYTES));
      tally.faults += 1;
      const refusals = load.refusals();
      await waitFor('a refusal', REFUSES_WITHIN_MS, log, async () => load.refusals() > refusals);
      await load.stop();
      await mustRead(log);
      await rm(filler);
      await waitFor('events taken again', RECOVERS_WITHIN_MS, log, () => takesEvents(log));
      await settle(log, world, ledger);
      tally.checked += (await checkPromises(log, world, ledger, heads)).events;
      const { blocks, bsize, bfree } = await statfs(world.data);
      if ((blocks - bfree) * bsize > MAX_LOG_BYTES) throw new Error('the log has grown too large for its file system');
      progress(done + 1);
    }
    tally.checked += (await checkPromises(log, world, ledger, heads, { contents: true })).events;
    await log.stop();
  },
};

/** The log writes at the same time and may be the one to take the last block: then there is nothing left to fill. */
async function fill(world: World, filler: string, leave: number): Promise<void> {
  const { bavail, bsize } = await statfs(world.data);
  try {
    await writeFile(filler, new Uint8Array(Math.max(0, bavail * bsize - leave)));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

async function waitFor(what: string, withinMs: number, log: RunningLog, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (!log.isAlive()) throw new Error(`the log ended while waiting for ${what}: ${log.said()}`);
    if (Date.now() > deadline) throw new Error(`no ${what} within ${withinMs} ms: ${log.said().slice(-2_000)}`);
    await pause(POLL_MS);
  }
}

/** Readers are answered whatever the disk does. */
async function mustRead(log: RunningLog): Promise<void> {
  const { status } = await fetch(`${log.url}/head`);
  if (status !== 200) throw new Error(`reading the head of a log on a full disk gave ${status}`);
}

/** By its own word; the events that are settled next show whether it is true. */
async function takesEvents({ baseUrl }: RunningLog): Promise<boolean> {
  const response = await fetch(`${baseUrl}/readyz`);
  await response.body?.cancel();
  return response.status === 200;
}
