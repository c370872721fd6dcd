/**
 * The second opinion on proofs/: RFC 6962's recursion written down as it stands in the text, slow and obvious, and
 * what the tree tests share around it.
 */
import { hash as digestOf } from 'node:crypto';
import { concatBytes, hexEncode } from '../../proofs/bytes.ts';
import { ProofError, type ProofErrorCode } from '../../proofs/errors.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import type { HashReader } from '../../proofs/prove.ts';

/** SHA-256 of the platform: independent of @noble/hashes, and faster. */
export const platformHasher: Hasher = {
  sha256: (bytes) => digest(bytes),
  leaf: (entry) => digest(Uint8Array.of(0), entry),
  node: (left, right) => digest(Uint8Array.of(1), left, right),
};

/** Leaf hashes of the one-byte, two-byte … entries 0, 1, 2 …, big-endian. */
export function sampleLeaves(count: number): Hash[] {
  return Array.from({ length: count }, (_, i) => platformHasher.leaf(Uint8Array.of(i >> 8, i & 0xff)));
}

/** The RFC's recursion over D[start:end] of these leaves. Roots are remembered, nothing else is clever. */
export interface NaiveTree {
  readonly root: (start: number, end: number) => Hash;
  readonly inclusion: (index: number, size: number) => Hash[];
  readonly consistency: (from: number, to: number) => Hash[];
  readonly subtree: (start: number, end: number, size: number) => Hash[];
}

export function naiveTree(leaves: readonly Hash[]): NaiveTree {
  const roots = new Map<string, Hash>();

  /** MTH(D), RFC 6962 §2.1. */
  const root = (start: number, end: number): Hash => {
    const known = roots.get(`${start}-${end}`);
    if (known !== undefined) return known;
    const hash = computeRoot(start, end);
    roots.set(`${start}-${end}`, hash);
    return hash;
  };
  const computeRoot = (start: number, end: number): Hash => {
    const leaf = leaves[start];
    if (leaf === undefined || start === end) return platformHasher.sha256(new Uint8Array(0));
    if (end - start === 1) return leaf;
    const k = start + naiveSplit(end - start);
    return platformHasher.node(root(start, k), root(k, end));
  };

  /** PATH(m, D), RFC 6962 §2.1.1. */
  const path = (m: number, start: number, end: number): Hash[] => {
    if (end - start === 1) return [];
    const k = start + naiveSplit(end - start);
    return m < k ? [...path(m, start, k), root(k, end)] : [...path(m, k, end), root(start, k)];
  };

  /** SUBPROOF(m, D, b), RFC 6962 §2.1.2. */
  const subproof = (m: number, start: number, end: number, b: boolean): Hash[] => {
    if (m === end) return b ? [] : [root(start, end)];
    const k = start + naiveSplit(end - start);
    return m <= k ? [...subproof(m, start, k, b), root(k, end)] : [...subproof(m, k, end, false), root(start, k)];
  };

  /** SUBTREE_SUBPROOF(start, end, D, b), draft-ietf-plants-merkle-tree-certs-03 §4.4.1; D is D[from:to] here. */
  const subtreeSubproof = (start: number, end: number, from: number, to: number, b: boolean): Hash[] => {
    if (start === from && end === to) return b ? [] : [root(from, to)];
    const k = from + naiveSplit(to - from);
    if (end <= k) return [...subtreeSubproof(start, end, from, k, b), root(k, to)];
    if (k <= start) return [...subtreeSubproof(start, end, k, to, b), root(from, k)];
    return [...subtreeSubproof(k, end, k, to, false), root(from, k)];
  };

  return {
    root,
    inclusion: (index, size) => path(index, 0, size),
    consistency: (from, to) => subproof(from, 0, to, true),
    subtree: (start, end, size) => subtreeSubproof(start, end, 0, size, true),
  };
}

function naiveSplit(size: number): number {
  let k = 1;
  while (2 * k < size) k *= 2;
  return k;
}

/** Stored nodes of a tree held in memory; one outside the tree is an error. */
export function memoryReader(leaves: readonly Hash[]): HashReader {
  const known = new Map<string, Hash>();
  const nodeAt = (level: number, index: number): Hash => {
    const key = `${level}/${index}`;
    const hash =
      known.get(key) ??
      (level === 0
        ? leaves[index]
        : platformHasher.node(nodeAt(level - 1, 2 * index), nodeAt(level - 1, 2 * index + 1)));
    if (hash === undefined) throw new RangeError(`no node ${key} in a tree of ${leaves.length}`);
    known.set(key, hash);
    return hash;
  };
  return async (nodes) => nodes.map(({ level, index }) => nodeAt(level, index));
}

/** Every proof that differs from this one in one place: a bit flipped, a hash missing, doubled, swapped, cut, added. */
export function* brokenProofs(proof: readonly Hash[], extra: readonly Hash[]): Iterable<[how: string, proof: Hash[]]> {
  for (const [i, hash] of proof.entries()) {
    const next = proof[i + 1];
    yield [`bit flipped in hash ${i}`, proof.with(i, flipBit(hash, i))];
    yield [`hash ${i} removed`, proof.toSpliced(i, 1)];
    yield [`hash ${i} doubled`, proof.toSpliced(i, 0, hash)];
    yield [`hash ${i} cut to 31 bytes`, proof.with(i, hash.slice(0, 31))];
    if (next !== undefined) yield [`hashes ${i} and ${i + 1} swapped`, proof.toSpliced(i, 2, next, hash)];
  }
  for (const [i, hash] of extra.entries()) {
    yield [`extra hash ${i} in front`, [hash, ...proof]];
    yield [`extra hash ${i} behind`, [...proof, hash]];
  }
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(Math.floor(bit / 8), (bytes[Math.floor(bit / 8)] ?? 0) ^ (1 << (bit % 8)));
}

/** The code of the ProofError that this throws, or `accepted`. Any other error passes through. */
export function verdictOf(check: () => void): ProofErrorCode | 'accepted' {
  try {
    check();
    return 'accepted';
  } catch (error) {
    if (error instanceof ProofError) return error.code;
    throw error;
  }
}

/** The same for a promise. */
export async function verdictOfAsync(work: Promise<unknown>): Promise<ProofErrorCode | 'accepted'> {
  try {
    await work;
    return 'accepted';
  } catch (error) {
    if (error instanceof ProofError) return error.code;
    throw error;
  }
}

/** Hashes as text: quick to compare, and readable where they differ. */
export function hexLines(hashes: readonly Hash[]): string {
  return hashes.map(hexEncode).join('\n');
}

function digest(...parts: readonly Uint8Array[]): Hash {
  return new Uint8Array(digestOf('sha256', concatBytes(...parts), 'buffer'));
}
