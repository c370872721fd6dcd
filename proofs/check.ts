/**
 * Checking proofs. Every input is untrusted; a function either returns or throws a ProofError, never a maybe.
 *
 * One climb serves all proofs: it recomputes, from a proof and the hash of the leaves [start, end), that same hash and
 * the tree's root. With one leaf it is RFC 9162 §2.1.3.2 (inclusion), with start 0 it is §2.1.4.2 (consistency), in
 * general it is draft-ietf-plants-merkle-tree-certs-03 §4.4.3. It shares nothing with prove.ts but the hashing.
 */
import { equalBytes } from './bytes.ts';
import { ProofError } from './errors.ts';
import { assertHash, EMPTY_ROOT, type Hash, type Hasher, nobleHasher } from './hash.ts';
import { assertSize } from './numbers.ts';

/** C2SP tlog-witness and tlog-mirror allow no more; a tree of 2^53−1 leaves never needs more than 54. */
export const MAX_PROOF_HASHES = 63;

export interface InclusionProof {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Hash;
  readonly proof: readonly Hash[];
}

export interface ConsistencyProof {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: Hash;
  readonly toRoot: Hash;
  readonly proof: readonly Hash[];
}

/** That the leaf is at this index under this root. Throws `bad-inclusion-proof`, or `invalid-hash` for a wrong length. */
export function checkInclusion(claim: InclusionProof & { readonly root: Hash }, hasher: Hasher = nobleHasher): void {
  assertHash(claim.root, 'root');
  if (!equalBytes(rootFromInclusion(claim, hasher), claim.root)) {
    throw inclusionError(claim, 'the inclusion proof leads to another root');
  }
}

/** The only root under which this proof holds. Throws `bad-inclusion-proof` when there is none. */
export function rootFromInclusion(claim: InclusionProof, hasher: Hasher = nobleHasher): Hash {
  const { index, size, leafHash, proof } = claim;
  assertSize(index, 'index');
  assertSize(size, 'size');
  assertHash(leafHash, 'leaf hash');
  if (index >= size) throw inclusionError(claim, 'the index is not below the tree size');
  if (proof.length > MAX_PROOF_HASHES) throw inclusionError(claim, 'the inclusion proof is too long');
  const climbed = climb({ start: index, end: index + 1, size, hash: leafHash, proof }, hasher);
  if (climbed === undefined) throw inclusionError(claim, 'the inclusion proof has the wrong length');
  return climbed.root;
}

/**
 * That the tree (to, toRoot) extends the tree (from, fromRoot). Throws `bad-consistency-proof`, or `invalid-hash` for
 * a wrong length. From size 0 the proof must be empty and proves nothing about `toRoot` (C2SP tlog-witness); the
 * root of a tree of size 0 must be the empty root.
 */
export function checkConsistency(claim: ConsistencyProof, hasher: Hasher = nobleHasher): void {
  const { from, to, fromRoot, toRoot, proof } = claim;
  assertSize(from, 'from');
  assertSize(to, 'to');
  assertHash(fromRoot, 'first root');
  assertHash(toRoot, 'second root');
  if (from > to) throw consistencyError(claim, 'the first tree is larger than the second');
  if (proof.length > MAX_PROOF_HASHES) throw consistencyError(claim, 'the consistency proof is too long');
  if (from === 0) {
    if (proof.length > 0) throw consistencyError(claim, 'a consistency proof from size 0 is empty');
    if (!equalBytes(fromRoot, EMPTY_ROOT)) throw consistencyError(claim, 'size 0 has another root');
    if (to === 0 && !equalBytes(toRoot, EMPTY_ROOT)) throw consistencyError(claim, 'size 0 has another root');
    return;
  }
  const climbed = climb({ start: 0, end: from, size: to, hash: fromRoot, proof }, hasher);
  if (climbed === undefined) throw consistencyError(claim, 'the consistency proof has the wrong length');
  if (!equalBytes(climbed.part, fromRoot)) throw consistencyError(claim, 'the proof leads to another first root');
  if (!equalBytes(climbed.root, toRoot)) throw consistencyError(claim, 'the proof leads to another second root');
}

/** What `climb` starts from: leaves [start, end) are a valid, non-empty subtree, end ≤ size. */
export interface Climb {
  readonly start: number;
  readonly end: number;
  readonly size: number;
  readonly hash: Hash;
  readonly proof: readonly Hash[];
}

/**
 * Recomputes from the proof the hash of the leaves [start, end) (`part`, which must equal the hash given) and the root
 * of the tree. Undefined when the proof is longer or shorter than it has to be. Steps as in
 * draft-ietf-plants-merkle-tree-certs-03 §4.4.3; `first`, `last` and `edge` are its fn, sn and tn.
 */
export function climb(claim: Climb, hasher: Hasher): { part: Hash; root: Hash } | undefined {
  for (const hash of claim.proof) assertHash(hash, 'proof hash');
  let first = claim.start;
  let last = claim.end - 1;
  let edge = claim.size - 1;
  const rise = (): void => {
    first = Math.floor(first / 2);
    last = Math.floor(last / 2);
    edge = Math.floor(edge / 2);
  };

  while (first !== last && (last === edge || last % 2 === 1)) rise();
  const [seed, ...siblings] = first === last ? [claim.hash, ...claim.proof] : claim.proof;
  if (seed === undefined) return undefined;
  let part = seed;
  let root = seed;
  for (const sibling of siblings) {
    if (edge === 0) return undefined;
    if (last % 2 === 1 || last === edge) {
      if (first < last) part = hasher.node(sibling, part);
      root = hasher.node(sibling, root);
      // Here last is odd, or equal to an edge that is not 0: a one-bit is found.
      while (last % 2 === 0) rise();
    } else {
      root = hasher.node(root, sibling);
    }
    rise();
  }
  return edge === 0 ? { part, root } : undefined;
}

function inclusionError({ index, size }: InclusionProof, message: string): ProofError {
  return new ProofError('bad-inclusion-proof', message, { index, size });
}

function consistencyError({ from, to }: ConsistencyProof, message: string): ProofError {
  return new ProofError('bad-consistency-proof', message, { from, to });
}
