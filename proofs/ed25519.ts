/**
 * Ed25519 (RFC 8032), the one verdict of every verifier here: `zip215: false`, after small-order and non-canonical
 * public keys were refused where the key was parsed. What node:crypto accepts after those checks is a subset of what
 * this accepts, so a server may admit with the native verifier and an auditor verifies with this one.
 */
import { getPublicKey, sign as nobleSign, verify as nobleVerify, Point, hashes as providers } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import { ProofError } from './errors.ts';

export const ED25519_SEED_BYTES = 32;
export const ED25519_PUBLIC_KEY_BYTES = 32;
export const ED25519_SIGNATURE_BYTES = 64;

// The library leaves the choice of SHA-512 open; binding a pure function is the only thing that happens on import.
providers.sha512 = sha512;

/** The signature, 64 bytes, of the message. Deterministic. The seed is 32 bytes, else `invalid-argument`. */
export function sign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return nobleSign(message, checkSeed(seed));
}

/** Whether the signature is good. A signature or a key of another shape is not; nothing is thrown. */
export function verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== ED25519_SIGNATURE_BYTES || publicKey.length !== ED25519_PUBLIC_KEY_BYTES) return false;
  try {
    return nobleVerify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return getPublicKey(checkSeed(seed));
}

/**
 * Returns a public key that has one encoding and can be nobody's by accident: canonical (RFC 8032 §5.1.3) and not of
 * small order. Anything else is refused with `bad-public-key`, as implementations disagree about such keys.
 */
export function checkPublicKey(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== ED25519_PUBLIC_KEY_BYTES) {
    throw new ProofError('bad-public-key', `an Ed25519 public key has ${ED25519_PUBLIC_KEY_BYTES} bytes`);
  }
  let point: Point;
  try {
    point = Point.fromBytes(publicKey, false);
  } catch {
    throw new ProofError('bad-public-key', 'the Ed25519 public key is not a canonical point of the curve');
  }
  if (point.isSmallOrder()) throw new ProofError('bad-public-key', 'the Ed25519 public key has small order');
  return publicKey;
}

function checkSeed(seed: Uint8Array): Uint8Array {
  if (seed.length !== ED25519_SEED_BYTES) {
    throw new ProofError('invalid-argument', `an Ed25519 seed has ${ED25519_SEED_BYTES} bytes`);
  }
  return seed;
}
