/**
 * Commit: an event's fields to the two digests that its entry holds, the hash of the card and the commitment of the
 * field `log`, and to the contents that open them (DESIGN.md, Formats). The last stage of the write side; what it returns
 * depends on nothing but its arguments.
 *
 *   c     = SHA-256(cbor(["countersign/field/v1", salt, field_id, value_text]))      proofs/commitment.ts
 *   card  = cbor(["countersign/card/v1", [[field_id, c], …]])                        proofs/card.ts
 *
 * Both are written here straight into space that is used again, because an event has some fifteen fields; a test
 * holds them against proofs/. How contents are laid out, and read back: src/log/disclosure.ts.
 */
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import { CARD_LABEL, compareFieldIds, LOG_FIELD_ID, MAX_CARD_FIELDS, MAX_FIELD_ID_BYTES } from '../../proofs/card.ts';
import { CborWriter } from '../../proofs/cbor-writer.ts';
import { FIELD_LABEL, SALT_BYTES } from '../../proofs/commitment.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Hash } from '../../proofs/hash.ts';
import { BytePool } from './byte-pool.ts';
import { DIGEST_BYTES, DigestInput, writeDigest } from './digest.ts';
import { KnownOrders, type NameOrder } from './known-orders.ts';
import type { FieldText } from './types.ts';

/** A field, and where the text of its value stands. */
export interface FieldPlace {
  readonly id: string;
  readonly start: number;
  readonly end: number;
}

export interface CommitInput {
  /** Holds the text of each value, UTF-8. */
  readonly texts: Buffer;
  /** The producer's fields, in any order. */
  readonly fields: readonly FieldPlace[];
  readonly log: FieldPlace;
  /** 16 bytes for each of the fields, in their order, and 16 for `log`. Random, and of this event alone. */
  readonly salts: Uint8Array;
}

export interface Committed {
  readonly cardHash: Hash;
  readonly logCommitment: Hash;
  /** What opens every commitment. */
  readonly contents: Uint8Array;
}

const UNSIGNED_32 = 26;
const BYTES = 0x40;
const TEXT = 0x60;
const ARRAY = 0x80;
const NULL = 0xf6;
const MAX_HEAD_BYTES = 5;
const INITIAL_BYTES = 16_384;
/** Up to so many bytes are copied faster here than by the platform: a salt has 16, the text of a field some 40. */
const SHORT_BYTES = 96;
const WORD_BYTES = 4;

/** How the two encodings begin: the array's head, and the label. */
const FIELD_HEAD: Uint8Array = new CborWriter().array(4).text(FIELD_LABEL).copy();
const CARD_HEAD: Uint8Array = new CborWriter().array(2).text(CARD_LABEL).copy();
/** In a field: behind the label and the salt. */
const ID_OFFSET = FIELD_HEAD.length + 1 + SALT_BYTES;

/** Space to work in: written before it is read, in every call. */
let field = new DigestInput(startingWith(FIELD_HEAD, INITIAL_BYTES));
let fieldWords = wordsOf(field.bytes);
/** By the very order: events of one kind have cards that differ in their commitments alone. */
const cards = new WeakMap<NameOrder, CardSpace>();
let contents = Buffer.alloc(INITIAL_BYTES);
let contentsWords = wordsOf(contents);
/** Of the memory that texts and salts stood in last, which they mostly stand in again. */
let textWords = contentsWords;
let saltWords = contentsWords;
const orders = new KnownOrders(compareFieldIds, encodeId);
const kept = new BytePool();
/** Stands in a card's space until a commitment does. */
const NO_DIGEST: Uint8Array = new Uint8Array(DIGEST_BYTES);
const LOG_ID: Uint8Array = new CborWriter().text(LOG_FIELD_ID).copy();

