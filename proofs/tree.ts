/**
 * Geometry of an RFC 6962 Merkle tree: where its nodes are and how they combine. Everything that proves, checks,
 * stores or extends a tree speaks in these coordinates.
 *
 * A *stored node* is a perfect subtree: level 0 is a leaf hash, and node (level, index) is
 * MTH(D[index·2^level : (index+1)·2^level]). Its hash never changes once its last leaf is in the tree. Every other
 * hash (a root, a proof hash on the right edge) is folded from stored nodes when it is needed.
 *
 * Sizes reach 2^53−1, so there is no bitwise operator in these files: x / 2^k is exact in a double, `>>` is not.
 * Spec: RFC 6962 §2.1; RFC 9162 §2.1.1 (same tree).
 */
import { ProofError } from './errors.ts';
import { assertHash, EMPTY_ROOT, type Hash, type Hasher, nobleHasher } from './hash.ts';
import { assertSize } from './numbers.ts';

/** A stored node: the perfect subtree over leaves [index·2^level, (index+1)·2^level). */
export interface NodeCoordinates {
  readonly level: number;
  readonly index: number;
}

/** A half-open interval of leaf indices, [start, end). */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

/** The highest level at which a tree of at most 2^53−1 leaves has a stored node. */
export const MAX_LEVEL = 52;

/** How many bits the number has; 0 for 0. */
export function bitLength(value: number): number {
  const high = Math.floor(value / 2 ** 32);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(value);
}

/** The largest power of two smaller than the size: k < size ≤ 2k (RFC 6962 §2.1). The size is at least 2. */
export function largestPowerOfTwoBelow(size: number): number {
  if (size < 2) throw new ProofError('invalid-argument', 'only a tree of two or more leaves is split');
  return 2 ** (bitLength(size - 1) - 1);
}

/** The smallest power of two that is at least the size (BIT_CEIL); 1 for 0. */
export function smallestPowerOfTwoFrom(size: number): number {
  return size < 2 ? 1 : 2 ** bitLength(size - 1);
}

/** How many stored nodes a tree of this size has at its right edge: the ones in the size's binary form. */
export function peakCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/**
 * The fewest stored nodes that cover [start, end), left to right. For [0, size) these are the *peaks* of the tree,
 * largest first. For an interval that begins a right-hand subtree (or any valid subtree) they are the peaks of that
 * subtree, so `foldPeaks` of their hashes is MTH(D[start:end]).
 */
export function nodesCovering(start: number, end: number): NodeCoordinates[] {
  assertSize(start, 'start');
  assertSize(end, 'end');
  const nodes: NodeCoordinates[] = [];
  let next = start;
  while (next < end) {
    let level = bitLength(end - next) - 1;
    while (next % 2 ** level !== 0) level -= 1;
    nodes.push({ level, index: next / 2 ** level });
    next += 2 ** level;
  }
  return nodes;
}

/** The root over peaks, largest first: the smallest two are combined, then that with the next (RFC 6962 §2.1). */
export function foldPeaks(peaks: readonly Hash[], hasher: Hasher = nobleHasher): Hash {
  return peaks.length === 0 ? EMPTY_ROOT : peaks.reduceRight((right, left) => hasher.node(left, right));
}

/** MTH over leaf hashes; the empty root for none. */
export function rootOfHashes(leafHashes: readonly Hash[], hasher: Hasher = nobleHasher): Hash {
  let row = leafHashes.map((hash) => assertHash(hash, 'leaf hash'));
  while (row.length > 1) row = parentsOf(row, hasher);
  return row[0] ?? EMPTY_ROOT;
}

/** One level up. A last hash without a sibling rises unchanged, which is what the RFC's recursion does with it. */
function parentsOf(row: readonly Hash[], hasher: Hasher): Hash[] {
  const parents: Hash[] = [];
  let left: Hash | undefined;
  for (const hash of row) {
    if (left === undefined) {
      left = hash;
    } else {
      parents.push(hasher.node(left, hash));
      left = undefined;
    }
  }
  if (left !== undefined) parents.push(left);
  return parents;
}
