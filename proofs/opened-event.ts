/**
 * The opened event: one event with the means to check its contents, field by field (DESIGN.md, Formats). UTF-8 JSON:
 *
 *   { "index": 3, "entry": "<base64>", "card": "<base64>",
 *     "fields": { "action": { "salt": "<base64>", "value": "\"role.grant\"" }, "log": { … }, … },
 *     "withheld": ["reason"], "erased": ["actor.session"] }
 *
 * `value` is the RFC 8785 text of the field's value. A field of the card (or `log`) that `fields` does not open is
 * erased if `erased` names it, and withheld otherwise. Which of the two is the sender's word; what is opened is not.
 *
 * Of an entry whose contents the log lost (docs/restore.md) not even the card is left. That, too, is the sender's word:
 *
 *   { "index": 3, "entry": "<base64>", "contents_lost": true }
 */
import { base64Decode, base64Encode, equalBytes } from './bytes.ts';
import { canonicalJson, type JsonObject, type JsonValue, parseCanonicalJson } from './canonical-json.ts';
import { type CardField, cardHash, decodeCard, LOG_FIELD_ID, MAX_CARD_FIELDS, sortFieldIds } from './card.ts';
import { commitField, SALT_BYTES } from './commitment.ts';
import { decodeEntry, type Entry } from './entry.ts';
import { ProofError } from './errors.ts';
import { isObject, joinFields } from './fields.ts';
import { type Hash, type Hasher, nobleHasher } from './hash.ts';
import { quote } from './quote.ts';
import { parseStrictJson } from './strict-json.ts';

/** What opens one commitment. */
export interface Opening {
  /** 16 bytes. */
  readonly salt: Uint8Array;
  /** RFC 8785 text. */
  readonly value: string;
}

/** An opened event as it was read: well-formed, and nothing in it checked yet. */
export interface OpenedEvent {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly card: Uint8Array;
  readonly fields: ReadonlyMap<string, Opening>;
  readonly withheld: readonly string[];
  readonly erased: readonly string[];
  /** Only the entry is there: `card` is empty, and so are the lists. */
  readonly contentsLost?: true;
}

/** What an opened event proves about its entry. That the entry is in a log is for a receipt to prove. */
export interface CheckedEvent {
  readonly index: number;
  readonly entry: Entry;
  readonly leafHash: Hash;
  /** Every field of the card, in its order, opened or not. */
  readonly card: readonly CardField[];
  /** The opened fields with their values, `log` among them. */
  readonly fields: ReadonlyMap<string, JsonValue>;
  /** The producer's opened fields, put together. */
  readonly event: JsonObject;
  readonly withheld: readonly string[];
  readonly erased: readonly string[];
  /** The sender has lost all contents: nobody knows which fields there were. */
  readonly contentsLost?: true;
}

/** Longest text that is read: the largest event and the base64 of its card, with room. */
export const MAX_OPENED_EVENT_CHARACTERS = 1_048_576;
const NOTHING = { card: new Uint8Array(0), fields: new Map<string, Opening>(), withheld: [], erased: [] } as const;
const LOST = { card: [], fields: new Map<string, JsonValue>(), withheld: [], erased: [], contentsLost: true } as const;
const BOUNDS = { maxDepth: 4, maxValues: 8 * MAX_CARD_FIELDS };

/** Reads an opened event strictly. Throws `invalid-opened-event`, or a code of the JSON parser. */
export function parseOpenedEvent(text: string): OpenedEvent {
  if (text.length > MAX_OPENED_EVENT_CHARACTERS) throw invalid('longer than an opened event can be');
  return readOpenedEvent(parseStrictJson(text, BOUNDS));
}

/** The same, for a value that was parsed strictly as part of something larger. Throws `invalid-opened-event`. */
export function readOpenedEvent(json: JsonValue | undefined): OpenedEvent {
  if (isObject(json) && Object.hasOwn(json, 'contents_lost')) return readLostEvent(json);
  const { index, entry, card, fields, withheld, erased } = readMembers(
    json,
    ['index', 'entry', 'card', 'fields'],
    ['withheld', 'erased'],
  );
  if (!isObject(fields)) throw invalid('fields is not an object');
  return {
    index: readIndex(index),
    entry: readBase64(entry, 'entry'),
    card: readBase64(card, 'card'),
    fields: new Map(Object.entries(fields).map(([id, opening]) => [id, readOpening(id, opening)])),
    withheld: readIds(withheld, 'withheld'),
    erased: readIds(erased, 'erased'),
  };
}

function readLostEvent(json: JsonObject): OpenedEvent {
  const { index, entry, contents_lost: lost } = readMembers(json, ['index', 'entry', 'contents_lost']);
  if (lost !== true) throw invalid('contents_lost can only be true');
  return { index: readIndex(index), entry: readBase64(entry, 'entry'), ...NOTHING, contentsLost: true };
}

/** The text of an opened event, fields in the card's order with `log` at the end as given. */
export function formatOpenedEvent(opened: OpenedEvent): string {
  return canonicalJson(openedEventJson(opened));
}

/** The opened event as a JSON value; what `readOpenedEvent` reads back. */
export function openedEventJson(opened: OpenedEvent): JsonObject {
  if (opened.contentsLost) return { index: opened.index, entry: base64Encode(opened.entry), contents_lost: true };
  const fields = [...opened.fields].map(([id, { salt, value }]) => [id, { salt: base64Encode(salt), value }]);
  return {
    index: opened.index,
    entry: base64Encode(opened.entry),
    card: base64Encode(opened.card),
    fields: Object.fromEntries(fields),
    ...(opened.withheld.length > 0 && { withheld: opened.withheld }),
    ...(opened.erased.length > 0 && { erased: opened.erased }),
  };
}

