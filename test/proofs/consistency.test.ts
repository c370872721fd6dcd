import { describe, expect, it } from 'vitest';
import { checkConsistency, MAX_PROOF_HASHES } from '../../proofs/check.ts';
import { EMPTY_ROOT } from '../../proofs/hash.ts';
import { proveConsistency } from '../../proofs/prove.ts';
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

describe('a consistency proof', () => {
  it(`is the RFC's, and holds, between every two sizes up to ${MAX_SIZE}`, async () => {
    for (let to = 1; to <= MAX_SIZE; to++) {
      for (let from = 1; from <= to; from++) {
        const proof = await proveConsistency(from, to, read, platformHasher);
        const wanted = hexLines(naive.consistency(from, to));
        if (hexLines(proof) !== wanted) expect(hexLines(proof), `from ${from} to ${to}`).toBe(wanted);
        checkConsistency({ from, to, fromRoot: hashAt(roots, from), toRoot: hashAt(roots, to), proof }, platformHasher);
      }
    }
  });

  it(`fails when any one hash of it is changed, between every two sizes up to ${MAX_SIZE}`, async () => {
    for (let to = 1; to <= MAX_SIZE; to++) {
      const toRoot = hashAt(roots, to);
      for (let from = 1; from <= to; from++) {
        const fromRoot = hashAt(roots, from);
        const good = await proveConsistency(from, to, read, platformHasher);
        for (const [how, proof] of brokenProofs(good, [fromRoot, toRoot, new Uint8Array(0)])) {
          const verdict = verdictOf(() => checkConsistency({ from, to, fromRoot, toRoot, proof }, platformHasher));
          const expected = proof.every((hash) => hash.length === 32) ? 'bad-consistency-proof' : 'invalid-hash';
          if (verdict !== expected) expect.fail(`from ${from} to ${to}, ${how}: ${verdict}`);
        }
      }
    }
  }, 120_000);

  it('fails for another root on either side and for roots swapped', async () => {
    for (let to = 2; to <= 40; to++) {
      for (let from = 1; from < to; from++) {
        const claim = {
          from,
          to,
          fromRoot: hashAt(roots, from),
          toRoot: hashAt(roots, to),
          proof: await proveConsistency(from, to, read, platformHasher),
        };
        for (const near of [
          { fromRoot: flipBit(claim.fromRoot, 100) },
          { toRoot: flipBit(claim.toRoot, 100) },
          { fromRoot: claim.toRoot, toRoot: claim.fromRoot },
          { from: to, to: from },
        ]) {
          const verdict = verdictOf(() => checkConsistency({ ...claim, ...near }, platformHasher));
          if (verdict !== 'bad-consistency-proof') expect.fail(`from ${from} to ${to}: ${verdict}`);
        }
      }
    }
  });

  it('between equal sizes is empty and asks for equal roots', async () => {
    expect(await proveConsistency(7, 7, read)).toEqual([]);
    const root = hashAt(roots, 7);
    const claim = { from: 7, to: 7, fromRoot: root, toRoot: root, proof: [] };
    expect(verdictOf(() => checkConsistency(claim))).toBe('accepted');
    expect(verdictOf(() => checkConsistency({ ...claim, toRoot: hashAt(roots, 6) }))).toBe('bad-consistency-proof');
    expect(verdictOf(() => checkConsistency({ ...claim, proof: [root] }))).toBe('bad-consistency-proof');
  });

  it('from size 0 is empty, and a tree of size 0 has the empty root and no other', async () => {
    expect(await proveConsistency(0, 9, read)).toEqual([]);
    const root = hashAt(roots, 9);
    const claim = { from: 0, to: 9, fromRoot: EMPTY_ROOT, toRoot: root, proof: [] };
    expect(verdictOf(() => checkConsistency(claim))).toBe('accepted');
    expect(verdictOf(() => checkConsistency({ ...claim, to: 0, toRoot: EMPTY_ROOT }))).toBe('accepted');
    expect(verdictOf(() => checkConsistency({ ...claim, proof: [root] }))).toBe('bad-consistency-proof');
    expect(verdictOf(() => checkConsistency({ ...claim, fromRoot: root }))).toBe('bad-consistency-proof');
    expect(verdictOf(() => checkConsistency({ ...claim, to: 0 }))).toBe('bad-consistency-proof');
  });

  it('is refused when too long, and not made backwards', async () => {
    const claim = { from: 1, to: 2, fromRoot: hashAt(roots, 1), toRoot: hashAt(roots, 2) };
    const long = Array<Uint8Array>(MAX_PROOF_HASHES + 1).fill(hashAt(leaves, 1));
    expect(verdictOf(() => checkConsistency({ ...claim, proof: long }))).toBe('bad-consistency-proof');
    expect(verdictOf(() => checkConsistency({ ...claim, from: Number.NaN, proof: [] }))).toBe('invalid-argument');
    expect(verdictOf(() => checkConsistency({ ...claim, fromRoot: new Uint8Array(9), proof: [] }))).toBe(
      'invalid-hash',
    );
    expect(await verdictOfAsync(proveConsistency(3, 2, read))).toBe('invalid-argument');
  });
});
