/**
 * What the request handlers share: from whatever was thrown to the one answer, the known log, its tokens.
 */
import { WitnessError } from './errors.ts';
import type { KnownLog } from './logs.ts';
import type { Endpoint } from './metrics.ts';
import type { WitnessParts } from './parts.ts';
import { Refused, type Reply, refusal } from './reply.ts';
import type { UnverifiedHead } from './request.ts';

/** Runs a handler and turns what it throws into its answer; an error that nobody foresaw is 500 and logged. */
export async function answer(
  { metrics, logger }: WitnessParts,
  endpoint: Endpoint,
  handle: () => Promise<Reply>,
): Promise<Reply> {
  let reply: Reply;
  try {
    reply = await handle();
  } catch (error) {
    const refused = refusedBy(error);
    if (refused.code === 'failed') logger.error({ err: error, endpoint }, 'a request failed');
    reply = refusal(refused);
  }
  metrics.requested(endpoint, reply.status);
  return reply;
}

/** Refused `unknown-origin` for a log that this witness does not serve. */
export function knownLog({ logs }: WitnessParts, head: UnverifiedHead): KnownLog {
  const log = logs.get(head.checkpoint.origin);
  if (log === undefined) throw new Refused('unknown-origin', 'this witness does not know the origin');
  return log;
}

/** Refused `too-many-requests` when the log's bucket is empty. */
export function takeToken({ limits, clock }: WitnessParts, log: KnownLog, bucket: 'requests' | 'updates'): void {
  const nowMs = clock();
  if (!limits.of(log.origin, nowMs)[bucket].take(nowMs)) {
    throw new Refused('too-many-requests', 'too many requests for this log');
  }
}

function refusedBy(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof WitnessError && ['overloaded', 'closed', 'state-moved'].includes(error.code)) {
    return new Refused('overloaded', 'the witness is busy or stopping; try again');
  }
  return new Refused('failed', 'the witness could not record or sign this; nothing was signed');
}
