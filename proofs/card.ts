/**
 * The card of an event: which fields it has and the commitment to each, opening none (DESIGN.md, Formats).
 *
 *   cbor(["countersign/card/v1", [[field_id, c], …]])     sorted by the UTF-8 bytes of field_id, ids unique
 *
 * The card is the producer's alone; what the log itself adds, the field `log`, is committed to beside it.
 */
import { compareBytes, utf8Encode } from './bytes.ts';
import { type CborValue, decodeCbor } from './cbor.ts';
import { CborWriter } from './cbor-writer.ts';
import { ProofError } from './errors.ts';
import { HASH_BYTES, type Hash, type Hasher, nobleHasher } from './hash.ts';

/** A field of the card and the commitment to it. */
export type CardField = readonly [fieldId: string, commitment: Hash];

export const CARD_LABEL = 'countersign/card/v1';
/** The id of the field that the log itself adds to an event; no card may name it. */
export const LOG_FIELD_ID = 'log';
/** Longest field id: a dotted path through a few members. */
export const MAX_FIELD_ID_BYTES = 512;
/** Most fields of one event: its top-level members and the paths taken out of them. */
export const MAX_CARD_FIELDS = 1024;

/** The bytes of the card; the fields may come in any order. Throws `invalid-card`. */
export function encodeCard(fields: readonly CardField[]): Uint8Array {
  if (fields.length > MAX_CARD_FIELDS) throw new ProofError('invalid-card', `more than ${MAX_CARD_FIELDS} fields`);
  for (const [id, commitment] of fields) assertField(id, commitment);
  const sorted = sortFields(fields);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i]?.[0] === sorted[i - 1]?.[0]) throw new ProofError('invalid-card', 'a field id occurs twice');
  }
  writer.restart().array(2).text(CARD_LABEL).array(sorted.length);
  for (const [id, commitment] of sorted) writer.array(2).text(id).bytes(commitment);
  return writer.copy();
}

/** The fields of a card, in its order. Throws `invalid-card`, or `invalid-cbor`. */
export function decodeCard(bytes: Uint8Array): readonly CardField[] {
  const card = decodeCbor(bytes);
  if (!isArray(card) || card.length !== 2 || card[0] !== CARD_LABEL || !isArray(card[1])) {
    throw new ProofError('invalid-card', `a card is ["${CARD_LABEL}", [[field_id, commitment], …]]`);
  }
  const pairs = card[1];
  if (pairs.length > MAX_CARD_FIELDS) throw new ProofError('invalid-card', `more than ${MAX_CARD_FIELDS} fields`);
  let previous: Uint8Array | undefined;
  return pairs.map((pair): CardField => {
    if (!isArray(pair) || pair.length !== 2) throw new ProofError('invalid-card', 'a field is [field_id, commitment]');
    const [id, commitment] = pair;
    if (typeof id !== 'string' || !(commitment instanceof Uint8Array)) {
      throw new ProofError('invalid-card', 'a field is [field_id, commitment]');
    }
    assertField(id, commitment);
    const idBytes = utf8Encode(id);
    if (previous !== undefined && compareBytes(previous, idBytes) >= 0) {
      throw new ProofError('invalid-card', 'field ids are not sorted, or occur twice', { field: id });
    }
    previous = idBytes;
    return [id, commitment];
  });
}

/** What an entry holds of its card. */
export function cardHash(card: Uint8Array, hasher: Hasher = nobleHasher): Hash {
  return hasher.sha256(card);
}

/** Field ids in the order of a card: by their UTF-8 bytes. */
export function sortFieldIds(ids: readonly string[]): string[] {
  return [...ids].sort(compareFieldIds);
}

/** Space to write in. */
const writer = new CborWriter();

function sortFields(fields: readonly CardField[]): readonly CardField[] {
  for (let i = 1; i < fields.length; i++) {
    if (compareFieldIds(fields[i - 1]?.[0] ?? '', fields[i]?.[0] ?? '') >= 0) {
      return [...fields].sort(([a], [b]) => compareFieldIds(a, b));
    }
  }
  return fields;
}

/** By UTF-8 bytes, which is by code points. In UTF-16 only the surrogates stand elsewhere, below U+E000 to U+FFFF. */
export function compareFieldIds(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function assertField(id: string, commitment: Uint8Array): void {
  if (id === '' || id === LOG_FIELD_ID || utf8Length(id) > MAX_FIELD_ID_BYTES) {
    throw new ProofError('invalid-card', 'a field id is empty, too long, or the name of the log’s own field');
  }
  if (commitment.length !== HASH_BYTES) {
    throw new ProofError('invalid-card', `a commitment is not ${HASH_BYTES} bytes`, { field: id });
  }
}

/** Three bytes a code unit at most; the exact length is only worked out near the bound. */
function utf8Length(text: string): number {
  return text.length * 3 <= MAX_FIELD_ID_BYTES ? text.length : utf8Encode(text).length;
}

// Array.isArray does not narrow a readonly array type.
function isArray(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value);
}
