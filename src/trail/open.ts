/** From a stored event to what an auditor is given: every field that is still there, opened. */
import { parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
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

/** E9: the rules were overridden. As far as the event still says so; the search index keeps knowing. */
export function isStoredBreakGlass({ fields }: Pick<StoredEvent, 'fields'>): boolean {
  const textOf = (name: string): string | undefined => fields.find(({ id }) => id === name)?.opening?.value;
  if (textOf('break_glass') === 'true') return true;
  const text = textOf('authorization');
  // Most events are spared the parsing.
  if (text === undefined || !text.includes('"bypass"')) return false;
  const authorization = parseCanonicalJson(text);
  return isObject(authorization) && authorization['decision'] === 'bypass';
}
