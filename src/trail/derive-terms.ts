/**
 * The search terms of a stored event, made again from its contents: what the search index has to say about it. An event of
 * which something was erased, or whose contents are lost, has none that could be derived.
 */
import { parseCanonicalJson } from '../../proofs/canonical-json.ts';
import type { memberAt } from '../../proofs/fields.ts';
import { joinFields, textAt } from '../../proofs/fields.ts';
import type { AuditEvent } from '../events/schema.ts';
import { termsOf } from '../events/terms.ts';
import { parseTimeUs } from '../events/time.ts';
import { LOG_FIELD } from '../log/disclosure.ts';
import type { StoredEvent } from '../log/types.ts';

export interface DerivedEvent {
  readonly eventId: string;
  readonly terms: readonly string[];
}

/** Undefined where the contents do not say it. Throws nothing: what is not an event has no terms. */
export function deriveTerms({ fields, producerId, contentsLost }: StoredEvent): DerivedEvent | undefined {
  if (contentsLost === true || fields.some(({ opening }) => opening === undefined)) return undefined;
  try {
    const values = fields.flatMap(({ id, opening }) =>
      opening === undefined ? [] : [[id, parseCanonicalJson(opening.value)] as const],
    );
    const event = joinFields(values.filter(([id]) => id !== LOG_FIELD));
    const log = values.find(([id]) => id === LOG_FIELD)?.[1];
    const eventId = textAt(event, 'event_id');
    const occurredAtUs = parseTimeUs(textAt(event, 'occurred_at') ?? '');
    if (eventId === undefined || occurredAtUs === undefined || !isAuditEvent(event)) return undefined;
    const eventClass = textAt(log, 'class');
    return { eventId, terms: termsOf(event, { producerId, eventClass, occurredAtUs }) };
  } catch {
    return undefined;
  }
}

/** Every stored event was validated before it was committed to; here is asked only for what terms are made of. */
function isAuditEvent(event: unknown): event is AuditEvent {
  const value = event as Parameters<typeof memberAt>[0];
  return (
    textAt(value, 'actor', 'id') !== undefined &&
    textAt(value, 'action') !== undefined &&
    textAt(value, 'outcome', 'result') !== undefined
  );
}
