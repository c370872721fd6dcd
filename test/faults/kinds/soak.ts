/**
 * Everything on one log, one after the other at random: kills, orderly restarts, a failing disk, a slow one, a clock that
 * is set. The oracle checks after each step; a monitor, which is a program of somebody else's, looks now and then; and at the end the
 * stopped log is examined from scratch. `npm run test:soak` does this for hours.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { logPaths } from '../../../src/cli/data-dir.ts';
import { ownCommand } from '../../../src/cli/processes.ts';
import { createFakeClock } from '../fake-clock.ts';
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { createFaultyDisk, type DiskFault } from '../shim.ts';
import { mustStart, type RunningLog, type World } from '../world.ts';

const run = promisify(execFile);

const STEPS = ['kill', 'stop', 'write-fails', 'write-half', 'sync-fails', 'sync-lies', 'sync-slow', 'clock'] as const;
const MAX_STEP_MS = 1_500;
const MAX_COUNTDOWN = 60;
const MAX_AHEAD_SECONDS = 60;
const MONITOR_EVERY = 8;
const FULL_CHECK_EVERY = 20;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export const soak: FaultKind = {
  name: 'soak: all of it at random on one log',
  counts: { full: 40, quick: 3 },
  needs: { witness: true },
  async run({ world, ledger, heads, random, tally, count, scratch, progress }) {
    const disk = await createFaultyDisk(scratch, world.directory);
    const clock = await createFakeClock(scratch);
    const env = { ...disk.env, ...clock.env, LD_PRELOAD: `${disk.env['LD_PRELOAD']} ${clock.env['LD_PRELOAD']}` };
    let checkedTo = 0;
    let log = await mustStart(world, { env });
    for (let done = 0; done < count; done++) {
      const load = startLoad(log, world, ledger, random);
      await pause(random.below(MAX_STEP_MS));
      const step = random.pick(STEPS);
      tally.faults += 1;
      if (step === 'clock') await clock.ahead(random.between(1, MAX_AHEAD_SECONDS));
      else if (step !== 'kill' && step !== 'stop')
        await disk.arm(step satisfies DiskFault, random.below(MAX_COUNTDOWN), 100);
      if (step !== 'kill' && step !== 'stop') await pause(random.below(MAX_STEP_MS));
      await disk.disarm();
      if (step !== 'clock') await (step === 'stop' ? log.stop() : log.kill());
      await load.stop();
      if (step !== 'clock') log = await mustStart(world, { env });
      await settle(log, world, ledger);
      const from = done % FULL_CHECK_EVERY === FULL_CHECK_EVERY - 1 ? 0 : checkedTo;
      tally.checked += (await checkPromises(log, world, ledger, heads, { from })).events;
      checkedTo = Math.max(0, ...[...ledger.acknowledged.values()].slice(-1_000).map(({ index }) => index));
      if (done % MONITOR_EVERY === 0 || done === count - 1) await mustSatisfyMonitor(world, log, scratch);
      progress(done + 1);
    }
    tally.checked += (await checkPromises(log, world, ledger, heads, { contents: true })).events;
    await log.stop();
    await mustBeWhole(world);
  },
};

/** One round of a monitor that keeps what it saw: every new entry read, every head placed in one history. */
async function mustSatisfyMonitor(world: World, log: RunningLog, scratch: string): Promise<void> {
  const policy = logPaths(world.data, path.basename(world.directory)).policy;
  const flags = ['--policy', policy, '--data', path.join(scratch, 'monitor'), '--log-url', log.url, '--once', '--json'];
  await mustExitWithZero('the monitor', ownCommand('../../witness/monitor-main', flags));
}

async function mustBeWhole({ data }: World): Promise<void> {
  await mustExitWithZero('fsck', ownCommand('./main', ['fsck', '--data', data, '--json']));
}

async function mustExitWithZero(who: string, [program = '', ...args]: readonly string[]): Promise<void> {
  try {
    await run(program, args, { maxBuffer: MAX_OUTPUT_BYTES });
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? `${String(error.stdout)}` : '';
    throw new Error(`${who} is not satisfied: ${String(error)} ${said}`.slice(0, 4_000));
  }
}
