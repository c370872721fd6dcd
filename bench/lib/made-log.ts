/**
 * Logs for a witness to be measured with: one tree in memory, and for each log the whole list of add-checkpoint requests
 * with which it grows, made before the clock runs. Signatures differ by log, roots and proofs do not.
 */
import { Buffer } from 'node:buffer';
import { base64Encode, utf8Encode } from '../../proofs/bytes.ts';
import { formatCheckpointBody } from '../../proofs/checkpoint.ts';
import type { Hash } from '../../proofs/hash.ts';
import { makeSignerKey, type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { formatNote, makeSignature } from '../../proofs/note.ts';
import { proveConsistency } from '../../proofs/prove.ts';
import { appendLeaf, EMPTY_RANGE, rangeRoot } from '../../proofs/range.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { nativeSigner } from '../../witness/native-ed25519.ts';
import { requestBytes } from './connection.ts';

/** Leaves between two heads of a log: what a second of a busy log brings. */
export const LEAVES_PER_HEAD = 100;

export interface Growth {
  /** From size `i · LEAVES_PER_HEAD` to the next one. */
  readonly steps: readonly { readonly root: Hash; readonly proof: readonly Hash[] }[];
}

export interface MadeLog {
  readonly origin: string;
  readonly vkey: string;
  /** Request `i` brings the head of size `(i + 1) · LEAVES_PER_HEAD`. */
  readonly requests: readonly Buffer[];
}

/** The tree that all logs have, and how it grows. */
export async function makeGrowth(steps: number): Promise<Growth> {
  const size = steps * LEAVES_PER_HEAD;
  const levels: Hash[][] = [[]];
  const leaves = levels[0] ?? [];
  for (let i = 0; i < size; i++) leaves.push(nativeHasher.leaf(utf8Encode(`entry ${i}`)));
  for (let level = 0; (levels[level]?.length ?? 0) > 1; level++) {
    const below = levels[level] ?? [];
    const above: Hash[] = [];
    for (let i = 0; i + 1 < below.length; i += 2) above.push(nativeHasher.node(at(below, i), at(below, i + 1)));
    levels.push(above);
  }
  const read = async (nodes: readonly { level: number; index: number }[]): Promise<readonly Hash[]> =>
    nodes.map(({ level, index }) => at(levels[level] ?? [], index));
  const grown: { root: Hash; proof: readonly Hash[] }[] = [];
  let range = EMPTY_RANGE;
  for (let step = 0; step < steps; step++) {
    const from = step * LEAVES_PER_HEAD;
    const to = from + LEAVES_PER_HEAD;
    for (let i = from; i < to; i++) range = appendLeaf(range, at(leaves, i), nativeHasher);
    const proof = from === 0 ? [] : await proveConsistency(from, to, read, nativeHasher);
    grown.push({ root: rangeRoot(range, nativeHasher), proof });
  }
  return { steps: grown };
}

export function makeLog(number: number, { steps }: Growth): MadeLog {
  const origin = `bench.example/log-${number}`;
  const signer = makeSignerKey(origin, 1, new Uint8Array(32).fill(1 + (number % 250)));
  const sign = nativeSigner(signer.secret);
  const requests = steps.map(({ root, proof }, i) => {
    const text = formatCheckpointBody({ origin, size: (i + 1) * LEAVES_PER_HEAD, root });
    const note = formatNote({ text, signatures: [signatureOf(signer, sign(utf8Encode(text)))] });
    return postOf(`old ${i * LEAVES_PER_HEAD}\n${proof.map((hash) => `${base64Encode(hash)}\n`).join('')}\n${note}`);
  });
  return { origin, vkey: verifierKeyOf(signer).vkey, requests };
}

function signatureOf(signer: SignerKey, signature: Uint8Array): ReturnType<typeof makeSignature> {
  return makeSignature(signer.name, signer.keyId, signature);
}

function postOf(text: string): Buffer {
  const body = Buffer.from(text);
  const { bytes, bodyStart } = requestBytes('POST', '/add-checkpoint', { 'content-type': 'text/plain' }, body.length);
  body.copy(bytes, bodyStart);
  return bytes;
}

function at(hashes: readonly Hash[], index: number): Hash {
  const hash = hashes[index];
  if (hash === undefined) throw new RangeError(`there is no hash ${index}`);
  return hash;
}
