/**
 * The hashing of proofs/ on the platform's SHA-256, for whoever hashes whole logs: the mirror and the monitor. A test
 * holds that both give the same bytes.
 */
import { createHash, hash as oneShot } from 'node:crypto';
import { concatBytes } from '../proofs/bytes.ts';
import type { Hash, Hasher } from '../proofs/hash.ts';

/** Larger inputs are not copied together first. */
const MAX_ONE_SHOT_BYTES = 4_096;
const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

export const nativeHasher: Hasher = {
  sha256: (bytes) => digest(bytes),
  leaf: (entry) => {
    if (entry.length < MAX_ONE_SHOT_BYTES) return digest(concatBytes(LEAF_PREFIX, entry));
    return new Uint8Array(createHash('sha256').update(LEAF_PREFIX).update(entry).digest());
  },
  node: (left, right) => digest(concatBytes(NODE_PREFIX, left, right)),
};

function digest(bytes: Uint8Array): Hash {
  return new Uint8Array(oneShot('sha256', bytes, 'buffer'));
}
