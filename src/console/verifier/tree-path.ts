/**
 * The way from a leaf to the root, step by step, as it is drawn. Each step is one hash of the inclusion proof; where a
 * bundle proves a whole range at once, the proof of a single leaf is taken out of that. What comes out is checked again
 * with `checkInclusion`, so that no path is drawn to a root that it does not reach.
 */
import { equalBytes } from '../../../proofs/bytes.ts';
import { checkInclusion } from '../../../proofs/check.ts';
import type { Hash } from '../../../proofs/hash.ts';
import { leafHash, nodeHash } from '../../../proofs/hash.ts';
import type { Population } from '../../../proofs/population.ts';
import { planProof } from '../../../proofs/prove.ts';
import { foldPeaks, type Interval, type NodeCoordinates, nodesCovering } from '../../../proofs/tree.ts';

export interface TreePath {
  readonly index: number;
  readonly size: number;
  readonly root: Hash;
  /** From the leaf upwards; empty in a tree of one leaf. */
  readonly steps: readonly TreeStep[];
}

export interface TreeStep {
  readonly sibling: Hash;
  /** Leaves under the sibling. */
  readonly beside: Interval;
  /** The hash of both together, and the leaves under it. */
  readonly node: Hash;
  readonly covers: Interval;
}

interface Claim {
  readonly index: number;
  readonly size: number;
  readonly leaf: Hash;
  readonly proof: readonly Hash[];
  readonly root: Hash;
}

/** Undefined where the proof does not lead to the root. */
export function treePath({ index, size, leaf, proof, root }: Claim): TreePath | undefined {
  try {
    checkInclusion({ index, size, leafHash: leaf, proof, root });
  } catch {
    return undefined;
  }
  let node = leaf;
  let covers: Interval = { start: index, end: index + 1 };
  const steps = planProof(covers, { start: 0, end: size }).map((beside, i): TreeStep => {
    const sibling = proof[i] ?? leaf;
    const isLeft = beside.end <= covers.start;
    node = isLeft ? nodeHash(sibling, node) : nodeHash(node, sibling);
    covers = { start: Math.min(beside.start, covers.start), end: Math.max(beside.end, covers.end) };
    return { sibling, beside, node, covers };
  });
  return equalBytes(node, root) ? { index, size, root, steps } : undefined;
}

/** Gives the proof of any one leaf of a population. */
export function populationProver(population: Population, size: number): (index: number) => readonly Hash[] {
  const hashOf = storedNodes(population, size);
  return (index) =>
    planProof({ start: index, end: index + 1 }, { start: 0, end: size }).map(({ start, end }) =>
      foldPeaks(nodesCovering(start, end).map(hashOf)),
    );
}

/** Stored nodes out of the entries of the run and the proof beside them; each is hashed once. */
function storedNodes({ start, count, proof, entries }: Population, size: number): (node: NodeCoordinates) => Hash {
  const known = new Map<string, Hash>();
  const around = [...nodesCovering(0, start), ...nodesCovering(start + count, size)];
  for (const [i, node] of around.entries()) {
    const hash = proof[i];
    if (hash !== undefined) known.set(keyOf(node), hash);
  }
  let index = start;
  for (const entry of entries()) known.set(keyOf({ level: 0, index: index++ }), leafHash(entry));
  const hashOf = ({ level, index: at }: NodeCoordinates): Hash => {
    const key = keyOf({ level, index: at });
    const found = known.get(key);
    if (found !== undefined) return found;
    if (level === 0) throw new RangeError(`leaf ${at} is not in the population`);
    const hash = nodeHash(hashOf({ level: level - 1, index: 2 * at }), hashOf({ level: level - 1, index: 2 * at + 1 }));
    known.set(key, hash);
    return hash;
  };
  return hashOf;
}

function keyOf({ level, index }: NodeCoordinates): string {
  return `${level}/${index}`;
}
