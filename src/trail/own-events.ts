/**
 * Reading the log's own entries back: what was published under an action that begins with `countersign.`, in the order
 * of the log, first those that are there already and then each new one as it becomes durable. State of the trail that is
 * derived this way (rules, keys, catalogues) can always be derived again, by anyone.
 */
import { type JsonObject, parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { joinFields } from '../../proofs/fields.ts';
import { fieldTexts } from '../events/contents.ts';
import { searchTerm } from '../events/terms.ts';
import { LOG_FIELD } from '../log/disclosure.ts';
import type { DurableEvent, Log } from '../log/types.ts';

/** One entry of the log's own, with the event that was committed to. */
export interface OwnEntry {
  readonly index: number;
  /** Microseconds since the Unix epoch. */
  readonly logTime: number;
  readonly producerId: string;
  readonly event: JsonObject;
}

/** Entries read at once at start. */
const PAGE = 200;

/**
 * Hands every entry under these actions to `apply`, in order and each once, and goes on with the new ones until the
 * answer is called. Resolves when everything that was durable at the call has been applied.
 */
export async function followOwnEvents(
  log: Log,
  actions: readonly string[],
  apply: (entry: OwnEntry) => void,
): Promise<() => void> {
  const wanted = new Set(actions);
  let waiting: DurableEvent[] | undefined = [];
  const stop = log.subscribe((group) => {
    for (const one of group) {
      if (!wanted.has(one.event.action)) continue;
      if (waiting === undefined) apply(entryOf(one));
      else waiting.push(one);
    }
  });
  const size = log.treeSize();
  const terms = actions.map((action) => searchTerm('action', action));
  for (let from = 0; from < size; ) {
    const page = await log.search({ terms: [], anyOf: [terms], from, size, limit: PAGE });
    for (const entry of await ownEntriesAt(log, page.indices)) apply(entry);
    if (page.indices.length < PAGE && page.complete) break;
    from = page.next;
  }
  for (const one of waiting) if (one.index >= size) apply(entryOf(one));
  waiting = undefined;
  return stop;
}

/** The entries at these ascending indices, with what was not erased of them. */
export async function ownEntriesAt(
  log: Pick<Log, 'eventsAt'>,
  indices: readonly number[],
): Promise<readonly OwnEntry[]> {
  return (await log.eventsAt(indices)).map(({ index, logTime, producerId, fields }) => {
    const opened = fields.flatMap(({ id, opening }) =>
      id === LOG_FIELD || opening === undefined ? [] : [[id, opening.value] as const],
    );
    return { index, logTime, producerId, event: eventOf(opened) };
  });
}

function entryOf({ index, logTime, event }: DurableEvent): OwnEntry {
  return { index, logTime, producerId: event.producerId, event: eventOf(fieldTexts(event.contents)) };
}

function eventOf(fields: readonly (readonly [id: string, text: string])[]): JsonObject {
  return joinFields(fields.map(([id, text]) => [id, parseCanonicalJson(text)] as const));
}
