/**
 * Events that their producer signed (W9), so that even the operator cannot forge one. The producer commits to each
 * field with a salt of its own, signs the card, and sends everything that opens it:
 *
 *   { "key": "key_5f0c…", "event": { … }, "salts": { "action": "16 bytes, base64", "actor": … }, "signature": "64 bytes" }
 *
 * The names in `salts` are the fields: `actor.session` there means that it was taken out of `actor`. The signature is
 * Ed25519 over `cbor(["countersign/submission/v1", origin, key, producer_seq or null, SHA-256(card)])` (DESIGN.md).
 * Nothing in it can be changed without breaking the signature, so what would have to be redacted is refused.
 */
import { base64Decode } from '../../proofs/bytes.ts';
import { SALT_BYTES } from '../../proofs/commitment.ts';
import { PRODUCER_SIGNATURE_BYTES, submissionMessage } from '../../proofs/entry.ts';
import { ProofError } from '../../proofs/errors.ts';
import { isObject } from '../../proofs/fields.ts';
import { nativeVerify } from './native-ed25519.ts';
import { prepareValue } from './prepare.ts';
import type { SignedParts } from './signed-parts.ts';
import { parseEventJson } from './strict-json.ts';
import { EventProblem, type PrepareContext, type Prepared } from './types.ts';

export const SIGNED_MEDIA_TYPE = 'application/vnd.countersign.signed+json';

export interface SignedContext {
  readonly origin: string;
  /** The raw Ed25519 public key that is registered and not revoked under this id. */
  readonly findKey: (keyId: string) => Uint8Array | undefined;
  /** What `prepare` needs for this producer: its key's id is the producer's id in the entry. */
  readonly prepareContext: (producerId: string) => PrepareContext;
}

const MEMBERS: ReadonlySet<string> = new Set(['key', 'event', 'salts', 'signature']);

/** One signed submission. Throws EventProblem; nothing was stored then. */
export function prepareSigned(bytes: Uint8Array, context: SignedContext): Prepared {
  const value = parseEventJson(bytes);
  if (!isObject(value)) throw fault('invalid-submission', '', 'a signed submission is a JSON object');
  const strange = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (strange !== undefined) throw fault('invalid-submission', `/${strange}`, 'is not a member of a signed submission');
  const { key, event, salts, signature } = value;
  if (typeof key !== 'string') throw fault('invalid-submission', '/key', 'must be the id of a registered producer key');
  if (event === undefined) throw fault('invalid-submission', '/event', 'is missing');
  const publicKey = context.findKey(key);
  if (publicKey === undefined) {
    throw fault('unknown-producer-key', '/key', 'no key of this id is registered, or it was revoked');
  }
  const signatureBytes = bytesAt(signature, '/signature', PRODUCER_SIGNATURE_BYTES);
  const parts: SignedParts = {
    salts: readSalts(salts),
    signature: signatureBytes,
    verify: (producerSeq, cardHash) => {
      const message = submissionMessage(context.origin, key, producerSeq, cardHash);
      // The key was checked when it was registered.
      if (nativeVerify(message, signatureBytes, publicKey)) return;
      throw fault('bad-producer-signature', '/signature', 'does not verify under the registered key for this event');
    },
  };
  try {
    return prepareValue(event, bytes, context.prepareContext(key), { signed: parts });
  } catch (error) {
    if (!(error instanceof EventProblem) || !isFaultOfTheEvent(error)) throw error;
    throw error.within('/event');
  }
}

function readSalts(value: unknown): ReadonlyMap<string, Uint8Array> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fault('invalid-submission', '/salts', 'must be an object with one salt for each field');
  }
  return new Map(Object.entries(value).map(([id, salt]) => [id, bytesAt(salt, `/salts/${id}`, SALT_BYTES)] as const));
}

function bytesAt(value: unknown, pointer: string, length: number): Uint8Array {
  const detail = `must be ${length} bytes in base64`;
  if (typeof value !== 'string') throw fault('invalid-submission', pointer, detail);
  try {
    const bytes = base64Decode(value);
    if (bytes.length === length) return bytes;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
  }
  throw fault('invalid-submission', pointer, detail);
}

/** Faults inside the event; the others point into the submission already. */
function isFaultOfTheEvent({ code }: EventProblem): boolean {
  return code !== 'salts-mismatch' && code !== 'bad-producer-signature';
}

function fault(code: EventProblem['code'], pointer: string, detail: string): EventProblem {
  return new EventProblem({ code, pointer, detail });
}
