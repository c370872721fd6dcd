/** From a stored event to what a bundle shows of it: everything that is still there, or some fields only. */
import { parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { type CardField, LOG_FIELD_ID } from '../../proofs/card.ts';
import { type BundleFilter, evaluateFilter, type FilterResult, filterFieldIds } from '../../proofs/filter.ts';
import type { OpenedEvent, Opening } from '../../proofs/opened-event.ts';
import { OWN_PRODUCER } from '../../proofs/own-entries.ts';
import type { StoredEvent } from '../log/types.ts';

export interface ShownEvent {
  readonly opened: OpenedEvent;
  readonly result: FilterResult['result'];
}

/**
 * A match with all of its fields; anything else with those that the filter looks at. Of the log's own entries there is
 * the action, too, which shows what belongs beside the events.
 */
export function showEvent(filter: BundleFilter, stored: StoredEvent): ShownEvent {
  const card = cardOf(stored);
  const wanted = new Set(filterFieldIds(filter, card));
  const fields = new Map(
    stored.fields.flatMap(({ id, opening }) =>
      wanted.has(id) && opening !== undefined ? [[id, parseCanonicalJson(opening.value)] as const] : [],
    ),
  );
  const { producerId, contentsLost } = stored;
  const { result } = evaluateFilter(filter, { producerId, card, fields, ...(contentsLost && { contentsLost }) });
  const shown = producerId === OWN_PRODUCER ? wanted.add('action') : wanted;
  return { opened: openFields(stored, result === 'match' ? undefined : shown), result };
}

/** The opened event with these fields; with all of them if none are named. */
export function openFields(stored: StoredEvent, wanted?: ReadonlySet<string>): OpenedEvent {
  const fields = new Map<string, Opening>();
  const withheld: string[] = [];
  const erased: string[] = [];
  for (const { id, opening } of stored.fields) {
    if (opening === undefined) erased.push(id);
    else if (wanted === undefined || wanted.has(id)) fields.set(id, opening);
    else withheld.push(id);
  }
  const { index, entry, card, contentsLost } = stored;
  return { index, entry, card, fields, withheld, erased, ...(contentsLost && { contentsLost }) };
}

/** The fields of the card, which `log` is not among. */
export function cardOf({ fields }: StoredEvent): readonly CardField[] {
  return fields.flatMap(({ id, commitment }): CardField[] => (id === LOG_FIELD_ID ? [] : [[id, commitment]]));
}