export function commit({ texts, fields, log, salts }: CommitInput): Committed {
  if (fields.length > MAX_CARD_FIELDS) throw new ProofError('invalid-card', `more than ${MAX_CARD_FIELDS} fields`);
  if (salts.length !== SALT_BYTES * (fields.length + 1)) throw new Error('there is not one salt for each field');
  const order = orders.orderOf(fields.map(({ id }) => id));
  const { encoded, positions } = order;
  reserve(textBytes(fields) + log.end - log.start, fields.length);
  const inContents = contents;
  if (textWords.buffer !== texts.buffer) textWords = new DataView(texts.buffer);
  if (saltWords.buffer !== salts.buffer) saltWords = new DataView(salts.buffer);
  const textsAt = texts.byteOffset;
  const saltsAt = salts.byteOffset;
  const card = cardOf(order);
  inContents[0] = ARRAY | 3;
  // Salts are stored one by one: there is no secret that all derive from.
  inContents[1] = NULL;
  let end = writeHead(inContents, 2, ARRAY, fields.length);
  for (let i = 0; i < fields.length; i++) {
    const position = positions[i] ?? 0;
    const place = fields[position] ?? log;
    const id = encoded[i] ?? LOG_ID;
    inContents[end++] = ARRAY | 3;
    const start = end;
    end = writeId(id, end);
    end = writeText(textsAt, place, end);
    const saltAt = saltsAt + position * SALT_BYTES;
    writeDigest(card.bytes, card.digestOffsets[i] ?? 0, commitment(start, end, saltAt));
    end = writeSalt(saltAt, end);
  }
  inContents[end++] = ARRAY | 2;
  // The id stands before the value only to be hashed; the contents name the log's own field by its place.
  const idStart = end;
  const textStart = writeId(LOG_ID, idStart);
  const textEnd = writeText(textsAt, log, textStart);
  const saltAt = saltsAt + fields.length * SALT_BYTES;
  const logDigest = commitment(idStart, textEnd, saltAt);
  inContents.copyWithin(idStart, textStart, textEnd);
  end = writeSalt(saltAt, textEnd - LOG_ID.length);
  return parts(hash('sha256', card.bytes, 'binary'), logDigest, end);
}

/** The same for texts that stand nowhere yet. */
export function commitTexts(fields: readonly FieldText[], logValueText: string, salts: Uint8Array): Committed {
  const texts = Buffer.from([...fields.map(([, text]) => text), logValueText].join(''), 'utf8');
  let at = 0;
  const placed = [...fields, [LOG_FIELD_ID, logValueText] as const].map(([id, text]): FieldPlace => {
    const start = at;
    at += Buffer.byteLength(text, 'utf8');
    return { id, start, end: at };
  });
  const log = placed.pop();
  if (log === undefined) throw new Error('the field of the log is missing');
  return commit({ texts, fields: placed, log, salts });
}

/** A card but for its commitments, each of which is written at its offset. */
interface CardSpace {
  readonly bytes: Buffer;
  readonly digestOffsets: readonly number[];
}

function cardOf(order: NameOrder): CardSpace {
  const known = cards.get(order);
  if (known !== undefined) return known;
  const writer = new CborWriter().encoded(CARD_HEAD).array(order.encoded.length);
  const digestOffsets = order.encoded.map((id) => {
    const end = writer.array(2).encoded(id).bytes(NO_DIGEST).view().length;
    return end - DIGEST_BYTES;
  });
  const card = { bytes: Buffer.from(writer.copy()), digestOffsets };
  cards.set(order, card);
  return card;
}

/** What the log itself says about an event, committed to beside the producer's card: the value of the field `log`. */
export type LogValue = {
  /** Version of the catalogue that the event was checked against. */
  readonly catalogue: string | null;
  /** The catalogue's class of the action, null if it has none. Entries from before it was kept lack the member. */
  readonly class: string | null;
  /** Measured offset of the log's clock. */
  readonly clock_offset_us: number | null;
  /** HMAC-SHA-256 of the bytes as they arrived, base64; the key stays with the log (REQUIREMENTS W4). */
  readonly raw: string;
  /** Version of the redaction rules that were applied. */
  readonly redaction: string | null;
};

/** The commitment to the field whose id and text stand encoded at these places of the contents, one character a byte. */
function commitment(start: number, end: number, saltAt: number): string {
  field.bytes[FIELD_HEAD.length] = BYTES | SALT_BYTES;
  copy(saltWords, saltAt, saltAt + SALT_BYTES, fieldWords, FIELD_HEAD.length + 1);
  return field.digest(copy(contentsWords, start, end, fieldWords, ID_OFFSET));
}

