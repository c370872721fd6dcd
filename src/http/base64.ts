/** Base64 (RFC 4648 §4) of hashes, by the platform: an answer with a proof has some twenty-five of them. */
import { HASH_BYTES, type Hash } from '../../proofs/hash.ts';

/** Copied first: a small array has no memory of its own until somebody asks for it, and getting it takes longer. */
const scratch = Buffer.alloc(HASH_BYTES);

export function base64OfHash(hash: Hash): string {
  scratch.set(hash);
  return scratch.toString('base64');
}
