/**
 * Making proofs. A proof is planned first, as the list of intervals whose hashes it carries, then every stored node
 * that those intervals need is read at once, then the intervals are folded. All I/O enters through `HashReader`.
 *
 * There is one plan for every kind of proof: that the leaves [start, end) are in the tree (SUBTREE_PROOF of
 * draft-ietf-plants-merkle-tree-certs-03 §4.4.1). For one leaf it is the inclusion proof PATH of RFC 9162 §2.1.3.1,
 * for [0, from) it is the consistency proof PROOF of RFC 9162 §2.1.4.1. check.ts verifies what this file makes.
 */
import { ProofError } from './errors.ts';
import { assertHash, type Hash, type Hasher, nobleHasher } from './hash.ts';
import { assertIndex, assertSize } from './numbers.ts';
import { foldPeaks, type Interval, largestPowerOfTwoBelow, type NodeCoordinates, nodesCovering } from './tree.ts';

/** Reads stored nodes: one hash per node asked for, in the same order; rejects when one cannot be had. */
export type HashReader = (nodes: readonly NodeCoordinates[]) => Promise<readonly Hash[]>;

/** That the leaf at `index` is in the tree of this size. At most 53 hashes, from the leaf's sibling upwards. */
export async function proveInclusion(
  index: number,
  size: number,
  read: HashReader,
  hasher: Hasher = nobleHasher,
): Promise<Hash[]> {
  assertIndex(index, size);
  return readIntervals(planProof({ start: index, end: index + 1 }, { start: 0, end: size }), read, hasher);
}

/** That the tree of size `to` extends the tree of size `from`. Empty when they are equal or `from` is 0. */
export async function proveConsistency(
  from: number,
  to: number,
  read: HashReader,
  hasher: Hasher = nobleHasher,
): Promise<Hash[]> {
  assertSize(from, 'from');
  assertSize(to, 'to');
  if (from > to) throw new ProofError('invalid-argument', `size ${from} is larger than size ${to}`);
  if (from === 0) return [];
  return readIntervals(planProof({ start: 0, end: from }, { start: 0, end: to }), read, hasher);
}

/**
 * The intervals whose hashes prove that the leaves of `part` are in `whole`, in the order of the proof. `part` is a
 * valid subtree inside `whole`, and `whole` is a tree [0, size) or itself a valid subtree.
 */
export function planProof(part: Interval, whole: Interval): Interval[] {
  const siblings: Interval[] = [];
  let { start } = part;
  let node = whole;
  while (start !== node.start || part.end !== node.end) {
    const split = node.start + largestPowerOfTwoBelow(node.end - node.start);
    const left: Interval = { start: node.start, end: split };
    const right: Interval = { start: split, end: node.end };
    if (part.end <= split) {
      siblings.push(right);
      node = left;
    } else {
      siblings.push(left);
      node = right;
      // A part that spans the split has the whole left side, which the verifier gets as a hash of its own.
      start = Math.max(start, split);
    }
  }
  // The verifier knows the part's hash. Where only the rest of the part was left at the bottom, it does not.
  if (start !== part.start) siblings.push(node);
  return siblings.reverse();
}

/** The hash of each interval. Each is a tree or a right-hand subtree, as `planProof` makes them. */
export async function readIntervals(
  intervals: readonly Interval[],
  read: HashReader,
  hasher: Hasher = nobleHasher,
): Promise<Hash[]> {
  const covers = intervals.map(({ start, end }) => nodesCovering(start, end));
  const hashes = await readNodes(covers.flat(), read);
  let next = 0;
  return covers.map((cover) => {
    const peaks = hashes.slice(next, next + cover.length);
    next += cover.length;
    return foldPeaks(peaks, hasher);
  });
}

/** Reads stored nodes and holds the reader to its contract: as many hashes as nodes, 32 bytes each. */
export async function readNodes(nodes: readonly NodeCoordinates[], read: HashReader): Promise<readonly Hash[]> {
  if (nodes.length === 0) return [];
  const hashes = await read(nodes);
  if (hashes.length !== nodes.length) {
    throw new ProofError('invalid-argument', `the hash reader gave ${hashes.length} hashes for ${nodes.length} nodes`);
  }
  for (const hash of hashes) assertHash(hash, 'hash read');
  return hashes;
}
