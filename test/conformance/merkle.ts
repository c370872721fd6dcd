/** Vectors of `merkle/`: RFC 6962 trees, inclusion, consistency, subtrees, and digests over all of them. */
import { deepEqual, equal } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import { EMPTY_ROOT, type Hash, leafHash, nobleHasher } from '../../proofs/hash.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import { proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import { checkSubtreeConsistency, checkSubtreeInclusion, coverInterval, isValidSubtree } from '../../proofs/subtree.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { memoryReader } from '../support/tree.ts';
import {
  boolOf,
  check,
  type Family,
  type Fields,
  hashesOf,
  haveFields,
  hexOf,
  judge,
  judgeAll,
  NotUnderstood,
  recordsOf,
  textOf,
  textsOf,
  type Verdict,
} from './vector.ts';

export const judgeMerkle: Family = ({ content }) => {
  const cases = recordsOf(content, 'cases');
  if (content['leaves_hex'] !== undefined) return judgeReferenceTree(content);
  if (haveFields(cases, 'digest', 'loop', 'line')) return judgeAccumulated(content);
  if (haveFields(cases, 'start', 'end', 'valid')) return judgeAll(cases ?? [], judgeValidSubtree);
  if (haveFields(cases, 'start', 'end', 'leaf_hash')) return judgeAll(cases ?? [], judgeSubtreeInclusion);
  if (haveFields(cases, 'start', 'end', 'root')) return judgeAll(cases ?? [], judgeSubtreeConsistency);
  const inclusion = [cases, recordsOf(content, 'inclusion')].filter((list) => haveFields(list, 'leaf_hash', 'size'));
  const consistency = [cases, recordsOf(content, 'consistency')].filter((list) => haveFields(list, 'root1', 'size1'));
  if (inclusion.length + consistency.length === 0) return undefined;
  return judgeProofs(
    inclusion.flatMap((list) => list ?? []),
    consistency.flatMap((list) => list ?? []),
  );
};

async function judgeProofs(inclusion: readonly Fields[], consistency: readonly Fields[]): Promise<Verdict[]> {
  return [...(await judgeAll(inclusion, judgeInclusion)), ...(await judgeAll(consistency, judgeConsistency))];
}

function judgeInclusion(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () =>
    checkInclusion({
      index: size(fields, 'index'),
      size: size(fields, 'size'),
      leafHash: hexOf(fields, 'leaf_hash'),
      proof: hashesOf(fields, 'proof'),
      root: hexOf(fields, 'root'),
    }),
  );
}

function judgeConsistency(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () =>
    checkConsistency({
      from: size(fields, 'size1'),
      to: size(fields, 'size2'),
      fromRoot: hexOf(fields, 'root1'),
      toRoot: hexOf(fields, 'root2'),
      proof: hashesOf(fields, 'proof'),
    }),
  );
}

function judgeSubtreeInclusion(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () =>
    checkSubtreeInclusion({
      index: size(fields, 'index'),
      start: size(fields, 'start'),
      end: size(fields, 'end'),
      leafHash: hexOf(fields, 'leaf_hash'),
      subtreeHash: hexOf(fields, 'subtree_hash'),
      proof: hashesOf(fields, 'proof'),
    }),
  );
}

function judgeSubtreeConsistency(fields: Fields, id: string): Promise<Verdict> {
  return judge(id, textOf(fields, 'expect'), () =>
    checkSubtreeConsistency({
      start: size(fields, 'start'),
      end: size(fields, 'end'),
      size: size(fields, 'size'),
      subtreeHash: hexOf(fields, 'subtree_hash'),
      root: hexOf(fields, 'root'),
      proof: hashesOf(fields, 'proof'),
    }),
  );
}

function judgeValidSubtree(fields: Fields, id: string): Promise<Verdict> {
  return check(id, () => equal(isValidSubtree(size(fields, 'start'), size(fields, 'end')), boolOf(fields, 'valid')));
}

/** A whole small tree: leaf hashes, the root of every size, every proof made by us and compared. */
async function judgeReferenceTree(content: Fields): Promise<Verdict[]> {
  const leaves = hashesOf(content, 'leaves_hex').map(leafHash);
  const read = memoryReader(leaves);
  const verdicts = [
    await check('leaf hashes', () => deepEqual(leaves.map(hexEncode), textsOf(content, 'leaf_hashes'))),
  ];
  for (const [count, root] of textsOf(content, 'roots_by_size').entries()) {
    verdicts.push(await check(`root of ${count}`, () => equal(rootHex(leaves.slice(0, count)), root)));
  }
  const inclusion = await judgeAll(recordsOf(content, 'inclusion') ?? [], (fields, id) =>
    check(`inclusion ${id}`, async () => {
      const proof = await proveInclusion(size(fields, 'index'), size(fields, 'size'), read);
      deepEqual(proof.map(hexEncode), textsOf(fields, 'proof'));
    }),
  );
  const consistency = await judgeAll(recordsOf(content, 'consistency') ?? [], (fields, id) =>
    check(`consistency ${id}`, async () => {
      const proof = await proveConsistency(size(fields, 'size1'), size(fields, 'size2'), read);
      deepEqual(proof.map(hexEncode), textsOf(fields, 'proof'));
    }),
  );
  return [...verdicts, ...inclusion, ...consistency];
}

