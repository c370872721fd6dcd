/**
 * Drawing a sample that anyone can draw again (DESIGN.md, Sample): the seed from what both parties and the log fixed,
 * words from the seed, places from the words.
 *
 *   seed  SHA-256(cbor(["countersign/sample/v1", commit leaf hash, head root, auditor nonce, operator nonce]))
 *         with a drand round one element more, its randomness (drand.ts)
 *   word  the first 8 bytes, big-endian, of SHA-256(seed ‖ u64 counter); counter 0, 1, 2, …
 *
 * The i-th place of n is drawn from those that are left, m = n − i: a word at or above the largest multiple of m is thrown
 * away, otherwise word mod m says which. That is a Fisher–Yates shuffle of which only the moved places are remembered: no
 * place is likelier than another, none comes twice, and a longer sample begins with the shorter one.
 */
import { encodeCbor } from './cbor.ts';
import { ProofError } from './errors.ts';
import { HASH_BYTES, type Hash, type Hasher, nobleHasher } from './hash.ts';

export const NONCE_BYTES = 32;

export interface SeedParts {
  readonly commitLeaf: Hash;
  readonly headRoot: Hash;
  readonly auditorNonce: Uint8Array;
  readonly operatorNonce: Uint8Array;
  /** Randomness of the drand round that the commit named. */
  readonly beacon?: Uint8Array | undefined;
}

/** Throws `invalid-argument` for a part that does not have 32 bytes. */
export function sampleSeed(parts: SeedParts, hasher: Hasher = nobleHasher): Hash {
  const { commitLeaf, headRoot, auditorNonce, operatorNonce, beacon } = parts;
  const bytes = [commitLeaf, headRoot, auditorNonce, operatorNonce, ...(beacon === undefined ? [] : [beacon])];
  if (bytes.some((part) => part.length !== HASH_BYTES)) {
    throw new ProofError('invalid-argument', `every part of a seed has ${HASH_BYTES} bytes`);
  }
  return hasher.sha256(encodeCbor([SEED_LABEL, ...bytes]));
}

/** The seed of one stratum: each has words of its own, so that the size of one never moves the sample of another. */
export function stratumSeed(seed: Hash, stratum: string, hasher: Hasher = nobleHasher): Hash {
  return hasher.sha256(encodeCbor([STRATUM_LABEL, seed, stratum]));
}

/** What the auditor puts into the log first. */
export function nonceHash(nonce: Uint8Array, hasher: Hasher = nobleHasher): Hash {
  if (nonce.length !== NONCE_BYTES) throw new ProofError('invalid-argument', `a nonce has ${NONCE_BYTES} bytes`);
  return hasher.sha256(encodeCbor([NONCE_LABEL, nonce]));
}

/**
 * The first `count` of a random order of 0 … population − 1. Throws `invalid-argument` unless
 * 0 ≤ count ≤ population ≤ 2^53 − 1.
 */
export function drawPlaces(
  seed: Hash,
  population: number,
  count: number,
  hasher: Hasher = nobleHasher,
): readonly number[] {
  if (!Number.isSafeInteger(population) || !Number.isSafeInteger(count) || count < 0 || count > population) {
    throw new ProofError('invalid-argument', `${count} of ${population} cannot be drawn`);
  }
  const nextBelow = wordsOf(seed, hasher);
  /** The place that stands at a position, where it is not the position itself. */
  const moved = new Map<number, number>();
  return Array.from({ length: count }, (_, i) => {
    const at = i + nextBelow(population - i);
    const drawn = moved.get(at) ?? at;
    moved.set(at, moved.get(i) ?? i);
    moved.delete(i);
    return drawn;
  });
}

const SEED_LABEL = 'countersign/sample/v1';
const STRATUM_LABEL = 'countersign/sample-stratum/v1';
const NONCE_LABEL = 'countersign/sample-nonce/v1';
const WORD_BYTES = 8;
const WORDS = 1n << 64n;

/** Numbers below a bound, each of them equally likely. */
function wordsOf(seed: Hash, hasher: Hasher): (bound: number) => number {
  const input = new Uint8Array(HASH_BYTES + WORD_BYTES);
  input.set(seed);
  const counters = new DataView(input.buffer, HASH_BYTES);
  let counter = 0n;
  const next = (): bigint => {
    counters.setBigUint64(0, counter++);
    const digest = hasher.sha256(input);
    return new DataView(digest.buffer, digest.byteOffset).getBigUint64(0);
  };
  return (bound) => {
    const many = BigInt(bound);
    const limit = WORDS - (WORDS % many);
    for (;;) {
      const word = next();
      if (word < limit) return Number(word % many);
    }
  };
}
