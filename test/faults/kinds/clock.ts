/**
 * The clock jumps, backwards and forwards, while producers submit. Behind its last log time a log gives out no time and
 * signs no head; log times never go backwards; once the clock is where it was, everything goes on.
 */
import { createFakeClock } from '../fake-clock.ts';
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { mustStart } from '../world.ts';

const MAX_BACK_SECONDS = 7_200;
const MAX_AHEAD_SECONDS = 300;
const WITHIN_MS = 30_000;
const POLL_MS = 20;

export const clockJumps: FaultKind = {
  name: 'clock jump',
  counts: { full: 20, quick: 4 },
  needs: { witness: false },
  async run({ world, ledger, heads, random, tally, count, scratch, progress }) {
    const clock = await createFakeClock(scratch);
    const log = await mustStart(world, { env: clock.env });
    for (let done = 0; done < count; done++) {
      const load = startLoad(log, world, ledger, random);
      const waitFor = async (what: string, holds: () => boolean): Promise<void> => {
        for (const deadline = Date.now() + WITHIN_MS; !holds(); await pause(POLL_MS)) {
          if (Date.now() > deadline) throw new Error(`no ${what} within ${WITHIN_MS} ms: ${log.said().slice(-2_000)}`);
        }
      };
      const [answers, refusals] = [load.answers(), load.refusals()];
      await waitFor('answer before the jump', () => load.answers() > answers);
      if (random.below(2) === 0) {
        await clock.behind(random.between(10, MAX_BACK_SECONDS));
        await waitFor('refusal while the clock is behind', () => load.refusals() > refusals);
        await clock.behind(0);
      } else {
        await clock.ahead(random.between(1, MAX_AHEAD_SECONDS));
      }
      tally.faults += 1;
      const after = load.answers();
      await waitFor('answer after the jump', () => load.answers() > after);
      await load.stop();
      await settle(log, world, ledger);
      tally.checked += (await checkPromises(log, world, ledger, heads)).events;
      progress(done + 1);
    }
    tally.checked += (await checkPromises(log, world, ledger, heads, { contents: true })).events;
    await log.stop();
  },
};
