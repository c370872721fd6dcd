/**
 * The clock jumps, backwards and forwards, while producers submit. Behind its last log time a log gives out no time and
 * signs no head; log times never go backwards; once the clock is where it was, everything goes on.
 */
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises } from '../oracle.ts';
import { mustStart } from '../world.ts';

/** From Debian's `libfaketime`; the directory is that of the machine's architecture. */
const LIBRARIES = '/usr/lib';
const MAX_BACK_SECONDS = 7_200;
const MAX_AHEAD_SECONDS = 300;
const WITHIN_MS = 30_000;
const POLL_MS = 20;

export const clockJumps: FaultKind = {
  name: 'clock jump',
  counts: { full: 20, quick: 5 },
  needs: { witness: false },
  async run({ world, ledger, heads, random, tally, count, scratch, progress }) {
    const clock = path.join(scratch, 'clock');
    let offset = 0;
    const set = (seconds: number): Promise<void> => writeFile(clock, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    await set(offset);
    const env = {
      LD_PRELOAD: await findLibrary(),
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      // Timers and timeouts go on as they should: only the time of day jumps.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    const log = await mustStart(world, { env });
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
        await set(offset - random.between(10, MAX_BACK_SECONDS));
        await waitFor('refusal while the clock is behind', () => load.refusals() > refusals);
        await set(offset);
      } else {
        offset += random.between(1, MAX_AHEAD_SECONDS);
        await set(offset);
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

async function findLibrary(): Promise<string> {
  for (const entry of await readdir(LIBRARIES)) {
    if (!entry.endsWith('-linux-gnu')) continue;
    const directory = path.join(LIBRARIES, entry, 'faketime');
    const files: readonly string[] = await readdir(directory).catch(() => []);
    if (files.includes('libfaketimeMT.so.1')) return path.join(directory, 'libfaketimeMT.so.1');
  }
  throw new Error('libfaketime is not installed (apt-get install faketime)');
}
