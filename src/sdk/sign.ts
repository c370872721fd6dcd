/**
 * Signing an event as its producer: splits it into fields, salts and commits each, and signs the card. The result is
 * what `POST events` takes as `application/vnd.countersign.signed+json`; the private key never leaves the producer.
 */
import { base64Encode } from '../../proofs/bytes.ts';
import { canonicalJson, type JsonObject } from '../../proofs/canonical-json.ts';
import { cardHash, encodeCard } from '../../proofs/card.ts';
import { commitField, SALT_BYTES } from '../../proofs/commitment.ts';
import { sign } from '../../proofs/ed25519.ts';
import { submissionMessage } from '../../proofs/entry.ts';
import { splitFields } from '../../proofs/fields.ts';

export interface SignOptions {
  /** Origin of the log that the event is meant for: the signature is good nowhere else. */
  readonly origin: string;
  /** The id under which the log registered the public key. */
  readonly keyId: string;
  /** 32 bytes, the Ed25519 private key of RFC 8032. */
  readonly seed: Uint8Array;
  /** Dotted paths that are fields of their own; at least those that the log keeps apart. */
  readonly separatePaths: readonly string[];
  /** Cryptographically random bytes. */
  readonly randomBytes: (byteCount: number) => Uint8Array;
}

export interface SignedSubmission {
  readonly key: string;
  readonly event: JsonObject;
  /** Per field 16 bytes, base64. */
  readonly salts: Readonly<Record<string, string>>;
  /** 64 bytes, base64. */
  readonly signature: string;
}

export function signEvent(event: JsonObject, options: SignOptions): SignedSubmission {
  const fields = splitFields(event, options.separatePaths).map(([id, value]) => {
    const salt = options.randomBytes(SALT_BYTES);
    return { id, salt, commitment: commitField(salt, id, canonicalJson(value)) };
  });
  const seq = event['producer_seq'];
  const hash = cardHash(encodeCard(fields.map(({ id, commitment }) => [id, commitment])));
  const message = submissionMessage(options.origin, options.keyId, typeof seq === 'number' ? seq : null, hash);
  return {
    key: options.keyId,
    event,
    salts: Object.fromEntries(fields.map(({ id, salt }) => [id, base64Encode(salt)])),
    signature: base64Encode(sign(message, options.seed)),
  };
}
