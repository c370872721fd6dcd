import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hash } from '../../proofs/hash.ts';
import {
  appendLeaf,
  appendLeaves,
  appendNode,
  assertRange,
  type CompactRange,
  checkRange,
  EMPTY_RANGE,
  proveRange,
  rangeAt,
  rangeRoot,
} from '../../proofs/range.ts';
import { nodesCovering } from '../../proofs/tree.ts';
import {
  brokenProofs,
  flipBit,
  memoryReader,
  naiveTree,
  platformHasher,
  sampleLeaves,
  verdictOf,
  verdictOfAsync,
} from '../support/tree.ts';

const MAX_SIZE = 200;
const leaves = sampleLeaves(MAX_SIZE);
const naive = naiveTree(leaves);
const read = memoryReader(leaves);
const first = leaves[0] ?? new Uint8Array(0);

describe('a compact range', () => {
  it(`has the root of the tree at every size up to ${MAX_SIZE}, leaf by leaf, and is what rangeAt reads back`, async () => {
    let range = EMPTY_RANGE;
    for (let size = 0; size <= MAX_SIZE; size++) {
      expect(rangeRoot(range), `size ${size}`).toEqual(naive.root(0, size));
      expect(await rangeAt(size, read)).toEqual(range);
      const leaf = leaves[size];
      if (leaf !== undefined) range = appendLeaf(range, leaf);
    }
  });

  it('does not depend on how the leaves were grouped (the seed is printed on failure)', () => {
    const whole = appendLeaves(EMPTY_RANGE, leaves, platformHasher);
    fc.assert(
      fc.property(fc.array(fc.nat(40), { maxLength: 20 }), (groups) => {
        let range: CompactRange = EMPTY_RANGE;
        for (const group of [...groups, MAX_SIZE]) {
          range = appendLeaves(range, leaves.slice(range.size, range.size + group), platformHasher);
        }
        expect(range).toEqual(whole);
      }),
    );
  });

  it('is never changed by an append', () => {
    const before = appendLeaves(EMPTY_RANGE, leaves.slice(0, 7));
    const copy = structuredClone(before);
    appendLeaves(before, leaves.slice(7, 20));
    appendNode(before, 0, first);
    expect(before).toEqual(copy);
    expect(EMPTY_RANGE).toEqual({ size: 0, hashes: [] });
  });

  it('tells of each stored node once, children first, and of no other', async () => {
    const told: { level: number; index: number; hash: Hash }[] = [];
    const note = (level: number, index: number, hash: Hash): void => void told.push({ level, index, hash });
    const half = appendLeaves(EMPTY_RANGE, leaves.slice(0, 77), platformHasher, note);
    appendLeaves(half, leaves.slice(77), platformHasher, note);

    const expected: string[] = [];
    for (let size = 1; size <= MAX_SIZE; size++) {
      for (let level = 0; size % 2 ** level === 0; level++) expected.push(`${level}/${size / 2 ** level - 1}`);
    }
    expect(told.map(({ level, index }) => `${level}/${index}`)).toEqual(expected);
    expect(told.map(({ hash }) => hash)).toEqual(await read(told));
  });

  it('grows by whole subtrees to the same value', async () => {
    for (let start = 0; start <= 40; start++) {
      let range = appendLeaves(EMPTY_RANGE, leaves.slice(0, start), platformHasher);
      for (const node of nodesCovering(start, MAX_SIZE)) {
        const [hash] = await read([node]);
        range = appendNode(range, node.level, hash ?? new Uint8Array(0), platformHasher);
      }
      expect(range).toEqual(appendLeaves(EMPTY_RANGE, leaves, platformHasher));
    }
  });

  it('refuses a state that is none, a subtree that does not fit and a hash that is none', () => {
    const three = appendLeaves(EMPTY_RANGE, leaves.slice(0, 3));
    expect(verdictOf(() => assertRange(three))).toBe('accepted');
    expect(verdictOf(() => assertRange({ ...three, size: 4 }))).toBe('invalid-range');
    expect(verdictOf(() => appendLeaf({ ...three, hashes: [first] }, first))).toBe('invalid-range');
    expect(verdictOf(() => rangeRoot({ size: 0, hashes: [first] }))).toBe('invalid-range');
    expect(verdictOf(() => rangeRoot({ size: 1, hashes: [new Uint8Array(31)] }))).toBe('invalid-hash');
    expect(verdictOf(() => appendLeaf(three, new Uint8Array(0)))).toBe('invalid-hash');
    expect(verdictOf(() => appendNode(three, 1, first))).toBe('invalid-argument');
    expect(verdictOf(() => appendNode(EMPTY_RANGE, 53, first))).toBe('invalid-argument');
    expect(verdictOf(() => appendNode(EMPTY_RANGE, 0.5, first))).toBe('invalid-argument');
  });
});

describe('a range proof', () => {
  const SIZE = 24;
  const rootAt = (size: number): Hash => naive.root(0, size);

  it(`holds for every run of every tree up to ${SIZE}, and fails when one hash is changed`, async () => {
    for (let size = 0; size <= SIZE; size++) {
      for (let end = 0; end <= size; end++) {
        for (let start = 0; start <= end; start++) {
          const claim = { start, size, leafHashes: leaves.slice(start, end), root: rootAt(size) };
          const good = await proveRange(start, end, size, read);
          checkRange({ ...claim, proof: good }, platformHasher);
          for (const [how, proof] of brokenProofs(good, [claim.root])) {
            const verdict = verdictOf(() => checkRange({ ...claim, proof }, platformHasher));
            const expected = how.includes('cut') ? 'invalid-hash' : 'bad-range-proof';
            if (verdict !== expected) expect.fail(`[${start}, ${end}) of ${size}, ${how}: ${verdict}`);
          }
        }
      }
    }
  });

  it('fails when a leaf of the run is changed, missing, doubled, added or out of order', async () => {
    for (const [start, end] of [
      [0, 24],
      [3, 17],
      [16, 24],
      [23, 24],
    ] as const) {
      const run = leaves.slice(start, end);
      const claim = { start, size: SIZE, proof: await proveRange(start, end, SIZE, read), root: rootAt(SIZE) };
      expect(verdictOf(() => checkRange({ ...claim, leafHashes: run }))).toBe('accepted');
      for (const [how, leafHashes] of brokenProofs(run, [first])) {
        const expected = how.includes('cut') ? 'invalid-hash' : 'bad-range-proof';
        expect(
          verdictOf(() => checkRange({ ...claim, leafHashes }, platformHasher)),
          how,
        ).toBe(expected);
      }
      const moved = { ...claim, start: start + 1, leafHashes: run };
      expect(verdictOf(() => checkRange(moved))).toBe('bad-range-proof');
      const otherRoot = { ...claim, root: flipBit(claim.root, 9), leafHashes: run };
      expect(verdictOf(() => checkRange(otherRoot))).toBe('bad-range-proof');
    }
  });

  it('is not made for what is not in the tree', async () => {
    expect(await verdictOfAsync(proveRange(3, 2, 9, read))).toBe('invalid-argument');
    expect(await verdictOfAsync(proveRange(3, 10, 9, read))).toBe('invalid-argument');
    const beyond = { start: 2 ** 53 - 1, size: 9, leafHashes: [first], proof: [], root: first };
    expect(verdictOf(() => checkRange(beyond))).toBe('bad-range-proof');
  });
});