/** One piece of memory for all that is kept of an event. */
function parts(cardDigest: string, logDigest: string, contentsBytes: number): Committed {
  const bytes = kept.take(2 * DIGEST_BYTES + contentsBytes);
  writeDigest(bytes, 0, cardDigest);
  writeDigest(bytes, DIGEST_BYTES, logDigest);
  contents.copy(bytes, 2 * DIGEST_BYTES, 0, contentsBytes);
  return {
    cardHash: bytes.subarray(0, DIGEST_BYTES),
    logCommitment: bytes.subarray(DIGEST_BYTES, 2 * DIGEST_BYTES),
    contents: bytes.subarray(2 * DIGEST_BYTES),
  };
}

function writeId(id: Uint8Array, offset: number): number {
  for (let i = 0; i < id.length; i++) contents[offset + i] = id[i] ?? 0;
  return offset + id.length;
}

function writeText(textsAt: number, { start, end }: FieldPlace, offset: number): number {
  return copy(textWords, textsAt + start, textsAt + end, contentsWords, writeHead(contents, offset, TEXT, end - start));
}

function writeSalt(saltAt: number, offset: number): number {
  contents[offset] = BYTES | SALT_BYTES;
  return copy(saltWords, saltAt, saltAt + SALT_BYTES, contentsWords, offset + 1);
}

/** RFC 8949 §3: a head in its shortest form; returns where it ends. */
function writeHead(into: Buffer, offset: number, major: number, argument: number): number {
  if (argument < 24) {
    into[offset] = major | argument;
    return offset + 1;
  }
  if (argument < 0x100) {
    into[offset] = major | 24;
    into[offset + 1] = argument;
    return offset + 2;
  }
  if (argument < 0x10000) {
    into[offset] = major | 25;
    return into.writeUInt16BE(argument, offset + 1);
  }
  into[offset] = major | UNSIGNED_32;
  return into.writeUInt32BE(argument, offset + 1);
}

/** Four bytes at a time: one by one takes twice as long, and the platform's way more than that for so few. */
function copy(from: DataView, start: number, end: number, into: DataView, offset: number): number {
  const length = end - start;
  if (length > SHORT_BYTES) {
    bytesOf(into).set(bytesOf(from).subarray(start, end), offset);
    return offset + length;
  }
  let to = offset;
  let at = start;
  for (; at + WORD_BYTES <= end; at += WORD_BYTES, to += WORD_BYTES) into.setUint32(to, from.getUint32(at));
  for (; at < end; at++, to++) into.setUint8(to, from.getUint8(at));
  return to;
}

function bytesOf({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function wordsOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

function encodeId(id: string): Uint8Array {
  const encoded = new CborWriter().text(id).copy();
  if (id === '' || id === LOG_FIELD_ID || Buffer.byteLength(id) > MAX_FIELD_ID_BYTES) {
    throw new ProofError('invalid-card', 'a field id is empty, too long, or the name of the log’s own field');
  }
  return encoded;
}

/** Room for everything that these texts can become. */
function reserve(textBytesCount: number, fieldCount: number): void {
  const perField = MAX_FIELD_ID_BYTES + 3 * MAX_HEAD_BYTES + SALT_BYTES + DIGEST_BYTES;
  const needed = textBytesCount + (fieldCount + 2) * perField;
  if (needed <= contents.length) return;
  field = new DigestInput(startingWith(FIELD_HEAD, needed));
  fieldWords = wordsOf(field.bytes);
  contents = Buffer.alloc(needed);
  contentsWords = wordsOf(contents);
}

function textBytes(fields: readonly FieldPlace[]): number {
  let count = 0;
  for (const { start, end } of fields) count += end - start;
  return count;
}

function startingWith(head: Uint8Array, byteCount: number): Buffer {
  const bytes = Buffer.alloc(byteCount);
  bytes.set(head);
  return bytes;
}
