/**
 * One entry as the watch looks at it, the same whether it comes fresh from the writer or back from the disk. Fields are
 * parsed when a detector asks for them: most events are none of its business, and all of them pass by here.
 */

import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { textAt } from '../../../proofs/fields.ts';
import { ContentsView } from '../../events/contents.ts';
import { parseTimeUs } from '../../events/time.ts';
import { RESERVED_ACTION_PREFIX } from '../../events/validate.ts';
import type { DurableEvent, StoredEvent } from '../../log/types.ts';

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
  /** Its RFC 8785 text: a quick look at whether parsing it is worth while. */
  textOf(id: string): string | undefined;
}

export function examineDurable({ index, logTime, event }: DurableEvent): Examined {
  return new FreshEvent(index, logTime, event);
}

export function examineStored(stored: StoredEvent): Examined {
  return new StoredAgain(stored);
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

abstract class Parsed {
  /** What was parsed, in the order in which it was asked for: two or three fields, where any. */
  #knownIds: string[] | undefined;
  #known: JsonValue[] | undefined;

  abstract textOf(id: string): string | undefined;

  field(id: string): JsonValue | undefined {
    const at = this.#knownIds?.indexOf(id) ?? -1;
    if (at !== -1) return this.#known?.[at];
    const text = this.textOf(id);
    if (text === undefined) return undefined;
    // The text was made or checked by the log itself, so that a plain parser is enough, and fast.
    const value: JsonValue = JSON.parse(text);
    this.#knownIds ??= [];
    this.#known ??= [];
    this.#knownIds.push(id);
    this.#known.push(value);
    return value;
  }
}

class FreshEvent extends Parsed implements Examined {
  readonly index: number;
  readonly logTimeUs: number;
  readonly action: string;
  readonly isOwn: boolean;
  readonly #event: DurableEvent['event'];
  #contents: ContentsView | undefined;

  constructor(index: number, logTimeUs: number, event: DurableEvent['event']) {
    super();
    this.index = index;
    this.logTimeUs = logTimeUs;
    this.#event = event;
    this.action = event.action;
    this.isOwn = this.action.startsWith(RESERVED_ACTION_PREFIX);
  }

  get producerId(): string {
    return this.#event.producerId;
  }

  get producerSeq(): number | null {
    return this.#event.producerSeq;
  }

  get occurredAtUs(): number {
    return this.#event.occurredAtUs;
  }

  override textOf(id: string): string | undefined {
    this.#contents ??= new ContentsView(this.#event.contents);
    return this.#contents.text(id);
  }
}

class StoredAgain extends Parsed implements Examined {
  readonly index: number;
  readonly logTimeUs: number;
  readonly producerId: string;
  readonly producerSeq: number | null;
  readonly action: string;
  readonly isOwn: boolean;
  readonly #fields: StoredEvent['fields'];

  constructor({ index, logTime, producerId, producerSeq, fields }: StoredEvent) {
    super();
    this.index = index;
    this.logTimeUs = logTime;
    this.producerId = producerId;
    this.producerSeq = producerSeq;
    this.#fields = fields;
    // An action has no character that JSON escapes: without its quotes its text is its value.
    this.action = this.textOf('action')?.slice(1, -1) ?? '';
    this.isOwn = this.action.startsWith(RESERVED_ACTION_PREFIX);
  }

  get occurredAtUs(): number | null {
    const text = this.field('occurred_at');
    return typeof text === 'string' ? (parseTimeUs(text) ?? null) : null;
  }

  override textOf(id: string): string | undefined {
    for (const field of this.#fields) if (field.id === id) return field.opening?.value;
    return undefined;
  }
}
