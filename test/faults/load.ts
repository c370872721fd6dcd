/**
 * Producers under whom the faults happen: several connections, single events and batches, as fast as answers come. An
 * answer is written down the moment it is there; no answer makes an event unknown, and unknown events are sent again.
 */
import type { Ledger } from './ledger.ts';
import type { Random } from './random.ts';
import type { RunningLog, World } from './world.ts';

const CONNECTIONS = 4;
const MAX_BATCH = 40;
const REQUEST_TIMEOUT_MS = 20_000;
/** After an answer of 503, so that a log that refuses is not what the processor does all day. */
const REFUSED_PAUSE_MS = 20;
const SETTLE_BATCH = 200;

export interface Load {
  /** Answers so far that acknowledged something. */
  readonly answers: () => number;
  /** Answers so far that refused everything: 503, 507. */
  readonly refusals: () => number;
  /** No more requests; resolves when the last one has ended in whichever way. */
  readonly stop: () => Promise<void>;
}

export function startLoad(log: RunningLog, world: World, ledger: Ledger, random: Random): Load {
  let stopping = false;
  let answers = 0;
  let refusals = 0;
  const producer = async (): Promise<void> => {
    while (!stopping) {
      const count = random.below(3) === 0 ? 1 : random.between(2, MAX_BATCH);
      const events = Array.from({ length: count }, () => ledger.next());
      const outcome = await send(log, world, ledger, events);
      if (outcome === 'acknowledged') answers += 1;
      if (outcome === 'refused') refusals += 1;
      if (outcome !== 'acknowledged') await pause(REFUSED_PAUSE_MS);
      if (outcome !== 'acknowledged' && !log.isAlive()) return;
    }
  };
  const producers = Array.from({ length: CONNECTIONS }, producer);
  return {
    answers: () => answers,
    refusals: () => refusals,
    stop: async () => {
      stopping = true;
      await Promise.all(producers);
    },
  };
}

type Outcome = 'acknowledged' | 'refused' | 'no-answer';

interface Sent {
  readonly id: string;
  readonly text: string;
}

interface Line {
  readonly status: string;
  readonly event_id?: string;
  readonly index?: number;
  readonly leaf_hash?: string;
  readonly problem?: unknown;
}

/** One request. Anything but an acknowledgement or a refusal by the log as a whole is an error of the run. */
async function send(log: RunningLog, world: World, ledger: Ledger, events: readonly Sent[]): Promise<Outcome> {
  for (const { id } of events) ledger.unknown.add(id);
  const [only] = events;
  const isBatch = events.length > 1 || only === undefined;
  let status: number;
  let text: string;
  try {
    const response = await fetch(`${log.url}/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${world.tokens.producer}`,
        'content-type': isBatch ? 'application/x-ndjson' : 'application/json',
      },
      body: events.map((event) => event.text).join('\n'),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    status = response.status;
    text = await response.text();
  } catch {
    return 'no-answer';
  }
  if (status === 503 || status === 507) {
    for (const { id } of events) ledger.refuse(id);
    return 'refused';
  }
  // An internal error promises nothing either way.
  if (status === 500) return 'no-answer';
  if (status !== 200 && status !== 201) throw new Error(`the log answered ${status}: ${text}`);
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length !== events.length) throw new Error(`${lines.length} answers to ${events.length} events: ${text}`);
  let refused = 0;
  for (const [i, line] of lines.entries()) {
    const event = events[i];
    const { status: result, index, leaf_hash: leafHash } = JSON.parse(line) as Line;
    if (event === undefined) throw new Error('an answer without an event');
    if (result === 'accepted' || result === 'duplicate') {
      if (index === undefined || leafHash === undefined) throw new Error(`an acknowledgement without index: ${line}`);
      ledger.acknowledge(event.id, { index, leafHash });
    } else if (/"status":50[037]/.test(line)) {
      refused += 1;
      if (!ledger.acknowledged.has(event.id)) ledger.refuse(event.id);
    } else {
      throw new Error(`the log refused an event of this run: ${line}`);
    }
  }
  return refused === 0 ? 'acknowledged' : 'refused';
}

/** Sends again what got no answer, until it has one: whether it was stored before is for the log to know. */
export async function settle(log: RunningLog, world: World, ledger: Ledger): Promise<void> {
  await resend(log, world, ledger, [...ledger.unknown]);
  if (ledger.unknown.size > 0) throw new Error(`${ledger.unknown.size} events got no answer from a log without faults`);
}

/** Sends events again. Those that were acknowledged must get the same answer; the ledger says if they do not. */
export async function resend(log: RunningLog, world: World, ledger: Ledger, ids: readonly string[]): Promise<Outcome> {
  let worst: Outcome = 'acknowledged';
  for (let from = 0; from < ids.length; from += SETTLE_BATCH) {
    const events = ids.slice(from, from + SETTLE_BATCH).map((id) => ({ id, text: ledger.sent.get(id) ?? '' }));
    const outcome = await send(log, world, ledger, events);
    if (outcome !== 'acknowledged') worst = outcome;
  }
  return worst;
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
