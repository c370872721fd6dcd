/**
 * Refused submissions as entries (W2, E8): that it happened, why and where in the event, the class that the catalogue
 * gives its action, and the keyed hash of what came, by which it can be recognised later; never anything of what was
 * refused. One request is one incident, however many lines it had.
 */

import { createHmac } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { textAt } from '../../proofs/fields.ts';
import { isOwnAction } from '../events/catalogue/own-actions.ts';
import type { Unresolved } from '../events/identity.ts';
import { parseEventJson } from '../events/strict-json.ts';
import { EventProblem, type PrepareContext } from '../events/types.ts';
import { tokenActor } from '../trail/trail.ts';
import type { SubmitExchange } from './route.ts';

/** A body, or a line of a batch, that was no event. */
export interface RefusedInput {
  readonly bytes: Uint8Array;
  readonly problem: EventProblem;
  readonly line?: number;
}

/** An id that was used before for other content. */
export interface Conflict {
  readonly eventId: string;
  /** Of the event that has the id. */
  readonly index: number;
}

/** How many of a batch one entry names; it counts them all. */
const MAX_NAMED = 20;
const MAX_POINTER_CHARACTERS = 200;

export async function reportRefused(exchange: SubmitExchange, refused: readonly RefusedInput[]): Promise<void> {
  const [first] = refused;
  if (first === undefined) return;
  const { served, token } = exchange;
  const { macKeys, classOf } = served.prepareContext(token.producerId ?? token.id);
  const { raw } = macKeys;
  const inputs = refused.slice(0, MAX_NAMED).map(
    ({ bytes, problem, line }): JsonObject => ({
      ...(line === undefined ? {} : { line }),
      ...classJson(actionOf(bytes), classOf),
      faults: problem.faults.map(({ code, pointer }) => ({ code, pointer: pointer.slice(0, MAX_POINTER_CHARACTERS) })),
      input_hmac: createHmac('sha256', raw).update(bytes).digest('base64'),
    }),
  );
  await served.trail.incidents.report({
    ...about(exchange),
    action: 'countersign.submission.refused',
    code: first.problem.code,
    outcome: 'failure',
    context: { inputs },
    count: refused.length,
  });
}

/** The class that the catalogue gives the action: a word of the catalogue, whatever was sent. */
function classJson(action: string | undefined, classOf: PrepareContext['classOf']): JsonObject {
  const known = action === undefined || isOwnAction(action) ? undefined : classOf?.(action);
  return known === undefined ? {} : { class: known };
}

/** The action that a refused body names, if it can be read at all: plain, in a CloudEvent, or signed. */
function actionOf(bytes: Uint8Array): string | undefined {
  let value: JsonValue;
  try {
    value = parseEventJson(bytes);
  } catch (error) {
    if (error instanceof EventProblem) return undefined;
    throw error;
  }
  return textAt(value, 'action') ?? textAt(value, 'event', 'action') ?? textAt(value, 'data', 'action');
}

export async function reportConflicts(exchange: SubmitExchange, conflicts: readonly Conflict[]): Promise<void> {
  if (conflicts.length === 0) return;
  await exchange.served.trail.incidents.report({
    ...about(exchange),
    action: 'countersign.security.event-id-conflict',
    code: 'event-id-conflict',
    outcome: 'denied',
    context: { conflicts: conflicts.slice(0, MAX_NAMED).map(({ eventId, index }) => ({ event_id: eventId, index })) },
    count: conflicts.length,
  });
}

/** Names that got no id: the events went in, under ids that say so. */
export async function reportUnresolved(exchange: SubmitExchange, unresolved: readonly Unresolved[]): Promise<void> {
  const [first] = unresolved;
  if (first === undefined) return;
  await exchange.served.trail.incidents.report({
    ...about(exchange),
    action: 'countersign.security.identity-unresolved',
    code: first.reason,
    outcome: 'failure',
    context: { principals: unresolved.slice(0, MAX_NAMED).map(({ type, id, reason }) => ({ type, id, reason })) },
    count: unresolved.length,
  });
}

function about({ served: { log }, token }: SubmitExchange) {
  return { actor: tokenActor(token), target: { type: 'log', id: log.origin } };
}
