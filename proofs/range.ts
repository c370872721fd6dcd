/**
 * The compact range: the tree's size and the hashes of its peaks, all that is needed to append to a tree and to know
 * its root. A log keeps one as its state; a verifier builds one while reading entries. Values are never changed.
 *
 * Also range proofs: that a run of consecutive leaves is, whole and in order, in the tree. The proof is the compact
 * range before the run and the stored nodes after it.
 */
import { equalBytes } from './bytes.ts';
import { ProofError } from './errors.ts';
import { assertHash, type Hash, type Hasher, nobleHasher } from './hash.ts';
import { assertSize } from './numbers.ts';
import { type HashReader, readNodes } from './prove.ts';
import { foldPeaks, MAX_LEVEL, nodesCovering, peakCount } from './tree.ts';

export interface CompactRange {
  readonly size: number;
  /** The peaks, largest first: one for each one-bit of the size. */
  readonly hashes: readonly Hash[];
}

export const EMPTY_RANGE: CompactRange = { size: 0, hashes: [] };

/** Told of each stored node that an append completes, children before parents, level 0 (the leaves) included. */
export type NodeListener = (level: number, index: number, hash: Hash) => void;

/** Refuses with `invalid-range` what is not a compact range: a stored state is checked before it is extended. */
export function assertRange(range: CompactRange): CompactRange {
  assertSize(range.size, 'range size');
  if (range.hashes.length !== peakCount(range.size)) {
    throw new ProofError('invalid-range', `a range of size ${range.size} has ${peakCount(range.size)} hashes`);
  }
  for (const hash of range.hashes) assertHash(hash, 'range hash');
  return range;
}

export function appendLeaf(range: CompactRange, leafHash: Hash, hasher: Hasher = nobleHasher): CompactRange {
  return appendLeaves(range, [leafHash], hasher);
}

/** The range after these leaves. Throws `size-too-large` rather than pass 2^53−1. */
export function appendLeaves(
  range: CompactRange,
  leafHashes: readonly Hash[],
  hasher: Hasher = nobleHasher,
  onNode?: NodeListener,
): CompactRange {
  assertRange(range);
  const peaks = [...range.hashes];
  let { size } = range;
  for (const hash of leafHashes) size = push(peaks, size, 0, hash, hasher, onNode);
  return { size, hashes: peaks };
}

/** The range after a whole stored node of that level, which the size must be aligned to (`invalid-argument`). */
export function appendNode(
  range: CompactRange,
  level: number,
  hash: Hash,
  hasher: Hasher = nobleHasher,
  onNode?: NodeListener,
): CompactRange {
  assertRange(range);
  const peaks = [...range.hashes];
  return { size: push(peaks, range.size, level, hash, hasher, onNode), hashes: peaks };
}

/** The root of the tree; the empty root for size 0. */
export function rangeRoot(range: CompactRange, hasher: Hasher = nobleHasher): Hash {
  return foldPeaks(assertRange(range).hashes, hasher);
}

/** The compact range of the first `size` leaves, from stored nodes. */
export async function rangeAt(size: number, read: HashReader): Promise<CompactRange> {
  return { size, hashes: await readNodes(nodesCovering(0, size), read) };
}

/**
 * The hashes that prove the leaves [start, end) to be a run of the tree of this size: the peaks before the run, then
 * the stored nodes after it, left to right. At most 53 of each. The run may be empty.
 */
export async function proveRange(start: number, end: number, size: number, read: HashReader): Promise<Hash[]> {
  assertSize(size, 'size');
  if (start > end || end > size) throw new ProofError('invalid-argument', `[${start}, ${end}) is not in [0, ${size})`);
  return [...(await readNodes([...nodesCovering(0, start), ...nodesCovering(end, size)], read))];
}

/**
 * That these leaf hashes are exactly the leaves [start, start + leafHashes.length) of the tree. Throws
 * `bad-range-proof`, or `invalid-hash` for a wrong length.
 */
export function checkRange(
  claim: {
    readonly start: number;
    readonly size: number;
    readonly leafHashes: readonly Hash[];
    readonly proof: readonly Hash[];
    readonly root: Hash;
  },
  hasher: Hasher = nobleHasher,
): void {
  const { start, size, leafHashes, proof, root } = claim;
  assertSize(start, 'start');
  assertSize(size, 'size');
  assertHash(root, 'root');
  const end = start + leafHashes.length;
  const fail = (message: string): ProofError => new ProofError('bad-range-proof', message, { start, end, size });
  if (end > size) throw fail('the run reaches beyond the tree');
  const after = nodesCovering(end, size);
  const before = peakCount(start);
  if (proof.length !== before + after.length) throw fail('the range proof has the wrong length');
  let range = appendLeaves({ size: start, hashes: proof.slice(0, before) }, leafHashes, hasher);
  for (const [i, hash] of proof.slice(before).entries()) range = appendNode(range, after[i]?.level ?? 0, hash, hasher);
  if (!equalBytes(rangeRoot(range, hasher), root)) throw fail('the range proof leads to another root');
}

/** Adds one perfect subtree to the peaks, in place, and returns the new size. Only on arrays made in this file. */
function push(
  peaks: Hash[],
  size: number,
  level: number,
  added: Hash,
  hasher: Hasher,
  onNode: NodeListener | undefined,
): number {
  assertHash(added, 'hash to append');
  if (!Number.isInteger(level) || level < 0 || level > MAX_LEVEL || size % 2 ** level !== 0) {
    throw new ProofError('invalid-argument', `a node of level ${level} does not fit at index ${size}`);
  }
  const grown = size + 2 ** level;
  if (!Number.isSafeInteger(grown)) throw new ProofError('size-too-large', 'the tree would pass 2^53-1 leaves');
  let hash = added;
  let height = level;
  let index = size / 2 ** level;
  onNode?.(height, index, hash);
  // Every peak of the same height as the node is its left sibling, as a carry is in addition.
  while (index % 2 === 1) {
    const left = peaks.pop();
    if (left === undefined) throw new ProofError('invalid-range', 'the range has too few hashes');
    hash = hasher.node(left, hash);
    height += 1;
    index = (index - 1) / 2;
    onNode?.(height, index, hash);
  }
  peaks.push(hash);
  return grown;
}
