import { describe, expect, it } from 'vitest';
import { checkInclusion, MAX_PROOF_HASHES, rootFromInclusion } from '../../proofs/check.ts';
import { EMPTY_ROOT } from '../../proofs/hash.ts';
import { proveInclusion } from '../../proofs/prove.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import {
  brokenProofs,
  flipBit,
  hexLines,
  memoryReader,
  naiveTree,
  platformHasher,
  sampleLeaves,
  verdictOf,
  verdictOfAsync,
} from '../support/tree.ts';

const MAX_SIZE = 130;
const leaves = sampleLeaves(MAX_SIZE);
const naive = naiveTree(leaves);
const read = memoryReader(leaves);
const roots = Array.from({ length: MAX_SIZE + 1 }, (_, size) => rootOfHashes(leaves.slice(0, size), platformHasher));
const hashAt = (list: readonly Uint8Array[], i: number): Uint8Array => list[i] ?? new Uint8Array(0);

describe('an inclusion proof', () => {
  it(`is the RFC's, and holds, for every leaf of every size up to ${MAX_SIZE}`, async () => {
    for (let size = 1; size <= MAX_SIZE; size++) {
      for (let index = 0; index < size; index++) {
        const proof = await proveInclusion(index, size, read, platformHasher);
        const wanted = hexLines(naive.inclusion(index, size));
        if (hexLines(proof) !== wanted) expect(hexLines(proof), `index ${index} size ${size}`).toBe(wanted);
        const claim = { index, size, leafHash: hashAt(leaves, index), proof };
        checkInclusion({ ...claim, root: hashAt(roots, size) }, platformHasher);
      }
    }
  });

  it(`fails when any one hash of it is changed, for every leaf of every size up to ${MAX_SIZE}`, async () => {
    for (let size = 1; size <= MAX_SIZE; size++) {
      const root = hashAt(roots, size);
      for (let index = 0; index < size; index++) {
        const leafHash = hashAt(leaves, index);
        const good = await proveInclusion(index, size, read, platformHasher);
        for (const [how, proof] of brokenProofs(good, [root, leafHash, new Uint8Array(0)])) {
          const verdict = verdictOf(() => checkInclusion({ index, size, leafHash, proof, root }, platformHasher));
          const expected = proof.every((hash) => hash.length === 32) ? 'bad-inclusion-proof' : 'invalid-hash';
          if (verdict !== expected) expect.fail(`index ${index} size ${size}, ${how}: ${verdict}`);
        }
      }
    }
  }, 120_000);

  it('fails for every other index, another leaf and another root', async () => {
    for (let size = 1; size <= 40; size++) {
      const root = hashAt(roots, size);
      for (let index = 0; index < size; index++) {
        const leafHash = hashAt(leaves, index);
        const claim = { index, size, leafHash, proof: await proveInclusion(index, size, read), root };
        for (let other = 0; other <= size; other++) {
          if (other === index) continue;
          const verdict = verdictOf(() => checkInclusion({ ...claim, index: other }, platformHasher));
          if (verdict !== 'bad-inclusion-proof') expect.fail(`index ${index} as ${other} of ${size}: ${verdict}`);
        }
        for (const near of [{ leafHash: flipBit(leafHash, 255) }, { root: flipBit(root, 0) }, { root: EMPTY_ROOT }]) {
          expect(verdictOf(() => checkInclusion({ ...claim, ...near }, platformHasher))).toBe('bad-inclusion-proof');
        }
      }
    }
  });

  it('is refused before any hashing when it is longer than the bound or an input is no hash or no size', () => {
    const claim = { index: 0, size: 1, leafHash: hashAt(leaves, 0), proof: [], root: hashAt(roots, 1) };
    expect(verdictOf(() => checkInclusion(claim))).toBe('accepted');
    expect(rootFromInclusion(claim)).toEqual(claim.root);
    const long = Array<Uint8Array>(MAX_PROOF_HASHES + 1).fill(hashAt(leaves, 1));
    expect(verdictOf(() => checkInclusion({ ...claim, proof: long }))).toBe('bad-inclusion-proof');
    expect(verdictOf(() => checkInclusion({ ...claim, size: 0 }))).toBe('bad-inclusion-proof');
    expect(verdictOf(() => checkInclusion({ ...claim, root: new Uint8Array(0) }))).toBe('invalid-hash');
    expect(verdictOf(() => checkInclusion({ ...claim, leafHash: new Uint8Array(33) }))).toBe('invalid-hash');
    expect(verdictOf(() => checkInclusion({ ...claim, index: -1 }))).toBe('invalid-argument');
    expect(verdictOf(() => checkInclusion({ ...claim, size: 1.5 }))).toBe('invalid-argument');
    expect(verdictOf(() => checkInclusion({ ...claim, size: 2 ** 53 }))).toBe('invalid-argument');
  });

  it('is not made for a leaf outside the tree, nor from a reader that breaks its contract', async () => {
    expect(await verdictOfAsync(proveInclusion(3, 3, read))).toBe('invalid-argument');
    expect(await verdictOfAsync(proveInclusion(0, 0, read))).toBe('invalid-argument');
    expect(await verdictOfAsync(proveInclusion(0, 3, async () => []))).toBe('invalid-argument');
    expect(await verdictOfAsync(proveInclusion(0, 2, async () => [new Uint8Array(31)]))).toBe('invalid-hash');
  });
});
