/**
 * Ed25519 by the platform, for whoever has many signatures to check. After the checks at parsing (proofs/ed25519.ts) it
 * accepts a subset of what proofs/ does, which a test over the edge cases holds: so a server may admit with it alone, and a
 * verifier may ask it first.
 */
import { createPublicKey, verify as platformVerify } from 'node:crypto';
import { ED25519_PUBLIC_KEY_BYTES, verify } from '../../proofs/ed25519.ts';

/** DER of an Ed25519 SubjectPublicKeyInfo before the 32 bytes of the key (RFC 8410 §4). */
const SPKI_PREFIX: Uint8Array = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

export function nativeVerify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (publicKey.length !== ED25519_PUBLIC_KEY_BYTES) return false;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  return platformVerify(null, message, key, signature);
}

/** The verdict of proofs/, and only its: what the platform does not accept is judged again. */
export function verifyFast(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  return nativeVerify(message, signature, publicKey) || verify(message, signature, publicKey);
}
