/**
 * One entry as the watch looks at it, the same whether it comes fresh from the writer or back from the disk. Fields are
 * parsed when a detector asks for them: most events are none of its business.
 */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { parseTimeUs } from '../../events/time.ts';
import { RESERVED_ACTION_PREFIX } from '../../events/validate.ts';
import type { DurableEvent, StoredEvent } from '../../log/types.ts';
import { textAt } from '../own-events.ts';

export interface Examined {
  readonly index: number;
  /** Microseconds since the Unix epoch, strictly increasing over the log. */
  readonly logTimeUs: number;
  readonly producerId: string;
  readonly producerSeq: number | null;
  /** '' if it was erased. */
  readonly action: string;
  /** An entry of the log's own: nobody's activity. */
  readonly isOwn: boolean;
  /** Null if it was erased. */
  readonly occurredAtUs: number | null;
  /** A top-level member of the event, without what the catalogue takes out of it; undefined if there is none. */
  field(id: string): JsonValue | undefined;
}

export function examineDurable({ index, logTime, event }: DurableEvent): Examined {
  const { producerId, producerSeq, occurredAtUs, fields } = event;
  const textOf = (id: string): string | undefined => fields.find(([name]) => name === id)?.[1];
  return examined({ index, logTimeUs: logTime, producerId, producerSeq }, textOf, () => occurredAtUs);
}

export function examineStored(stored: StoredEvent): Examined {
  const { index, logTime, producerId, producerSeq, fields } = stored;
  const textOf = (id: string): string | undefined => fields.find((field) => field.id === id)?.opening?.value;
  const head = { index, logTimeUs: logTime, producerId, producerSeq };
  return examined(head, textOf, (field) => {
    const text = field('occurred_at');
    return typeof text === 'string' ? (parseTimeUs(text) ?? null) : null;
  });
}

/** Id of the actor with what makes it unique: two tenants may use the same ids. Undefined if it was erased. */
export function principalOf(
  event: Examined,
): { readonly type: string; readonly id: string; readonly key: string } | undefined {
  const actor = event.field('actor');
  const type = textAt(actor, 'type');
  const id = textAt(actor, 'id');
  if (type === undefined || id === undefined) return undefined;
  return { type, id, key: JSON.stringify([event.field('tenant') ?? null, type, id]) };
}

export function outcomeOf(event: Examined): string | undefined {
  return textAt(event.field('outcome'), 'result');
}

type Head = Pick<Examined, 'index' | 'logTimeUs' | 'producerId' | 'producerSeq'>;

function examined(
  head: Head,
  textOf: (id: string) => string | undefined,
  occurredAt: (field: Examined['field']) => number | null,
): Examined {
  const known = new Map<string, JsonValue | undefined>();
  const field = (id: string): JsonValue | undefined => {
    if (known.has(id)) return known.get(id);
    const text = textOf(id);
    // The text was made or checked by the log itself, so that a plain parser is enough, and fast.
    const value: JsonValue | undefined = text === undefined ? undefined : JSON.parse(text);
    known.set(id, value);
    return value;
  };
  const action = field('action');
  const name = typeof action === 'string' ? action : '';
  return {
    ...head,
    action: name,
    isOwn: name.startsWith(RESERVED_ACTION_PREFIX),
    occurredAtUs: occurredAt(field),
    field,
  };
}
