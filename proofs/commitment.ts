/**
 * Commitments to single fields, so that a field can be shown, withheld or erased alone (DESIGN.md, Formats):
 *
 *   c    = SHA-256(cbor(["countersign/field/v1", salt (16 bytes), field_id, value_text]))
 *   salt = 16 random bytes, or SHA-256(cbor(["countersign/salt/v1", secret (16 bytes), field_id])) cut to 16 bytes
 *
 * Without the salt a commitment discloses nothing, not even of a value with two possibilities; whoever holds the
 * secret of an event can open all of its fields, so the first erasure destroys it.
 */
import { encodeCbor } from './cbor.ts';
import { ProofError } from './errors.ts';
import { type Hash, type Hasher, nobleHasher } from './hash.ts';

export const SALT_BYTES = 16;
export const FIELD_LABEL = 'countersign/field/v1';
export const SALT_LABEL = 'countersign/salt/v1';

/** The commitment to a field; `valueText` is the RFC 8785 text of its value. Throws `invalid-field`. */
export function commitField(salt: Uint8Array, fieldId: string, valueText: string, hasher: Hasher = nobleHasher): Hash {
  assertSalt(salt, 'salt');
  return hasher.sha256(
    fastPreimage(FIELD_HEAD, salt, fieldId, valueText) ?? encodeCbor([FIELD_LABEL, salt, fieldId, valueText]),
  );
}

/** The salt of one field, 16 bytes, from the secret of its event, 16 bytes. Throws `invalid-field`. */
export function deriveSalt(secret: Uint8Array, fieldId: string, hasher: Hasher = nobleHasher): Uint8Array {
  assertSalt(secret, 'secret');
  const preimage = fastPreimage(SALT_HEAD, secret, fieldId) ?? encodeCbor([SALT_LABEL, secret, fieldId]);
  return hasher.sha256(preimage).slice(0, SALT_BYTES);
}

function assertSalt(bytes: Uint8Array, what: string): void {
  if (bytes.length !== SALT_BYTES) throw new ProofError('invalid-field', `a ${what} is not ${SALT_BYTES} bytes`);
}

// A log computes some 25 preimages an event, and nearly all of them hold short ASCII texts. Those are written straight,
// three times as fast as by the codec; a test holds that both give the same bytes.

/** The array's head, the label and the head of a 16-byte string: what precedes the salt. */
const FIELD_HEAD: Uint8Array = encodeCbor([FIELD_LABEL, new Uint8Array(SALT_BYTES), '', '']).slice(0, -SALT_BYTES - 2);
const SALT_HEAD: Uint8Array = encodeCbor([SALT_LABEL, new Uint8Array(SALT_BYTES), '']).slice(0, -SALT_BYTES - 1);

/** Longest text whose length fits the two-byte head of a text string (RFC 8949 §3.1). */
const MAX_FAST_TEXT = 255;

/** The deterministic CBOR of these parts, or undefined if a text is long or not ASCII. */
function fastPreimage(head: Uint8Array, salt: Uint8Array, first: string, second?: string): Uint8Array | undefined {
  if (first.length > MAX_FAST_TEXT || (second !== undefined && second.length > MAX_FAST_TEXT)) return undefined;
  const bytes = new Uint8Array(
    head.length + SALT_BYTES + textBytes(first) + (second === undefined ? 0 : textBytes(second)),
  );
  bytes.set(head);
  bytes.set(salt, head.length);
  let end = writeText(bytes, head.length + SALT_BYTES, first);
  if (second !== undefined && end !== NOT_ASCII) end = writeText(bytes, end, second);
  return end === NOT_ASCII ? undefined : bytes;
}

const NOT_ASCII = -1;

function textBytes(text: string): number {
  return text.length + (text.length < 24 ? 1 : 2);
}

/** Writes a text string (major type 3) at `offset` and returns where it ends. */
function writeText(bytes: Uint8Array, offset: number, text: string): number {
  let at = offset;
  if (text.length < 24) {
    bytes[at++] = 0x60 | text.length;
  } else {
    bytes[at++] = 0x78;
    bytes[at++] = text.length;
  }
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return NOT_ASCII;
    bytes[at++] = unit;
  }
  return at;
}
