/**
 * The contents of one event as the log keeps them beside the tree: what opens each commitment. Erasing a field
 * removes its salt and value and keeps its commitment, so that the card can still be recomputed.
 *
 *   cbor([secret or null, [[field_id, value or null, salt or commitment or null], …], [log_value, log_salt or null]])
 *
 * Each field has a salt of its own and there is no secret; src/events/commit.ts writes it so. Logs of earlier versions
 * also have rows with a secret: there a field without a salt has the derived one, and the first erasure destroys the
 * secret and stores the remaining salts as such (DESIGN.md, Commitment).
 *
 * Where a log was restored from a mirror, which has no contents, there is `cbor(["lost"])` in their place.
 */
import { type CborValue, decodeCbor, encodeCbor } from '../../proofs/cbor.ts';
import { commitField, deriveSalt } from '../../proofs/commitment.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { LogError, type StoredField } from './types.ts';

/** The id of the field that the log itself adds; it is committed to beside the card. */
export const LOG_FIELD = 'log';

/** In the place of contents that a restored log does not have. Not even the card is known, only its hash. */
export const LOST_DISCLOSURE: Uint8Array = encodeCbor(['lost']);

/** The producer's fields in card order and then the field `log`, each with its commitment recomputed. */
export function decodeDisclosure(bytes: Uint8Array, hasher: Hasher): readonly StoredField[] {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 3) throw malformed();
  const [secret, fields, log] = value as readonly CborValue[];
  if (!(secret === null || secret instanceof Uint8Array) || !Array.isArray(fields) || !Array.isArray(log)) {
    throw malformed();
  }
  const open = (id: CborValue | undefined, text: CborValue | undefined, own: CborValue | undefined): StoredField => {
    if (typeof id !== 'string' || !(own === null || own instanceof Uint8Array)) throw malformed();
    if (text === null) {
      if (own === null) throw malformed();
      return { id, commitment: own };
    }
    const salt = own ?? (secret === null ? null : deriveSalt(secret, id, hasher));
    if (typeof text !== 'string' || salt === null) throw malformed();
    return { id, commitment: commitField(salt, id, text, hasher), opening: { salt, value: text } };
  };
  const opened = (fields as readonly CborValue[]).map((field) => {
    if (!Array.isArray(field) || field.length !== 3) throw malformed();
    return open(field[0], field[1], field[2]);
  });
  return [...opened, open(LOG_FIELD, log[0], log[1])];
}

function malformed(): LogError {
  return new LogError('corrupt-data', 'the stored contents of an event are malformed');
}
