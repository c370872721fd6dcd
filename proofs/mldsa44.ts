/**
 * ML-DSA-44 (FIPS 204), pure, with the empty context, as C2SP tlog-cosignature uses it. Signing is deterministic: the
 * same seed and message give the same bytes, so that a signature can be made again after a crash.
 */
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js';
import { ProofError } from './errors.ts';

export const MLDSA44_SEED_BYTES = 32;
export const MLDSA44_PUBLIC_KEY_BYTES = 1312;
export const MLDSA44_SIGNATURE_BYTES = 2420;

/**
 * The signature, 2420 bytes, of the message. Some milliseconds and at times many: servers call it in a worker.
 * The seed is 32 bytes, else `invalid-argument`.
 */
export function sign(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return signerOf(seed)(message);
}

/** The same for many messages: the key is derived from its seed once, which takes a quarter as long as a signature. */
export function signerOf(seed: Uint8Array): (message: Uint8Array) => Uint8Array {
  const { secretKey } = keysOf(seed);
  return (message) => ml_dsa44.sign(message, secretKey, { extraEntropy: false });
}

/** Whether the signature is good. A signature or a key of another shape is not; nothing is thrown. */
export function verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== MLDSA44_SIGNATURE_BYTES || publicKey.length !== MLDSA44_PUBLIC_KEY_BYTES) return false;
  try {
    return ml_dsa44.verify(signature, message, publicKey);
  } catch {
    return false;
  }
}

export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return keysOf(seed).publicKey;
}

function keysOf(seed: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array } {
  if (seed.length !== MLDSA44_SEED_BYTES) {
    throw new ProofError('invalid-argument', `an ML-DSA-44 seed has ${MLDSA44_SEED_BYTES} bytes`);
  }
  return ml_dsa44.keygen(seed);
}
