/**
 * The events of bench/search.ts: what a filter can ask of event `i` follows from its number, so that every answer can be
 * checked. They are put straight into the log, in the server's process and before it listens: through the front door,
 * ten million events take an hour.
 */
import { prepareEvent } from '../../src/events/prepare.ts';
import type { PrepareContext } from '../../src/events/types.ts';
import type { Log } from '../../src/log/types.ts';
import type { Watch } from '../../src/trail/watch/watch.ts';

const DAYS = 150;
const DAY_MS = 86_400_000;
const FIRST_DAY_MS = Date.UTC(2026, 0, 1);
/** Actors and targets are taken in turn. */
export const ACTORS = 20_000;
const TARGETS = 100_000;
/** Sets of 150 events, equally far apart over the whole log; each request asks for another one, so that little is warm. */
export const SPREADS = 50;
const SPREAD_EVENTS = 150;
const ACTIONS = ['role.grant', 'role.revoke', 'user.create', 'user.suspend'] as const;

/** Events of one group, and groups after which the watch has to have caught up. */
const GROUP_EVENTS = 500;
const GROUPS_AHEAD = 10;

/** Events of the actor `u_N`, with N below ACTORS. */
export function eventsOfActor(actor: number, eventCount: number): number {
  return Math.ceil(Math.max(0, eventCount - actor) / ACTORS);
}

/** The one event of `actor:u_unique`. */
function uniqueEvent(eventCount: number): number {
  return Math.floor(eventCount / 2) + 12_345;
}

function eventOf(i: number, eventCount: number) {
  const even = i % 2 === 0;
  const spread = i % Math.max(1, Math.floor(eventCount / SPREAD_EVENTS));
  return {
    event_id: `b${String(i).padStart(12, '0')}`,
    occurred_at: new Date(FIRST_DAY_MS + Math.floor((i / eventCount) * DAYS) * DAY_MS).toISOString(),
    tenant: even ? 'acme' : 'umbrella',
    actor: { type: 'user', id: i === uniqueEvent(eventCount) ? 'u_unique' : `u_${i % ACTORS}`, role: 'member' },
    action: ACTIONS[i % ACTIONS.length] ?? '',
    target: { type: even ? 'user' : 'invoice', id: `t_${i % TARGETS}` },
    outcome: { result: even ? 'success' : 'denied' },
    authorization: { decision: 'allow', rule: `policy.access.v${i % 7}#owner` },
    ...(spread < SPREADS ? { correlation_id: `spread-${spread}` } : {}),
    context: {
      granted_role: 'viewer',
      revoked_role: 'viewer',
      request_id: `req_${i % ACTORS}`,
      note: 'x'.repeat(140),
    },
  };
}

/** Submits the events; each is accepted, and looked at by the watch. */
export async function fillLog(
  log: Log,
  watch: Watch | undefined,
  context: PrepareContext,
  eventCount: number,
): Promise<void> {
  const startedMs = performance.now();
  const encoder = new TextEncoder();
  let groups = 0;
  for (let first = 0; first < eventCount; first += GROUP_EVENTS) {
    const count = Math.min(GROUP_EVENTS, eventCount - first);
    const results = await log.submit(
      Array.from({ length: count }, (_, i) =>
        prepareEvent(encoder.encode(JSON.stringify(eventOf(first + i, eventCount))), context),
      ),
    );
    if (results.some(({ status }) => status !== 'accepted')) throw new Error(`events from ${first} on were not taken`);
    groups += 1;
    if (groups % GROUPS_AHEAD === 0) await watch?.caughtUp();
    if (groups % 200 !== 0) continue;
    process.stdout.write(`${first + count} events, ${Math.round((performance.now() - startedMs) / 1000)} s\n`);
  }
  await watch?.caughtUp();
}
