/** From a stored event to what an auditor is given: every field that is still there, opened. */
import { parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { formatOpenedEvent, type OpenedEvent, type Opening } from '../../proofs/opened-event.ts';
import type { StoredEvent } from '../log/types.ts';

export function openedEventOf(stored: StoredEvent): OpenedEvent {
  const fields = new Map<string, Opening>();
  const erased: string[] = [];
  for (const { id, opening } of stored.fields) {
    if (opening === undefined) erased.push(id);
    else fields.set(id, opening);
  }
  const { index, entry, card, contentsLost } = stored;
  return { index, entry, card, fields, withheld: [], erased, ...(contentsLost && { contentsLost }) };
}

/**
 * The text of the opened event of `openedEventOf`, as `formatOpenedEvent` of proofs/ writes it, without its way through a
 * JSON value: a page of a search has a hundred of them.
 */
export function openedEventText(stored: StoredEvent): string {
  if (stored.contentsLost) return formatOpenedEvent(openedEventOf(stored));
  // RFC 8785 §3.2.3 sorts names as sort() does, and JSON.stringify writes strings as §3.2.2.2 asks for.
  const ids = stored.fields.map(({ id }) => id).sort();
  const fields = new Map(stored.fields.map((field) => [field.id, field]));
  const erased: string[] = [];
  let opened = '';
  for (const id of ids) {
    const opening = fields.get(id)?.opening;
    if (opening === undefined) continue;
    const { salt, value } = opening;
    opened += `${opened === '' ? '' : ','}${JSON.stringify(id)}:{"salt":"${base64(salt)}","value":${JSON.stringify(value)}}`;
  }
  for (const { id, opening } of stored.fields) if (opening === undefined) erased.push(id);
  const named = erased.length === 0 ? '' : `"erased":${JSON.stringify(erased)},`;
  const { card, entry, index } = stored;
  return `{"card":"${base64(card)}","entry":"${base64(entry)}",${named}"fields":{${opened}},"index":${index}}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
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
