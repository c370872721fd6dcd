/**
 * An older copy of the database is put back: alone, or with the guard file that was saved with it, so that only the
 * witness knows. The log refuses to sign and to take events, and says which head it lost; with its own data back, it goes
 * on.
 */
import { cp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { FaultKind } from '../kind.ts';
import { pause, settle, startLoad } from '../load.ts';
import { checkPromises, type Heads } from '../oracle.ts';
import { mustStart, type RunningLog, startLog, type World } from '../world.ts';

const WAIT_MS = 30_000;
const POLL_MS = 20;

export const restoredBackups: FaultKind = {
  name: 'backup restored',
  counts: { full: 50, quick: 4 },
  needs: { witness: true },
  async run({ world, ledger, heads, random, tally, count, scratch, progress }) {
    const backup = path.join(scratch, 'backup');
    const current = path.join(scratch, 'current');
    for (let done = 0; done < count; done++) {
      const log = await mustStart(world);
      const load = startLoad(log, world, ledger, random);
      await grow(log, heads);
      await load.stop();
      await settle(log, world, ledger);
      await log.stop();
      await rm(backup, { recursive: true, force: true });
      await cp(world.directory, backup, { recursive: true });

      const later = await mustStart(world);
      const laterLoad = startLoad(later, world, ledger, random);
      await grow(later, heads);
      await laterLoad.stop();
      await settle(later, world, ledger);
      tally.checked += (await checkPromises(later, world, ledger, heads)).events;
      await published(later);
      await later.kill();

      await rename(world.directory, current);
      await cp(current, world.directory, { recursive: true });
      const isWhole = done % 2 === 1;
      await setBack(backup, world.directory, isWhole);
      tally.faults += 1;
      await mustRefuse(world, heads, isWhole);
      tally.refusals += 1;

      await rm(world.directory, { recursive: true });
      await rename(current, world.directory);
      progress(done + 1);
    }
    const log = await mustStart(world);
    tally.checked += (await checkPromises(log, world, ledger, heads, { contents: true })).events;
    await log.stop();
  },
};

/** Everything as it was, or the database alone beside a guard that knows better. */
async function setBack(backup: string, directory: string, isWhole: boolean): Promise<void> {
  if (isWhole) {
    await rm(directory, { recursive: true });
    await cp(backup, directory, { recursive: true });
    return;
  }
  await rm(path.join(directory, 'db'), { recursive: true });
  await cp(path.join(backup, 'db'), path.join(directory, 'db'), { recursive: true });
}

/** Signs on, beyond what any earlier process signed. */
async function grow(log: RunningLog, heads: Heads): Promise<void> {
  const before = Math.max(0, ...heads.seen.keys());
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const head = await heads.look(log);
    if (head !== undefined && head.size > before) return;
    if (Date.now() > deadline) throw new Error(`no head beyond ${before}: ${log.said()}`);
    await pause(POLL_MS);
  }
}

/** The witness has cosigned the newest head: from then on it would notice. */
async function published(log: RunningLog): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const [head, checkpoint] = await Promise.all(
      ['head', 'checkpoint'].map(async (name) => (await (await fetch(`${log.url}/${name}`)).text()).split('\n\n')[0]),
    );
    if (head === checkpoint) return;
    if (Date.now() > deadline) throw new Error(`the newest head was not cosigned: ${log.said()}`);
    await pause(POLL_MS);
  }
}

/** Neither a signature nor an acknowledgement may leave a log that was set back, whether it starts or not. */
async function mustRefuse(world: World, heads: Heads, isWhole: boolean): Promise<void> {
  const log = await startLog(world);
  const what = isWhole ? 'a whole data directory' : 'a database';
  if (!log.started) {
    if (!/head|behind|set back/i.test(log.said)) throw new Error(`${what} was set back; the refusal says: ${log.said}`);
    return;
  }
  try {
    const deadline = Date.now() + WAIT_MS;
    // It asks its witness after it has started: until it knows, it may say that it is not ready, and nothing else.
    for (;;) {
      const ready = await fetch(`${log.baseUrl}/readyz`);
      await ready.body?.cancel();
      if (ready.status === 503 && /behind|set back|lost/i.test(log.said())) break;
      if (Date.now() > deadline) throw new Error(`${what} was set back, and the log says: ${log.said()}`);
      await pause(POLL_MS);
    }
    const before = heads.seen.size;
    await heads.look(log);
    if (heads.seen.size > before) throw new Error(`${what} was set back, and the log signed a new head`);
    const answer = await fetch(`${log.url}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.tokens.producer}`, 'content-type': 'application/json' },
      body: SOME_EVENT,
    });
    if (answer.status !== 503) throw new Error(`${what} was set back, and an event was answered ${answer.status}`);
  } finally {
    await log.kill();
  }
}

const SOME_EVENT = JSON.stringify({
  event_id: 'after-the-restore',
  occurred_at: '2026-01-08T14:32:07Z',
  actor: { type: 'user', id: 'u_1' },
  action: 'role.grant',
  target: { type: 'user', id: 'u_2' },
  outcome: { result: 'success' },
  authorization: { decision: 'allow', rule: 'policy.access.grant.v3#owner' },
});
