/**
 * Subtrees: intervals [start, end) of the leaves whose own Merkle tree can be proven consistent with the whole one.
 * Witnesses sign them (C2SP tlog-witness `sign-subtree`), mirrors check uploads by them (C2SP tlog-mirror).
 * Spec: draft-ietf-plants-merkle-tree-certs-03 §4, the version that C2SP refers to.
 */
import { equalBytes } from './bytes.ts';
import { climb, MAX_PROOF_HASHES, rootFromInclusion } from './check.ts';
import { ProofError } from './errors.ts';
import { assertHash, type Hash, type Hasher, nobleHasher } from './hash.ts';
import { assertIndex, assertSize } from './numbers.ts';
import { type HashReader, planProof, readIntervals } from './prove.ts';
import { bitLength, type Interval, smallestPowerOfTwoFrom } from './tree.ts';

/** §4.1: not empty, and start is a multiple of the smallest power of two that is at least the interval's length. */
export function isValidSubtree(start: number, end: number): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return false;
  return 0 <= start && start < end && start % smallestPowerOfTwoFrom(end - start) === 0;
}

/** Refuses with `bad-subtree` what is not a valid subtree. */
export function assertSubtree(start: number, end: number): Interval {
  if (!isValidSubtree(start, end)) throw new ProofError('bad-subtree', 'not a valid subtree', { start, end });
  return { start, end };
}

/** MTH(D[start:end]) of a valid subtree, from stored nodes. (`rootOfHashes` computes it from leaf hashes.) */
export async function subtreeHash(
  start: number,
  end: number,
  read: HashReader,
  hasher: Hasher = nobleHasher,
): Promise<Hash> {
  const [hash] = await readIntervals([assertSubtree(start, end)], read, hasher);
  return assertHash(hash ?? new Uint8Array(0), 'subtree hash');
}

/** §4.3: that the leaf at `index` of the log is in the subtree. `index` counts from the start of the log. */
export async function proveSubtreeInclusion(
  index: number,
  start: number,
  end: number,
  read: HashReader,
  hasher: Hasher = nobleHasher,
): Promise<Hash[]> {
  const whole = assertSubtree(start, end);
  assertIndex(index, end);
  if (index < start) throw new ProofError('invalid-argument', `index ${index} is not in [${start}, ${end})`);
  return readIntervals(planProof({ start: index, end: index + 1 }, whole), read, hasher);
}

/** §4.4.1: that the subtree is part of the tree of this size. */
export async function proveSubtreeConsistency(
  start: number,
  end: number,
  size: number,
  read: HashReader,
  hasher: Hasher = nobleHasher,
): Promise<Hash[]> {
  const part = assertSubtree(start, end);
  assertSize(size, 'size');
  if (end > size) throw new ProofError('invalid-argument', `[${start}, ${end}) is not in a tree of size ${size}`);
  return readIntervals(planProof(part, { start: 0, end: size }), read, hasher);
}

export interface SubtreeInclusionProof {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly leafHash: Hash;
  readonly subtreeHash: Hash;
  readonly proof: readonly Hash[];
}

/** §4.3.3. Throws `bad-subtree`, `bad-subtree-proof`, or `invalid-hash` for a wrong length. */
export function checkSubtreeInclusion(claim: SubtreeInclusionProof, hasher: Hasher = nobleHasher): void {
  const { index, start, end, leafHash, proof } = claim;
  assertSubtree(start, end);
  assertSize(index, 'index');
  assertHash(claim.subtreeHash, 'subtree hash');
  const details = { index, start, end };
  if (index < start || index >= end) throw new ProofError('bad-subtree-proof', 'the index is outside', details);
  let root: Hash;
  try {
    root = rootFromInclusion({ index: index - start, size: end - start, leafHash, proof }, hasher);
  } catch (error) {
    if (!(error instanceof ProofError) || error.code !== 'bad-inclusion-proof') throw error;
    throw new ProofError('bad-subtree-proof', error.message, details);
  }
  if (!equalBytes(root, claim.subtreeHash)) {
    throw new ProofError('bad-subtree-proof', 'the proof leads to another subtree hash', details);
  }
}

export interface SubtreeConsistencyProof {
  readonly start: number;
  readonly end: number;
  readonly size: number;
  readonly subtreeHash: Hash;
  readonly root: Hash;
  readonly proof: readonly Hash[];
}

/**
 * §4.4.3. Throws `bad-subtree` when [start, end) is not a valid subtree of a tree of this size (a malformed request),
 * `bad-subtree-proof` when the proof does not hold, or `invalid-hash` for a wrong length.
 */
export function checkSubtreeConsistency(claim: SubtreeConsistencyProof, hasher: Hasher = nobleHasher): void {
  const { start, end, size, root, proof } = claim;
  const details = { start, end, size };
  assertSubtree(start, end);
  assertSize(size, 'size');
  assertHash(claim.subtreeHash, 'subtree hash');
  assertHash(root, 'root');
  if (end > size) throw new ProofError('bad-subtree', 'the subtree reaches beyond the tree', details);
  if (proof.length > MAX_PROOF_HASHES) throw new ProofError('bad-subtree-proof', 'the proof is too long', details);
  const climbed = climb({ start, end, size, hash: claim.subtreeHash, proof }, hasher);
  if (climbed === undefined) {
    throw new ProofError('bad-subtree-proof', 'the subtree proof has the wrong length', details);
  }
  if (!equalBytes(climbed.part, claim.subtreeHash)) {
    throw new ProofError('bad-subtree-proof', 'the proof leads to another subtree hash', details);
  }
  if (!equalBytes(climbed.root, root)) {
    throw new ProofError('bad-subtree-proof', 'the proof leads to another root', details);
  }
}

/**
 * §4.5: two adjacent subtrees that together hold [start, end) and, before it, fewer extra leaves than half of the
 * first. An interval of one leaf or none is returned as it is, with the empty [end, end) beside it.
 */
export function coverInterval(start: number, end: number): readonly [left: Interval, right: Interval] {
  assertSize(start, 'start');
  assertSize(end, 'end');
  if (start > end) throw new ProofError('invalid-argument', `[${start}, ${end}) is not an interval`);
  if (end - start <= 1) {
    return [
      { start, end },
      { start: end, end },
    ];
  }
  const last = end - 1;
  // The paths of the first and the last leaf part below the level where both are in the same stored node.
  let split = 0;
  while (clearLow(start, split + 1) !== clearLow(last, split + 1)) split += 1;
  const middle = clearLow(last, split);
  // From start to middle: rise as long as the path still has a left turn to take back.
  const leftSplit = bitLength(2 ** split - 1 - (start % 2 ** split));
  return [
    { start: clearLow(start, leftSplit), end: middle },
    { start: middle, end },
  ];
}

/** The number with its lowest bits set to zero. */
function clearLow(value: number, bits: number): number {
  return value - (value % 2 ** bits);
}
