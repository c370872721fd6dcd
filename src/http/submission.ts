/** What one event and a batch have in common: preparing, handing to the log, counting, and the words of the answer. */
import { prepareCloudEvent, prepareEvent, prepareNamed } from '../events/prepare.ts';
import type { OffThreadPreparer } from '../events/prepare-off-thread.ts';
import { prepareSigned } from '../events/prepare-signed.ts';
import { EventProblem, type PrepareContext, type Prepared } from '../events/types.ts';
import { LogError, type SubmitResult } from '../log/types.ts';
import { formatTimeUs } from '../trail/time.ts';
import { base64OfHash } from './base64.ts';
import { HttpProblem } from './problems.ts';
import { reportUnresolved } from './refusals.ts';
import type { SubmitExchange } from './route.ts';

/** How one event can be sent: plain, in a CloudEvent, or signed by its producer. */
export type SubmissionForm = 'event' | 'cloudevent' | 'signed';

export type Stored = Exclude<SubmitResult, { readonly status: 'conflict' }>;

/** What `prepare` needs for this request: the token's producer and the log's versions of this moment. */
export function contextOf({ served, token }: SubmitExchange): PrepareContext {
  if (token.producerId === null) throw new Error(`token ${token.id} may submit and has no producer id`);
  return served.prepareContext(token.producerId);
}

/**
 * Untrusted bytes to a prepared event; it waits only for the ids of names. Throws, or rejects with, EventProblem; nothing
 * was stored then.
 */
export function prepareBody(
  exchange: SubmitExchange,
  body: Uint8Array,
  form: SubmissionForm,
  context: PrepareContext,
): Prepared | Promise<Prepared> {
  const { served, services } = exchange;
  try {
    if (form !== 'signed' && served.identity !== undefined) return prepareWithNames(exchange, body, form, context);
    if (form === 'event')
      return served.preparer === undefined
        ? prepareEvent(body, context)
        : prepareAside(exchange, body, served.preparer, context);
    if (form === 'cloudevent') return prepareCloudEvent(body, context);
    const { log, trail, prepareContext } = served;
    return prepareSigned(body, { origin: log.origin, findKey: (id) => trail.keys.live(id), prepareContext });
  } catch (error) {
    if (error instanceof EventProblem) services.metrics.submitted(served.log.name, 'refused', 1);
    throw error;
  }
}

/** Perhaps in another thread, together with what others send at this moment. */
async function prepareAside(
  { served, services }: SubmitExchange,
  body: Uint8Array,
  preparer: OffThreadPreparer,
  context: PrepareContext,
): Promise<Prepared> {
  const outcome = await preparer.prepareOne(body, context);
  if (!(outcome instanceof EventProblem)) return outcome;
  services.metrics.submitted(served.log.name, 'refused', 1);
  throw outcome;
}

async function prepareWithNames(
  exchange: SubmitExchange,
  body: Uint8Array,
  form: 'event' | 'cloudevent',
  context: PrepareContext,
): Promise<Prepared> {
  const { served, services } = exchange;
  if (served.identity === undefined) throw new Error('this log resolves no names');
  try {
    const { prepared, unresolved } = await prepareNamed(body, form, served.identity, context);
    await reportUnresolved(exchange, unresolved);
    return prepared;
  } catch (error) {
    if (error instanceof EventProblem) services.metrics.submitted(served.log.name, 'refused', 1);
    throw error;
  }
}

/** Hands events to the log in this order and returns when they are durable. Throws LogError; then none was stored. */
export async function submitGroup(
  exchange: SubmitExchange,
  events: readonly Prepared[],
): Promise<readonly SubmitResult[]> {
  const { log, trail } = exchange.served;
  const { metrics } = exchange.services;
  // In the same breath as the submission: behind the entry of a revocation no signature of its key may follow.
  if (events.some(({ signature, producerId }) => signature !== null && trail.keys.live(producerId) === undefined)) {
    const detail = 'the key was revoked while the event was being taken';
    throw new EventProblem({ code: 'unknown-producer-key', pointer: '/key', detail });
  }
  const startedMs = performance.now();
  try {
    const results = await log.submit(events);
    metrics.submitTook(log.name, performance.now() - startedMs);
    for (const [status, count] of countByStatus(results)) metrics.submitted(log.name, status, count);
    return results;
  } catch (error) {
    if (error instanceof LogError && error.code === 'overloaded')
      metrics.submitted(log.name, 'overloaded', events.length);
    throw error;
  }
}

function countByStatus(results: readonly SubmitResult[]): ReadonlyMap<SubmitResult['status'], number> {
  const counts = new Map<SubmitResult['status'], number>();
  for (const { status } of results) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

export interface AcknowledgementJson {
  readonly status: 'accepted' | 'duplicate';
  readonly event_id: string;
  readonly index: number;
  readonly log_time: string;
  readonly leaf_hash: string;
}

export function acknowledgement(eventId: string, result: Stored): AcknowledgementJson {
  return {
    status: result.status,
    event_id: eventId,
    index: result.index,
    log_time: formatTimeUs(result.logTime),
    leaf_hash: base64OfHash(result.leafHash),
  };
}

export function conflictProblem(index: number): HttpProblem {
  return new HttpProblem(
    'event-id-conflict',
    `This producer used this event_id before, for other content: the event ${index} of this log. Nothing was stored.`,
    {
      errors: [{ pointer: '/event_id', detail: 'was used before, for other content' }],
      members: { index },
    },
  );
}
