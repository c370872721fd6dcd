import { describe, expect, it } from 'vitest';
import { MAX_PROOF_HASHES } from '../../proofs/check.ts';
import {
  assertSubtree,
  checkSubtreeConsistency,
  checkSubtreeInclusion,
  coverInterval,
  isValidSubtree,
  proveSubtreeConsistency,
  proveSubtreeInclusion,
  subtreeHash,
} from '../../proofs/subtree.ts';
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

const MAX_SIZE = 70;
const leaves = sampleLeaves(MAX_SIZE);
const naive = naiveTree(leaves);
const read = memoryReader(leaves);

function* validSubtrees(size: number): Iterable<[start: number, end: number]> {
  for (let end = 1; end <= size; end++) {
    for (let start = 0; start < end; start++) if (isValidSubtree(start, end)) yield [start, end];
  }
}

describe('a valid subtree', () => {
  it('starts at a multiple of its length rounded up to a power of two, and is not empty', () => {
    for (let end = 0; end <= MAX_SIZE; end++) {
      for (let start = 0; start <= MAX_SIZE; start++) {
        let ceiling = 1;
        while (ceiling < end - start) ceiling *= 2;
        expect(isValidSubtree(start, end), `[${start}, ${end})`).toBe(start < end && start % ceiling === 0);
      }
    }
  });

  it('is made of safe integers', () => {
    expect(isValidSubtree(0, Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(isValidSubtree(2 ** 52, Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(isValidSubtree(2 ** 52 + 1, Number.MAX_SAFE_INTEGER)).toBe(false);
    expect(isValidSubtree(0, 2 ** 53)).toBe(false);
    expect(isValidSubtree(-4, 0)).toBe(false);
    expect(isValidSubtree(0.5, 1)).toBe(false);
    expect(isValidSubtree(Number.NaN, 1)).toBe(false);
    expect(verdictOf(() => assertSubtree(1, 3))).toBe('bad-subtree');
  });

  it('has the hash of its own leaves', async () => {
    for (const [start, end] of validSubtrees(MAX_SIZE)) {
      expect(await subtreeHash(start, end, read, platformHasher)).toEqual(naive.root(start, end));
    }
    expect(await verdictOfAsync(subtreeHash(1, 3, read))).toBe('bad-subtree');
  });
});

describe('a subtree consistency proof', () => {
  it(`is the draft's, and holds, for every subtree of every size up to ${MAX_SIZE}`, async () => {
    for (let size = 1; size <= MAX_SIZE; size++) {
      for (const [start, end] of validSubtrees(size)) {
        const proof = await proveSubtreeConsistency(start, end, size, read, platformHasher);
        const wanted = hexLines(naive.subtree(start, end, size));
        if (hexLines(proof) !== wanted) expect(hexLines(proof), `[${start}, ${end}) of ${size}`).toBe(wanted);
        const claim = { start, end, size, subtreeHash: naive.root(start, end), root: naive.root(0, size), proof };
        checkSubtreeConsistency(claim, platformHasher);
      }
    }
  });

  it('fails when any one hash of it, the subtree hash or the root is changed', async () => {
    for (const size of [1, 2, 3, 7, 8, 13, 14, 32, 33, 45]) {
      for (const [start, end] of validSubtrees(size)) {
        const good = await proveSubtreeConsistency(start, end, size, read, platformHasher);
        const hash = naive.root(start, end);
        const claim = { start, end, size, subtreeHash: hash, root: naive.root(0, size), proof: good };
        for (const [how, proof] of brokenProofs(good, [hash, claim.root])) {
          const verdict = verdictOf(() => checkSubtreeConsistency({ ...claim, proof }, platformHasher));
          const expected = how.includes('cut') ? 'invalid-hash' : 'bad-subtree-proof';
          if (verdict !== expected) expect.fail(`[${start}, ${end}) of ${size}, ${how}: ${verdict}`);
        }
        for (const near of [{ subtreeHash: flipBit(hash, 3) }, { root: flipBit(claim.root, 3) }]) {
          expect(verdictOf(() => checkSubtreeConsistency({ ...claim, ...near }, platformHasher))).toBe(
            'bad-subtree-proof',
          );
        }
      }
    }
  });

  it('is told apart from a malformed request: what is no subtree of the tree is a bad-subtree', async () => {
    const claim = {
      start: 8,
      end: 13,
      size: 14,
      subtreeHash: naive.root(8, 13),
      root: naive.root(0, 14),
      proof: await proveSubtreeConsistency(8, 13, 14, read),
    };
    expect(verdictOf(() => checkSubtreeConsistency(claim))).toBe('accepted');
    for (const near of [{ start: 9 }, { end: 15 }, { start: 13 }, { end: 8 }, { start: 14 }, { end: 4 }]) {
      expect(verdictOf(() => checkSubtreeConsistency({ ...claim, ...near }))).toBe('bad-subtree');
    }
    for (const near of [{ start: 0 }, { end: 14 }, { end: 12 }, { size: 15 }, { size: 13 }]) {
      expect(verdictOf(() => checkSubtreeConsistency({ ...claim, ...near }))).toBe('bad-subtree-proof');
    }
    const long = Array<Uint8Array>(MAX_PROOF_HASHES + 1).fill(claim.root);
    expect(verdictOf(() => checkSubtreeConsistency({ ...claim, proof: long }))).toBe('bad-subtree-proof');
    expect(verdictOf(() => checkSubtreeConsistency({ ...claim, root: new Uint8Array(31) }))).toBe('invalid-hash');
    expect(await verdictOfAsync(proveSubtreeConsistency(8, 15, 14, read))).toBe('invalid-argument');
    expect(await verdictOfAsync(proveSubtreeConsistency(1, 3, 14, read))).toBe('bad-subtree');
  });
});

describe('a subtree inclusion proof', () => {
  it('holds for every leaf of every subtree, and fails when one hash is changed', async () => {
    for (const [start, end] of validSubtrees(40)) {
      const own = naiveTree(leaves.slice(start, end));
      for (let index = start; index < end; index++) {
        const good = await proveSubtreeInclusion(index, start, end, read, platformHasher);
        const wanted = hexLines(own.inclusion(index - start, end - start));
        if (hexLines(good) !== wanted) expect(hexLines(good), `${index} of [${start}, ${end})`).toBe(wanted);
        const leafHash = leaves[index] ?? new Uint8Array(0);
        const claim = { index, start, end, leafHash, subtreeHash: naive.root(start, end), proof: good };
        checkSubtreeInclusion(claim, platformHasher);
        for (const [how, proof] of brokenProofs(good, [leafHash])) {
          const verdict = verdictOf(() => checkSubtreeInclusion({ ...claim, proof }, platformHasher));
          const expected = how.includes('cut') ? 'invalid-hash' : 'bad-subtree-proof';
          if (verdict !== expected) expect.fail(`${index} of [${start}, ${end}), ${how}: ${verdict}`);
        }
      }
    }
  });

  it('fails for an index beside the subtree, another leaf, another hash and what is no subtree', async () => {
    const claim = {
      index: 10,
      start: 8,
      end: 13,
      leafHash: leaves[10] ?? new Uint8Array(0),
      subtreeHash: naive.root(8, 13),
      proof: await proveSubtreeInclusion(10, 8, 13, read),
    };
    expect(verdictOf(() => checkSubtreeInclusion(claim))).toBe('accepted');
    for (const near of [{ index: 9 }, { index: 11 }, { index: 7 }, { index: 13 }, { index: 2 }]) {
      expect(verdictOf(() => checkSubtreeInclusion({ ...claim, ...near }))).toBe('bad-subtree-proof');
    }
    const otherLeaf = { ...claim, leafHash: flipBit(claim.leafHash, 8) };
    expect(verdictOf(() => checkSubtreeInclusion(otherLeaf))).toBe('bad-subtree-proof');
    expect(verdictOf(() => checkSubtreeInclusion({ ...claim, end: 17 }))).toBe('bad-subtree');
    expect(verdictOf(() => checkSubtreeInclusion({ ...claim, subtreeHash: new Uint8Array(0) }))).toBe('invalid-hash');
    expect(await verdictOfAsync(proveSubtreeInclusion(7, 8, 13, read))).toBe('invalid-argument');
    expect(await verdictOfAsync(proveSubtreeInclusion(13, 8, 13, read))).toBe('invalid-argument');
  });
});

describe('the two subtrees over an interval', () => {
  it('are adjacent, valid, end where it ends and add less than half of the first before it', () => {
    for (let end = 0; end <= 150; end++) {
      for (let start = 0; start <= end; start++) {
        const [left, right] = coverInterval(start, end);
        const label = `[${start}, ${end})`;
        expect(left.end, label).toBe(right.start);
        expect(right.end, label).toBe(end);
        expect(left.start <= start, label).toBe(true);
        for (const part of [left, right]) {
          expect(part.start === part.end || isValidSubtree(part.start, part.end), label).toBe(true);
        }
        if (start < end) expect(start - left.start < left.end - start, label).toBe(true);
      }
    }
  });

  it("are those of the draft's example", () => {
    expect(coverInterval(5, 13)).toEqual([
      { start: 4, end: 8 },
      { start: 8, end: 13 },
    ]);
    expect(verdictOf(() => coverInterval(5, 4))).toBe('invalid-argument');
  });
});
