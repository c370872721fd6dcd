/**
 * RFC 6962 §2.1 hashing: SHA-256 with one byte in front that separates leaves (0x00) from nodes (0x01).
 * Verifiers use `nobleHasher`; the server passes a native one with the same interface.
 */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { ProofError } from './errors.ts';

/** A SHA-256 digest, 32 bytes. */
export type Hash = Uint8Array;

export const HASH_BYTES = 32;

export interface Hasher {
  /** SHA-256 of the bytes. */
  readonly sha256: (bytes: Uint8Array) => Hash;
  /** `SHA-256(0x00 ‖ entry)`, RFC 6962 §2.1. */
  readonly leaf: (entry: Uint8Array) => Hash;
  /** `SHA-256(0x01 ‖ left ‖ right)`, RFC 6962 §2.1. */
  readonly node: (left: Hash, right: Hash) => Hash;
}

const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

export function sha256(bytes: Uint8Array): Hash {
  return nobleSha256(bytes);
}

export function leafHash(entry: Uint8Array): Hash {
  return nobleSha256.create().update(LEAF_PREFIX).update(entry).digest();
}

export function nodeHash(left: Hash, right: Hash): Hash {
  return nobleSha256.create().update(NODE_PREFIX).update(left).update(right).digest();
}

export const nobleHasher: Hasher = { sha256, leaf: leafHash, node: nodeHash };

/** Root of the empty tree: the hash of the empty string (RFC 6962 §2.1). */
export const EMPTY_ROOT: Hash = sha256(new Uint8Array(0));

/** Refuses anything but 32 bytes with `invalid-hash`. */
export function assertHash(bytes: Uint8Array, what: string): Hash {
  if (bytes.length !== HASH_BYTES) throw new ProofError('invalid-hash', `${what} is not ${HASH_BYTES} bytes`);
  return bytes;
}
