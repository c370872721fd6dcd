/** SIGKILL at random moments, while producers submit over several connections and a witness cosigns. */

import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { mustStart } from '../world.ts';

const MAX_DELAY_MS = 250;
/** The whole log is read again after so many kills; in between, what came since the last time. */
const FULL_CHECK_EVERY = 50;

export const kills: FaultKind = {
  name: 'SIGKILL under load',
  counts: { full: 500, quick: 15 },
  needs: { witness: true },
  async run({ world, ledger, heads, random, tally, count, progress }) {
    let checkedTo = 0;
    for (let done = 0; done < count; done++) {
      const log = await mustStart(world);
      const stopFollowing = heads.follow(log);
      await settle(log, world, ledger);
      const { events } = await checkPromises(log, world, ledger, heads, {
        from: done % FULL_CHECK_EVERY === 0 ? 0 : checkedTo,
      });
      tally.checked += events;
      checkedTo = highestIndex(ledger.acknowledged);
      const load = startLoad(log, world, ledger, random);
      await pause(random.below(MAX_DELAY_MS));
      await log.kill();
      tally.faults += 1;
      await load.stop();
      await stopFollowing();
      progress(done + 1);
    }
    const log = await mustStart(world);
    await settle(log, world, ledger);
    tally.checked += (await checkPromises(log, world, ledger, heads, { contents: true })).events;
    await log.stop();
  },
};

function highestIndex(acknowledged: ReadonlyMap<string, { readonly index: number }>): number {
  let highest = 0;
  for (const { index } of acknowledged.values()) highest = Math.max(highest, index);
  return highest;
}