/** One digest over every line of a loop; the loops are told apart by their ids. */
function judgeAccumulated(content: Fields): Promise<Verdict[]> {
  return judgeAll(recordsOf(content, 'cases') ?? [], (fields, id) =>
    check(id, async () => {
      const digest = createHash('sha256');
      for await (const line of linesOf(id, content)) digest.update(line);
      equal(digest.digest('hex'), textOf(fields, 'digest'));
    }),
  );
}

function linesOf(id: string, content: Fields): AsyncIterable<string> {
  if (id === 'subtree-hash') return subtreeHashLines(byteLeaves(content));
  if (id === 'subtree-cover') return subtreeCoverLines(byteLeaves(content).length);
  if (id === 'roots') return rootLines(textLeaves(content));
  if (id === 'inclusion') return inclusionLines(textLeaves(content));
  if (id === 'consistency') return consistencyLines(textLeaves(content));
  throw new NotUnderstood(`no loop is known as ${id}`);
}

/** "130 leaves, leaf i is the single byte i". */
function byteLeaves(content: Fields): Hash[] {
  const count = /^(\d+) leaves, leaf i is the single byte i/.exec(textOf(content, 'tree'))?.[1];
  if (count === undefined) throw new NotUnderstood('another tree');
  return Array.from({ length: Number(count) }, (_, i) => leafHash(Uint8Array.of(i)));
}

/** `leaf i is the ASCII bytes "leaf " + decimal i`, N of them. */
function textLeaves(content: Fields): Hash[] {
  const prefix = /^leaf i is the ASCII bytes "([^"]*)" \+ decimal i/.exec(textOf(content, 'tree'))?.[1];
  if (prefix === undefined) throw new NotUnderstood('another tree');
  return Array.from({ length: Number(textOf(content, 'N')) }, (_, i) => leafHash(utf8Encode(`${prefix}${i}`)));
}

async function* subtreeHashLines(leaves: readonly Hash[]): AsyncIterable<string> {
  for (let end = 0; end <= leaves.length; end++) {
    for (let start = 0; start <= end; start++) {
      // This file counts the empty interval as valid; the specification and isValidSubtree do not.
      if (start === end) yield `[${start}, ${end}) ${hexEncode(EMPTY_ROOT)}\n`;
      else if (isValidSubtree(start, end)) yield `[${start}, ${end}) ${rootHex(leaves.slice(start, end))}\n`;
    }
  }
}

async function* subtreeCoverLines(count: number): AsyncIterable<string> {
  for (let end = 0; end <= count; end++) {
    for (let start = 0; start <= end; start++) {
      const [left, right] = coverInterval(start, end);
      yield `[${left.start}, ${left.end}) [${right.start}, ${right.end})\n`;
    }
  }
}

async function* rootLines(leaves: readonly Hash[]): AsyncIterable<string> {
  for (let n = 1; n <= leaves.length; n++) yield `${n} ${rootHex(leaves.slice(0, n))}\n`;
}

async function* inclusionLines(leaves: readonly Hash[]): AsyncIterable<string> {
  const read = memoryReader(leaves);
  for (let n = 1; n <= leaves.length; n++) {
    for (let i = 0; i < n; i++) yield `${i} ${n}${hexes(await proveInclusion(i, n, read, nobleHasher))}\n`;
  }
}

async function* consistencyLines(leaves: readonly Hash[]): AsyncIterable<string> {
  const read = memoryReader(leaves);
  for (let n = 1; n <= leaves.length; n++) {
    for (let m = 1; m <= n; m++) yield `${m} ${n}${hexes(await proveConsistency(m, n, read, nobleHasher))}\n`;
  }
}

function hexes(hashes: readonly Hash[]): string {
  return hashes.map((hash) => ` ${hexEncode(hash)}`).join('');
}

function rootHex(leaves: readonly Hash[]): string {
  return hexEncode(rootOfHashes(leaves));
}

function size(fields: Fields, name: string): number {
  return parseDecimal(textOf(fields, name), name);
}
