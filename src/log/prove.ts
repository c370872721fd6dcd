/**
 * Stage `prove`: inclusion and consistency proofs and receipts from checked tiles. Every proof is verified with the
 * verifier's own code before it leaves.
 */
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { proveConsistency, proveInclusion } from '../../proofs/prove.ts';
import { rangeAt, rangeRoot } from '../../proofs/range.ts';
import { formatTlogProof } from '../../proofs/tlog-proof.ts';
import type { TreeState } from './integrate.ts';
import type { TreeReader } from './tree-reader.ts';
import type { ProvenInclusion } from './types.ts';

export interface ProofSource {
  readonly reader: TreeReader;
  readonly hasher: Hasher;
  /** A durable state at least as large as any size asked for. */
  readonly state: TreeState;
}

export async function rootAt({ reader, hasher, state }: ProofSource, size: number): Promise<Hash> {
  return rangeRoot(await rangeAt(size, reader.hashReader(state)), hasher);
}

export async function leafAt({ reader, state }: ProofSource, index: number): Promise<Hash> {
  const [hash] = await reader.hashReader(state)([{ level: 0, index }]);
  if (hash === undefined) throw new Error(`leaf ${index} was not read`);
  return hash;
}

/** `rootOf` is the root of that size by a way that does not lead over the proof. */
export async function inclusion(
  source: ProofSource,
  index: number,
  size: number,
  rootOf: (size: number) => Promise<Hash> = (at) => rootAt(source, at),
): Promise<ProvenInclusion> {
  const { reader, hasher, state } = source;
  const [proof, leafHash, root] = await Promise.all([
    proveInclusion(index, size, reader.hashReader(state), hasher),
    leafAt(source, index),
    rootOf(size),
  ]);
  checkInclusion({ index, size, leafHash, proof, root }, hasher);
  return { leafHash, root, proof };
}

export async function consistency(source: ProofSource, from: number, to: number): Promise<readonly Hash[]> {
  const { reader, hasher, state } = source;
  const proof = await proveConsistency(from, to, reader.hashReader(state), hasher);
  const [fromRoot, toRoot] = await Promise.all([rootAt(source, from), rootAt(source, to)]);
  checkConsistency({ from, to, fromRoot, toRoot, proof }, hasher);
  return proof;
}

/** The `.tlog-proof` of one entry against a published checkpoint; `extra` carries the entry itself. */
export async function receipt(
  source: ProofSource,
  index: number,
  published: { readonly size: number; readonly note: string },
  entry: Uint8Array,
): Promise<string> {
  const { proof } = await inclusion(source, index, published.size);
  return formatTlogProof({ index, proof, checkpoint: published.note, extra: entry });
}
