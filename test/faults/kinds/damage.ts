/**
 * Bits flipped, blocks zeroed and tails cut off, one at a time, in every file of a stopped log's data directory. The log
 * then refuses to start and says why, or serves everything as promised, or names what it cannot serve. Each event is sent
 * again, too: a log that forgot an id would store it twice.
 */
import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Damage } from '../damage-files.ts';
import { damageFile, filesByKind } from '../damage-files.ts';
import type { Episodes, FaultKind } from '../kind.ts';
import { Ledger } from '../ledger.ts';
import { resend, settle, startLoad } from '../load.ts';
import { checkPromises, Heads } from '../oracle.ts';
import { mustStart, type RunningLog, startLog, type World, worldAt } from '../world.ts';

/** Enough for several rows of everything, few enough to be read whole after each fault. */
const TEMPLATE_EVENTS = 220;
/** A restart writes what the log file of the database held into tables. */
const RESTARTS = 2;

function damageKind(name: string, damage: Damage, full: number, quick: number): FaultKind {
  return {
    name,
    counts: { full, quick },
    needs: { witness: false },
    async run(episodes) {
      const { world, ledger, heads, random, tally, count, scratch, progress } = episodes;
      await fillTemplate(episodes);
      const template = world.data;
      const kinds = await filesByKind(template);
      const names = [...kinds.keys()];
      const offset = random.below(names.length);
      for (let done = 0; done < count; done++) {
        const data = path.join(scratch, `${done}`);
        await cp(template, data, { recursive: true });
        const file = random.pick(kinds.get(names[(done + offset) % names.length] ?? '') ?? []);
        const { what } = await damageFile(data, file, damage, random);
        tally.faults += 1;
        await judge(`${file}, ${what}`, worldAt(data, world), { ...episodes, ledger, heads });
        await rm(data, { recursive: true });
        progress(done + 1);
      }
    },
  };
}

export const bitFlips = damageKind('bit flipped', 'flip', 300, 18);
export const zeroedBlocks = damageKind('block zeroed', 'zero', 60, 5);
export const tornFiles = damageKind('file cut off', 'tear', 60, 5);

/** Some of it in tables, the newest part still in the log file of the database: it ends by SIGKILL. */
async function fillTemplate({ world, ledger, heads, random }: Episodes): Promise<void> {
  for (let part = 0; part <= RESTARTS; part++) {
    const log = await mustStart(world);
    await settle(log, world, ledger);
    const load = startLoad(log, world, ledger, random);
    while (ledger.acknowledged.size < (TEMPLATE_EVENTS * (part + 1)) / (RESTARTS + 1)) await heads.look(log);
    await load.stop();
    await settle(log, world, ledger);
    await checkPromises(log, world, ledger, heads, { contents: true });
    await log.kill();
  }
}

/** A copy has a history of its own from here on: what it signs and stores counts for this episode alone. */
async function judge(fault: string, copy: World, { ledger, heads, tally }: Episodes): Promise<void> {
  const log = await startLog(copy);
  if (!log.started) {
    tally.refusals += 1;
    // On-call has to find it: a path of the data directory, or an index.
    if (!log.said.includes(copy.data)) ledger.breach('unexplained', `${fault}: ${log.said.trim() || '(nothing said)'}`);
    return;
  }
  // It may also start and refuse everything, to be asked for its health.
  if (await refusesByName(fault, log, copy, ledger)) {
    tally.refusals += 1;
    await log.kill();
    return;
  }
  const own = Ledger.copyOf(ledger);
  const ownHeads = Heads.copyOf(heads, own);
  try {
    const checked = await checkPromises(log, copy, own, ownHeads, { contents: true });
    tally.checked += checked.events;
    tally.named += checked.named.length;
    await resend(log, copy, own, [...own.acknowledged.keys()]);
  } catch (error) {
    // It stopped by itself, when its database came upon the damage: it may, if it says why.
    const isOver = !log.isAlive() || (await refusesByName(fault, log, copy, ledger));
    if (!isOver) throw new Error(`${fault}: ${error instanceof Error ? error.message : String(error)}`);
    tally.refusals += 1;
    if (log.said() === '') ledger.breach('unexplained', `${fault}: it ended without a word`);
  } finally {
    await log.kill();
  }
  for (const { breach, what } of own.breaches) ledger.breach(breach, `${fault}: ${what}`);
}

/** Whether it takes no events; then it has to say what is damaged. */
async function refusesByName(fault: string, log: RunningLog, copy: World, ledger: Ledger): Promise<boolean> {
  const ready = await fetch(`${log.baseUrl}/readyz`);
  if (ready.status === 200) return false;
  const answer = await ready.text();
  if (!log.said().includes(copy.data)) ledger.breach('unexplained', `${fault}: ${answer} ${log.said().trim()}`);
  return true;
}
