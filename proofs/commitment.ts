/**
 * Commitments to single fields, so that a field can be shown, withheld or erased alone (DESIGN.md, Formats):
 *
 *   c    = SHA-256(cbor(["countersign/field/v1", salt (16 bytes), field_id, value_text]))
 *   salt = 16 random bytes, or SHA-256(cbor(["countersign/salt/v1", secret (16 bytes), field_id])) cut to 16 bytes
 *
 * Without the salt a commitment discloses nothing, not even of a value with two possibilities; whoever holds the
 * secret of an event can open all of its fields, so the first erasure destroys it.
 */
import { CborWriter } from './cbor-writer.ts';
import { ProofError } from './errors.ts';
import { type Hash, type Hasher, nobleHasher } from './hash.ts';

export const SALT_BYTES = 16;
export const FIELD_LABEL = 'countersign/field/v1';
export const SALT_LABEL = 'countersign/salt/v1';

/** The commitment to a field; `valueText` is the RFC 8785 text of its value. Throws `invalid-field`. */
export function commitField(salt: Uint8Array, fieldId: string, valueText: string, hasher: Hasher = nobleHasher): Hash {
  assertSalt(salt, 'salt');
  return hasher.sha256(writer.restart().encoded(FIELD_HEAD).bytes(salt).text(fieldId).text(valueText).view());
}

/** The same for a field id and a text that stand encoded one behind the other, as CBOR text strings. */
export function commitEncodedField(salt: Uint8Array, idAndText: Uint8Array, hasher: Hasher = nobleHasher): Hash {
  assertSalt(salt, 'salt');
  return hasher.sha256(writer.restart().encoded(FIELD_HEAD).bytes(salt).encoded(idAndText).view());
}

/** The salt of one field, 16 bytes, from the secret of its event, 16 bytes. Throws `invalid-field`. */
export function deriveSalt(secret: Uint8Array, fieldId: string, hasher: Hasher = nobleHasher): Uint8Array {
  assertSalt(secret, 'secret');
  return hasher.sha256(writer.restart().encoded(SALT_HEAD).bytes(secret).text(fieldId).view()).slice(0, SALT_BYTES);
}

/** Space to write in: a log hashes some 30 of these an event. */
const writer = new CborWriter();
const FIELD_HEAD: Uint8Array = headOf(FIELD_LABEL, 4);
const SALT_HEAD: Uint8Array = headOf(SALT_LABEL, 3);

/** How an array of so many items begins whose first is the label. */
function headOf(label: string, itemCount: number): Uint8Array {
  return new CborWriter().array(itemCount).text(label).copy();
}

function assertSalt(bytes: Uint8Array, what: string): void {
  if (bytes.length !== SALT_BYTES) throw new ProofError('invalid-field', `a ${what} is not ${SALT_BYTES} bytes`);
}
