/**
 * The public vectors of RFC 6962 trees and of subtrees. A size above 2^53−1 is refused by that name, whatever the case
 * expects: this implementation says no rather than round.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hexDecode, hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import type { Hash } from '../../proofs/hash.ts';
import { leafHash } from '../../proofs/hash.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import {
  checkSubtreeConsistency,
  checkSubtreeInclusion,
  coverInterval,
  isValidSubtree,
  subtreeHash,
} from '../../proofs/subtree.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { memoryReader, platformHasher, verdictOf } from '../support/tree.ts';
import { haveVectors, readVectors, vectorsMissing } from '../support/vectors.ts';

type Fields = Readonly<Record<string, string>>;
interface ProofCase {
  readonly id: string;
  readonly expect: 'accept' | 'reject' | 'either';
  readonly proof: readonly string[];
}

const size = (text: string | undefined): number => parseDecimal(text ?? '', 'number');
const hash = (text: string | undefined): Hash => hexDecode(text ?? '');
const proofOf = (hashes: readonly string[]): Hash[] => hashes.map(hexDecode);

const inclusion = (c: ProofCase & Fields): void =>
  checkInclusion({
    index: size(c['index']),
    size: size(c['size']),
    leafHash: hash(c['leaf_hash']),
    root: hash(c['root']),
    proof: proofOf(c.proof),
  });

const consistency = (c: ProofCase & Fields): void =>
  checkConsistency({
    from: size(c['size1']),
    to: size(c['size2']),
    fromRoot: hash(c['root1']),
    toRoot: hash(c['root2']),
    proof: proofOf(c.proof),
  });

const subtreeInclusion = (c: ProofCase & Fields): void =>
  checkSubtreeInclusion({
    index: size(c['index']),
    start: size(c['start']),
    end: size(c['end']),
    leafHash: hash(c['leaf_hash']),
    subtreeHash: hash(c['subtree_hash']),
    proof: proofOf(c.proof),
  });

const subtreeConsistency = (c: ProofCase & Fields): void =>
  checkSubtreeConsistency({
    start: size(c['start']),
    end: size(c['end']),
    size: size(c['size']),
    subtreeHash: hash(c['subtree_hash']),
    root: hash(c['root']),
    proof: proofOf(c.proof),
  });

describe.skipIf(!haveVectors)(`Merkle vectors${vectorsMissing}`, () => {
  it.each([
    ['inclusion', inclusion],
    ['consistency', consistency],
    ['subtree-inclusion', subtreeInclusion],
    ['subtree-consistency', subtreeConsistency],
  ] as const)('every case of %s.json comes out as it says', (file, check) => {
    const { cases } = readVectors<{ cases: (ProofCase & Fields)[] }>(`merkle/${file}.json`);
    const judged = cases.filter((c) => c.expect !== 'either');
    expect(judged.length).toBeGreaterThan(40);
    for (const c of judged) expect(verdictOf(() => check(c)) === 'accepted', c.id).toBe(c.expect === 'accept');
  });

  it('every case of large-sizes.json comes out as it says, or is refused for its size', () => {
    const cases = readVectors<{ inclusion: (ProofCase & Fields)[]; consistency: (ProofCase & Fields)[] }>(
      'merkle/large-sizes.json',
    );
    let accepted = 0;
    for (const [list, check] of [
      [cases.inclusion, inclusion],
      [cases.consistency, consistency],
    ] as const) {
      for (const c of list) {
        const tooLarge = [c['index'], c['size'], c['size1'], c['size2']].some(
          (text) => text !== undefined && BigInt(text) > BigInt(Number.MAX_SAFE_INTEGER),
        );
        const verdict = verdictOf(() => check(c));
        if (tooLarge) expect(verdict, c.id).toBe('size-too-large');
        else expect(verdict === 'accepted', c.id).toBe(c.expect === 'accept');
        if (verdict === 'accepted') accepted += 1;
      }
    }
    expect(accepted).toBe(3);
  });

  it('the reference tree has these roots and proofs', async () => {
    const tree = readVectors<{
      leaves_hex: string[];
      leaf_hashes: string[];
      roots_by_size: string[];
      inclusion: { index: string; size: string; proof: string[] }[];
      consistency: { size1: string; size2: string; proof: string[] }[];
    }>('merkle/reference-tree.json');
    const leaves = tree.leaves_hex.map((hex) => leafHash(hexDecode(hex)));
    const read = memoryReader(leaves);
    expect(leaves.map(hexEncode)).toEqual(tree.leaf_hashes);
    for (const [n, root] of tree.roots_by_size.entries()) {
      expect(hexEncode(rootOfHashes(leaves.slice(0, n)))).toBe(root);
    }
    for (const c of tree.inclusion) {
      const proof = await proveInclusion(size(c.index), size(c.size), read);
      expect(proof.map(hexEncode)).toEqual(c.proof);
    }
    for (const c of tree.consistency) {
      const proof = await proveConsistency(size(c.size1), size(c.size2), read);
      expect(proof.map(hexEncode)).toEqual(c.proof);
    }
  });

  it('every interval of valid-subtree.json is judged as it says, or is beyond 2^53-1', () => {
    const { cases } = readVectors<{ cases: { start: string; end: string; valid: boolean }[] }>(
      'merkle/valid-subtree.json',
    );
    for (const c of cases) {
      const verdict = verdictOf(() => size(c.end));
      if (verdict === 'size-too-large') continue;
      expect(isValidSubtree(size(c.start), size(c.end)), `[${c.start}, ${c.end})`).toBe(c.valid);
    }
  });

  it('the accumulated digests over every root and proof up to 200 leaves are these', async () => {
    const { N, cases } = readVectors<Accumulated & { N: number }>('merkle/accumulated-rfc6962.json');
    const leaves = Array.from({ length: N }, (_, i) => platformHasher.leaf(utf8Encode(`leaf ${i}`)));
    const read = memoryReader(leaves);
    const roots = createHash('sha256');
    const inclusions = createHash('sha256');
    const consistencies = createHash('sha256');
    const line = (a: number, b: number, proof: readonly Hash[]): string =>
      `${[a, b, ...proof.map(hexEncode)].join(' ')}\n`;
    for (let n = 1; n <= N; n++) {
      roots.update(`${n} ${hexEncode(rootOfHashes(leaves.slice(0, n), platformHasher))}\n`);
      for (let i = 0; i < n; i++) inclusions.update(line(i, n, await proveInclusion(i, n, read, platformHasher)));
      for (let m = 1; m <= n; m++) consistencies.update(line(m, n, await proveConsistency(m, n, read, platformHasher)));
    }
    expect(roots.digest('hex')).toBe(digestOf(cases, 'roots'));
    expect(inclusions.digest('hex')).toBe(digestOf(cases, 'inclusion'));
    expect(consistencies.digest('hex')).toBe(digestOf(cases, 'consistency'));
  });

  it('the accumulated digests over every subtree and cover of 130 leaves are these', async () => {
    const { cases } = readVectors<Accumulated>('merkle/accumulated.json');
    const leaves = Array.from({ length: 130 }, (_, i) => platformHasher.leaf(Uint8Array.of(i)));
    const read = memoryReader(leaves);
    const hashes = createHash('sha256');
    const covers = createHash('sha256');
    for (let end = 0; end <= 130; end++) {
      for (let start = 0; start <= end; start++) {
        // The digest counts the empty interval, which draft -03 §4.1 does not call a subtree.
        if (start === end) hashes.update(`[${start}, ${end}) ${hexEncode(rootOfHashes([]))}\n`);
        else if (isValidSubtree(start, end)) {
          hashes.update(`[${start}, ${end}) ${hexEncode(await subtreeHash(start, end, read, platformHasher))}\n`);
        }
        const [left, right] = coverInterval(start, end);
        covers.update(`[${left.start}, ${left.end}) [${right.start}, ${right.end})\n`);
      }
    }
    expect(hashes.digest('hex')).toBe(digestOf(cases, 'subtree-hash'));
    expect(covers.digest('hex')).toBe(digestOf(cases, 'subtree-cover'));
  });
});

interface Accumulated {
  readonly cases: readonly { readonly id: string; readonly digest: string }[];
}

function digestOf(cases: Accumulated['cases'], id: string): string | undefined {
  return cases.find((c) => c.id === id)?.digest;
}
