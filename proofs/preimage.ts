/**
 * The CBOR that is hashed for every field of every event, written straight: a log computes some 25 of these encodings an
 * event, and this is several times as fast as the codec for them. Each function gives exactly the bytes of `encodeCbor`,
 * which tests hold, or undefined where a text is long or not ASCII: then the caller takes the codec.
 *
 *   84 label 50 salt… text text     ["label", salt (16 bytes), first, second]
 *   82 label 8n/98 n (82 text 58 20 commitment…)*     ["label", [[id, commitment (32 bytes)], …]]
 */
import { encodeCbor } from './cbor.ts';

/** Longest text whose length fits the two-byte head of a text string (RFC 8949 §3.1). */
const MAX_SHORT_TEXT = 255;
const MAX_SHORT_ARRAY = 255;
const SALT_BYTES = 16;
const COMMITMENT_BYTES = 32;
/** A pair's array head, and the two-byte head of its commitment. */
const PAIR_HEAD_BYTES = 3;

/** Head and label of `[label, salt, …]` with this many texts behind the salt, up to where the salt begins. */
export function saltedHead(label: string, textCount: number): Uint8Array {
  const texts = Array.from({ length: textCount }, () => '');
  return encodeCbor([label, new Uint8Array(SALT_BYTES), ...texts]).slice(0, -SALT_BYTES - textCount);
}

/** Head and label of `[label, […]]`, up to where the inner array begins. */
export function listHead(label: string): Uint8Array {
  return encodeCbor([label, []]).slice(0, -1);
}

export function saltedPreimage(
  head: Uint8Array,
  salt: Uint8Array,
  first: string,
  second?: string,
): Uint8Array | undefined {
  if (first.length > MAX_SHORT_TEXT || (second !== undefined && second.length > MAX_SHORT_TEXT)) return undefined;
  const length = head.length + SALT_BYTES + textBytes(first) + (second === undefined ? 0 : textBytes(second));
  const bytes = new Uint8Array(length);
  bytes.set(head);
  bytes.set(salt, head.length);
  let end = writeText(bytes, head.length + SALT_BYTES, first);
  if (second !== undefined && end !== NOT_ASCII) end = writeText(bytes, end, second);
  return end === NOT_ASCII ? undefined : bytes;
}

/** Pairs of an id and 32 bytes, in the order given. */
export function pairsPreimage(
  head: Uint8Array,
  pairs: readonly (readonly [id: string, commitment: Uint8Array])[],
): Uint8Array | undefined {
  if (pairs.length > MAX_SHORT_ARRAY) return undefined;
  let length = head.length + headBytes(pairs.length);
  for (const [id] of pairs) {
    if (id.length > MAX_SHORT_TEXT) return undefined;
    length += PAIR_HEAD_BYTES + textBytes(id) + COMMITMENT_BYTES;
  }
  const bytes = new Uint8Array(length);
  bytes.set(head);
  let end = writeHead(bytes, head.length, ARRAY, pairs.length);
  for (const [id, commitment] of pairs) {
    bytes[end++] = ARRAY | 2;
    end = writeText(bytes, end, id);
    if (end === NOT_ASCII) return undefined;
    bytes[end++] = BYTES | ONE_BYTE_LENGTH;
    bytes[end++] = COMMITMENT_BYTES;
    bytes.set(commitment, end);
    end += COMMITMENT_BYTES;
  }
  return bytes;
}

const BYTES = 0x40;
const TEXT = 0x60;
const ARRAY = 0x80;
const ONE_BYTE_LENGTH = 24;
const NOT_ASCII = -1;

function headBytes(length: number): number {
  return length < ONE_BYTE_LENGTH ? 1 : 2;
}

function textBytes(text: string): number {
  return headBytes(text.length) + text.length;
}

function writeHead(bytes: Uint8Array, offset: number, major: number, length: number): number {
  if (length < ONE_BYTE_LENGTH) {
    bytes[offset] = major | length;
    return offset + 1;
  }
  bytes[offset] = major | ONE_BYTE_LENGTH;
  bytes[offset + 1] = length;
  return offset + 2;
}

/** Writes a text string at `offset` and returns where it ends. */
function writeText(bytes: Uint8Array, offset: number, text: string): number {
  let at = writeHead(bytes, offset, TEXT, text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return NOT_ASCII;
    bytes[at++] = unit;
  }
  return at;
}