/**
 * Recomputes every opened field's commitment, holds it against the card, the card against the entry and the field `log`
 * against the entry. Throws `commitment-mismatch` or `card-mismatch` with `details.field` and `details.index`,
 * `invalid-opened-event`, or what decoding the entry, the card or a value throws.
 */
export function checkOpenedEvent(opened: OpenedEvent, hasher: Hasher = nobleHasher): CheckedEvent {
  const { index } = opened;
  const entry = decodeEntry(opened.entry);
  if (opened.contentsLost) return { index, entry, leafHash: hasher.leaf(opened.entry), event: {}, ...LOST };
  const card = decodeCard(opened.card);
  if (!equalBytes(cardHash(opened.card, hasher), entry.cardHash)) {
    throw new ProofError('card-mismatch', 'the card is not the one that the entry commits to', { index });
  }
  const commitments = new Map(card).set(LOG_FIELD_ID, entry.logCommitment);
  const fields = new Map<string, JsonValue>();
  for (const [id, { salt, value }] of opened.fields) {
    const expected = commitments.get(id);
    if (expected === undefined) {
      throw new ProofError('card-mismatch', `the card has no field ${quote(id)}`, { index, field: id });
    }
    if (!equalBytes(commitField(salt, id, value, hasher), expected)) {
      const message = `the value or salt of field ${quote(id)} is not what was committed to`;
      throw new ProofError('commitment-mismatch', message, { index, field: id });
    }
    fields.set(id, readValue(id, value));
  }
  const { withheld, erased } = missingFields(opened, commitments);
  const event = joinFields([...fields].filter(([id]) => id !== LOG_FIELD_ID));
  return { index, entry, leafHash: hasher.leaf(opened.entry), card, fields, event, withheld, erased };
}

/** Sorts what is not opened into withheld and erased, and refuses lists that say something else than the card. */
function missingFields(
  { fields, withheld, erased }: OpenedEvent,
  commitments: ReadonlyMap<string, Hash>,
): { readonly withheld: readonly string[]; readonly erased: readonly string[] } {
  const named = new Set<string>();
  for (const id of [...withheld, ...erased]) {
    if (!commitments.has(id)) throw invalid(`the card has no field ${quote(id)}, which is said to be missing`, id);
    if (fields.has(id)) throw invalid(`field ${quote(id)} is opened and said to be missing`, id);
    if (named.has(id)) throw invalid(`field ${quote(id)} is said to be missing twice`, id);
    named.add(id);
  }
  const gone = new Set(erased);
  const missing = sortFieldIds([...commitments.keys()]).filter((id) => !fields.has(id));
  return { withheld: missing.filter((id) => !gone.has(id)), erased: missing.filter((id) => gone.has(id)) };
}

function readMembers(
  json: JsonValue | undefined,
  required: readonly string[],
  optional: readonly string[] = [],
  field?: string,
): { readonly [name: string]: JsonValue | undefined } {
  if (!isObject(json)) throw invalid('not an object', field);
  for (const name of required) if (!Object.hasOwn(json, name)) throw invalid(`${name} is missing`, field);
  for (const name of Object.keys(json)) {
    if (!required.includes(name) && !optional.includes(name)) throw invalid(`${quote(name)} is unknown`, field);
  }
  return json;
}

function readIndex(index: JsonValue | undefined): number {
  if (typeof index === 'number' && Number.isSafeInteger(index) && index >= 0) return index;
  throw invalid('index is not an index');
}

function readOpening(id: string, json: JsonValue): Opening {
  const { salt, value } = readMembers(json, ['salt', 'value'], [], id);
  if (typeof value !== 'string') throw invalid(`the value of field ${quote(id)} is not the text of a value`, id);
  const bytes = readBase64(salt, `the salt of field ${quote(id)}`, id);
  if (bytes.length !== SALT_BYTES) throw invalid(`the salt of field ${quote(id)} is not ${SALT_BYTES} bytes`, id);
  return { salt: bytes, value };
}

function readBase64(json: JsonValue | undefined, what: string, field?: string): Uint8Array {
  if (typeof json !== 'string') throw invalid(`${what} is not base64`, field);
  try {
    return base64Decode(json);
  } catch {
    throw invalid(`${what} is not base64`, field);
  }
}

function readIds(json: JsonValue | undefined, what: string): readonly string[] {
  if (json === undefined) return [];
  if (!Array.isArray(json)) throw invalid(`${what} is not a list of field ids`);
  return json.map((id: JsonValue): string => {
    if (typeof id !== 'string') throw invalid(`${what} is not a list of field ids`);
    return id;
  });
}

/** The committed text must be RFC 8785, so that every reader sees one value in it. */
function readValue(id: string, text: string): JsonValue {
  try {
    return parseCanonicalJson(text);
  } catch {
    throw new ProofError('invalid-field', `the value of field ${quote(id)} is not RFC 8785 text`, { field: id });
  }
}

function invalid(what: string, field?: string): ProofError {
  return new ProofError('invalid-opened-event', `opened event: ${what}`, field === undefined ? {} : { field });
}
