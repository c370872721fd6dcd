/**
 * A disk that fails: writes that fail or are cut in half, syncs that fail, syncs that work and say that they failed, syncs
 * that take long. An error of a sync is never retried: what the log does not know to be durable it does not acknowledge.
 */
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { createFaultyDisk, type DiskFault } from '../shim.ts';
import { mustStart } from '../world.ts';

const MAX_COUNTDOWN = 40;
const FIRES_WITHIN_MS = 30_000;
/** How long the fault lasts once it has happened. */
const MAX_LASTING_MS = 200;
const POLL_MS = 10;

export const ioErrors = faultyDiskKind('I/O error (write, half a write, sync, sync that lies)', 60, 4, [
  'write-fails',
  'write-half',
  'sync-fails',
  'sync-lies',
]);
export const slowSyncs = faultyDiskKind('sync that takes 20 to 400 ms', 10, 1, ['sync-slow']);

function faultyDiskKind(name: string, full: number, quick: number, faults: readonly DiskFault[]): FaultKind {
  return {
    name,
    counts: { full, quick },
    needs: { witness: false },
    async run({ world, ledger, heads, random, tally, count, scratch, progress }) {
      const disk = await createFaultyDisk(scratch, world.directory);
      for (let done = 0; done < count; done++) {
        const log = await mustStart(world, { env: disk.env });
        await settle(log, world, ledger);
        const load = startLoad(log, world, ledger, random);
        const fault = faults[done % faults.length] ?? 'write-fails';
        await disk.arm(fault, random.below(MAX_COUNTDOWN), random.between(20, 400));
        for (const deadline = Date.now() + FIRES_WITHIN_MS; (await disk.fired()) === 0; await pause(POLL_MS)) {
          if (Date.now() > deadline) throw new Error(`${fault} did not happen within ${FIRES_WITHIN_MS} ms`);
        }
        tally.faults += 1;
        await pause(random.below(MAX_LASTING_MS));
        await disk.disarm();
        // Sometimes it goes on with the process, sometimes the process is gone before it could.
        if (random.below(2) === 0) await pause(random.below(MAX_LASTING_MS));
        await (random.below(2) === 0 && log.isAlive() ? log.stop() : log.kill());
        await load.stop();
        const again = await mustStart(world, { env: disk.env });
        await settle(again, world, ledger);
        tally.checked += (await checkPromises(again, world, ledger, heads)).events;
        await again.kill();
        progress(done + 1);
      }
      const log = await mustStart(world);
      tally.checked += (await checkPromises(log, world, ledger, heads, { contents: true })).events;
      await log.stop();
    },
  };
}
