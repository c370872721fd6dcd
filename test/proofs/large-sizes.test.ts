/**
 * Arithmetic at sizes around 2^31, 2^32 and 2^53, where shifts and rounding go wrong. No such tree exists: the hash of
 * a perfect subtree that the claim does not cut through is made up from its place, and the rest follows by the RFC's
 * recursion in BigInt, which shares no arithmetic with proofs/.
 */
import { describe, expect, it } from 'vitest';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import type { Hash } from '../../proofs/hash.ts';
import { type HashReader, proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import { appendLeaf, appendNode, checkRange, EMPTY_RANGE, proveRange, rangeAt, rangeRoot } from '../../proofs/range.ts';
import {
  checkSubtreeConsistency,
  checkSubtreeInclusion,
  coverInterval,
  proveSubtreeConsistency,
  proveSubtreeInclusion,
} from '../../proofs/subtree.ts';
import { formatTilePath, newTiles, tileLevels, tileOfNode, tileWidthAt } from '../../proofs/tile.ts';
import { bitLength, nodesCovering, peakCount, smallestPowerOfTwoFrom } from '../../proofs/tree.ts';
import { brokenProofs, platformHasher, verdictOf } from '../support/tree.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const SIZES = [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 9, 2 ** 40 + 12345, MAX - 1, MAX];

/** A tree that exists only around the leaves next to `cuts`. */
function imaginaryTree(cuts: readonly number[]): { read: HashReader; hash: (start: number, end: number) => Hash } {
  const made = (start: bigint, end: bigint): Hash =>
    platformHasher.sha256(new TextEncoder().encode(`imaginary ${start} ${end}`));
  const hash = (start: bigint, end: bigint): Hash => {
    const size = end - start;
    const perfect = (size & (size - 1n)) === 0n;
    const cut = cuts.some((at) => start < BigInt(at) && BigInt(at) < end);
    if (size === 1n || (perfect && !cut)) return made(start, end);
    const k = 1n << BigInt((size - 1n).toString(2).length - 1);
    return platformHasher.node(hash(start, start + k), hash(start + k, end));
  };
  return {
    hash: (start, end) => hash(BigInt(start), BigInt(end)),
    read: async (nodes) =>
      nodes.map(({ level, index }) => hash(BigInt(index) << BigInt(level), BigInt(index + 1) << BigInt(level))),
  };
}

const indexesOf = (size: number): number[] =>
  [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 7, 2 ** 52, size - 2, size - 1].filter((i) => i < size);

describe('at sizes up to 2^53-1', () => {
  it('an inclusion proof holds, and fails for the index off by a power of two or with a hash changed', async () => {
    for (const size of SIZES) {
      for (const index of indexesOf(size)) {
        const { read, hash } = imaginaryTree([index, index + 1]);
        const proof = await proveInclusion(index, size, read, platformHasher);
        expect(proof.length).toBeLessThanOrEqual(53);
        const claim = { index, size, leafHash: hash(index, index + 1), proof, root: hash(0, size) };
        checkInclusion(claim);
        for (const offset of [1, -1, 2 ** 31, -(2 ** 31), 2 ** 32, -(2 ** 32), 2 ** 52, -(2 ** 52)]) {
          const other = index + offset;
          if (!Number.isSafeInteger(other) || other < 0) continue;
          const verdict = verdictOf(() => checkInclusion({ ...claim, index: other }, platformHasher));
          if (verdict !== 'bad-inclusion-proof') expect.fail(`${index} as ${other} of ${size}: ${verdict}`);
        }
        for (const [how, broken] of brokenProofs(proof, [claim.root])) {
          const verdict = verdictOf(() => checkInclusion({ ...claim, proof: broken }, platformHasher));
          const expected = how.includes('cut') ? 'invalid-hash' : 'bad-inclusion-proof';
          if (verdict !== expected) expect.fail(`${index} of ${size}, ${how}: ${verdict}`);
        }
      }
    }
  });

  it('a consistency proof holds, and fails for a first size taken modulo 2^32 or with a hash changed', async () => {
    for (const to of SIZES) {
      for (const from of [...indexesOf(to), to].filter((size) => size > 0)) {
        const { read, hash } = imaginaryTree([from]);
        const proof = await proveConsistency(from, to, read, platformHasher);
        expect(proof.length).toBeLessThanOrEqual(54);
        const claim = { from, to, fromRoot: hash(0, from), toRoot: hash(0, to), proof };
        checkConsistency(claim);
        for (const other of [from - 1, from + 1, from % 2 ** 31, from % 2 ** 32]) {
          if (other === from || other === 0 || other > to) continue;
          const verdict = verdictOf(() => checkConsistency({ ...claim, from: other }, platformHasher));
          if (verdict !== 'bad-consistency-proof') expect.fail(`${from} as ${other} to ${to}: ${verdict}`);
        }
        for (const [how, broken] of brokenProofs(proof, [claim.toRoot])) {
          const verdict = verdictOf(() => checkConsistency({ ...claim, proof: broken }, platformHasher));
          const expected = how.includes('cut') ? 'invalid-hash' : 'bad-consistency-proof';
          if (verdict !== expected) expect.fail(`${from} to ${to}, ${how}: ${verdict}`);
        }
      }
    }
  });

  it('subtree proofs hold', async () => {
    for (const size of SIZES) {
      for (const length of [1, 3, 256, 2 ** 20 + 1, 2 ** 30]) {
        const align = smallestPowerOfTwoFrom(length);
        const start = Math.floor((size - length) / align) * align;
        const end = start + length;
        const index = end - 1;
        const { read, hash } = imaginaryTree([start, index, end]);
        const inner = hash(start, end);
        const proof = await proveSubtreeConsistency(start, end, size, read, platformHasher);
        checkSubtreeConsistency({ start, end, size, subtreeHash: inner, root: hash(0, size), proof });
        const leafHash = hash(index, index + 1);
        const path = await proveSubtreeInclusion(index, start, end, read, platformHasher);
        checkSubtreeInclusion({ index, start, end, leafHash, subtreeHash: inner, proof: path });
      }
    }
    expect(coverInterval(2 ** 32 - 3, 2 ** 32 + 5)).toEqual([
      { start: 2 ** 32 - 4, end: 2 ** 32 },
      { start: 2 ** 32, end: 2 ** 32 + 5 },
    ]);
    expect(coverInterval(2 ** 52 - 3, MAX)).toEqual([
      { start: 2 ** 52 - 4, end: 2 ** 52 },
      { start: 2 ** 52, end: MAX },
    ]);
  });

  it('a compact range is read, extended up to the last leaf and no further, and proves a run', async () => {
    for (const size of SIZES) {
      const { read, hash } = imaginaryTree([size - 2, size - 1]);
      let range = await rangeAt(size - 2, read);
      expect(range.hashes.length).toBe(peakCount(size - 2));
      const run = [hash(size - 2, size - 1), hash(size - 1, size)];
      for (const leaf of run) range = appendLeaf(range, leaf, platformHasher);
      expect(rangeRoot(range)).toEqual(hash(0, size));
      const proof = await proveRange(size - 2, size, size, read);
      checkRange({ start: size - 2, size, leafHashes: run, proof, root: hash(0, size) });
      if (size === MAX) {
        const leaf = hash(0, 1);
        expect(verdictOf(() => appendLeaf(range, leaf))).toBe('size-too-large');
      }
    }
    const half = appendNode(EMPTY_RANGE, 52, imaginaryTree([]).hash(0, 1));
    expect(half.size).toBe(2 ** 52);
    expect(verdictOf(() => appendNode(half, 52, imaginaryTree([]).hash(0, 1)))).toBe('size-too-large');
  });

  it('geometry is exact', () => {
    for (const size of SIZES) {
      expect(bitLength(size)).toBe(size.toString(2).length);
      expect(peakCount(size)).toBe(size.toString(2).replaceAll('0', '').length);
      let leaves = 0n;
      for (const { level, index } of nodesCovering(0, size)) {
        expect(BigInt(index) << BigInt(level)).toBe(leaves);
        leaves += 1n << BigInt(level);
      }
      expect(leaves).toBe(BigInt(size));
      for (const { level, fullCount, partialWidth } of tileLevels(size)) {
        const hashes = BigInt(size) >> BigInt(8 * level);
        expect(BigInt(fullCount)).toBe(hashes >> 8n);
        expect(BigInt(partialWidth)).toBe(hashes & 255n);
        expect(tileWidthAt(level, fullCount, size)).toBe(partialWidth);
      }
    }
  });

  it('an append writes one tile per level, and the last leaf lies in the last tile', () => {
    expect([...newTiles(MAX - 1, MAX)].map(formatTilePath)).toEqual(['tile/0/x035/x184/x372/x088/831.p/255']);
    expect([...newTiles(2 ** 48 - 1, 2 ** 48)].map(formatTilePath).length).toBe(7);
    expect(tileOfNode({ level: 0, index: MAX - 1 })).toEqual({ level: 0, index: 2 ** 45 - 1 });
    expect(tileOfNode({ level: 52, index: 0 })).toEqual({ level: 6, index: 0 });
  });
});
