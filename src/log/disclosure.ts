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
import { encodeCbor } from '../../proofs/cbor.ts';
import { commitEncodedField, commitField, deriveSalt } from '../../proofs/commitment.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { StoredCbor } from './stored-cbor.ts';
import { LogError, type StoredField } from './types.ts';

/** The id of the field that the log itself adds; it is committed to beside the card. */
export const LOG_FIELD = 'log';

/** In the place of contents that a restored log does not have. Not even the card is known, only its hash. */
export const LOST_DISCLOSURE: Uint8Array = encodeCbor(['lost']);

/**
 * The producer's fields in card order and then the field `log`, each with its commitment recomputed from the bytes that
 * are stored. Throws LogError `corrupt-data`.
 */
export function decodeDisclosure(bytes: Uint8Array, hasher: Hasher): readonly StoredField[] {
  const contents = new StoredCbor(bytes);
  if (contents.array() !== 3) throw malformed();
  const secret = contents.null() ? undefined : contents.bytes();
  const fields: StoredField[] = [];
  for (let left = contents.array(); left > 0; left--) {
    if (contents.array() !== 3) throw malformed();
    const start = contents.position;
    const id = contents.text();
    const isErased = contents.null();
    const value = isErased ? '' : contents.text();
    const idAndText = contents.since(start);
    const own = contents.null() ? undefined : contents.bytes();
    if (isErased) {
      if (own === undefined) throw malformed();
      fields.push({ id, commitment: own });
      continue;
    }
    const salt = own ?? derivedSalt(secret, id, hasher);
    fields.push({ id, commitment: commitEncodedField(salt, idAndText, hasher), opening: { salt, value } });
  }
  if (contents.array() !== 2) throw malformed();
  const value = contents.text();
  const salt = contents.null() ? derivedSalt(secret, LOG_FIELD, hasher) : contents.bytes();
  if (!contents.isAtEnd) throw malformed();
  return [
    ...fields,
    { id: LOG_FIELD, commitment: commitField(salt, LOG_FIELD, value, hasher), opening: { salt, value } },
  ];
}

function derivedSalt(secret: Uint8Array | undefined, id: string, hasher: Hasher): Uint8Array {
  if (secret === undefined) throw malformed();
  return deriveSalt(secret, id, hasher);
}

function malformed(): LogError {
  return new LogError('corrupt-data', 'the stored contents of an event are malformed');
}
