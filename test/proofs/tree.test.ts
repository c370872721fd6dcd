import { describe, expect, it } from 'vitest';
import { EMPTY_ROOT } from '../../proofs/hash.ts';
import {
  bitLength,
  foldPeaks,
  largestPowerOfTwoBelow,
  nodesCovering,
  peakCount,
  rootOfHashes,
  smallestPowerOfTwoFrom,
} from '../../proofs/tree.ts';
import { naiveTree, sampleLeaves, verdictOf } from '../support/tree.ts';

const MAX_SIZE = 300;
const leaves = sampleLeaves(MAX_SIZE);
const naive = naiveTree(leaves);

describe('the root over leaf hashes', () => {
  it(`is that of the RFC's recursion for every size from 0 to ${MAX_SIZE}`, () => {
    for (let size = 0; size <= MAX_SIZE; size++) {
      expect(rootOfHashes(leaves.slice(0, size)), `size ${size}`).toEqual(naive.root(0, size));
    }
  });

  it('is the hash of the empty string for no leaves', () => {
    expect(rootOfHashes([])).toEqual(EMPTY_ROOT);
    expect(foldPeaks([])).toEqual(EMPTY_ROOT);
  });

  it('refuses a leaf hash that is not 32 bytes', () => {
    expect(verdictOf(() => rootOfHashes([new Uint8Array(31)]))).toBe('invalid-hash');
    expect(verdictOf(() => rootOfHashes([...leaves.slice(0, 2), new Uint8Array(33)]))).toBe('invalid-hash');
  });
});

describe('the geometry of a tree', () => {
  it('splits at the largest power of two below the size', () => {
    const splits = [2, 3, 4, 5, 8, 9, 255, 256, 257].map(largestPowerOfTwoBelow);
    expect(splits).toEqual([1, 2, 2, 4, 4, 8, 128, 128, 256]);
    expect(verdictOf(() => largestPowerOfTwoBelow(1))).toBe('invalid-argument');
  });

  it('counts bits, peaks and powers of two as binary text does', () => {
    for (let size = 0; size <= 1100; size++) {
      const binary = size === 0 ? '' : size.toString(2);
      expect(bitLength(size)).toBe(binary.length);
      expect(peakCount(size)).toBe(binary.replaceAll('0', '').length);
      const power = smallestPowerOfTwoFrom(size);
      expect(power >= size && (power === 1 || power / 2 < size)).toBe(true);
    }
  });

  it('covers every interval with aligned nodes, adjacent and no two of which could be one', () => {
    for (let end = 0; end <= 70; end++) {
      for (let start = 0; start <= end; start++) {
        const nodes = nodesCovering(start, end);
        let next = start;
        for (const { level, index } of nodes) {
          expect(index * 2 ** level).toBe(next);
          next += 2 ** level;
        }
        expect(next).toBe(end);
        for (const [i, { level, index }] of nodes.entries()) {
          const after = nodes[i + 1];
          expect(after !== undefined && after.level === level && index % 2 === 0).toBe(false);
        }
      }
    }
  });

  it('has one peak for each one-bit of the size, largest first', () => {
    expect(nodesCovering(0, 0b1011)).toEqual([
      { level: 3, index: 0 },
      { level: 1, index: 4 },
      { level: 0, index: 10 },
    ]);
  });

  it('refuses what is not an interval of safe integers', () => {
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(verdictOf(() => nodesCovering(0, bad))).toBe('invalid-argument');
      expect(verdictOf(() => nodesCovering(bad, 3))).toBe('invalid-argument');
    }
  });
});
