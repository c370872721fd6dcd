/** From a stored event to the opened event that an auditor is given: every field that is still there, opened. */
import type { OpenedEvent, Opening } from '../../proofs/opened-event.ts';
import type { StoredEvent } from '../log/types.ts';

export function openedEventOf(stored: StoredEvent): OpenedEvent {
  const fields = new Map<string, Opening>();
  const erased: string[] = [];
  for (const { id, opening } of stored.fields) {
    if (opening === undefined) erased.push(id);
    else fields.set(id, opening);
  }
  return { index: stored.index, entry: stored.entry, card: stored.card, fields, withheld: [], erased };
}
