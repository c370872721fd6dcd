/**
 * What the witness tests share: keys with fixed seeds, logs that sign whatever they are told to, requests, answers.
 */
import { base64Encode, utf8Encode } from '../../../proofs/bytes.ts';
import {
  type Checkpoint,
  formatCheckpointBody,
  parseCheckpoint,
  parseCheckpointBody,
} from '../../../proofs/checkpoint.ts';
import { signCheckpoint, verifyCosignature } from '../../../proofs/cosignature.ts';
import type { Hash } from '../../../proofs/hash.ts';
import {
  makeSignerKey,
  parseVerifierKey,
  type SignatureType,
  type SignerKey,
  type VerifierKey,
  verifierKeyOf,
} from '../../../proofs/key.ts';
import { parseSignatureLines } from '../../../proofs/note.ts';
import { localCosigner } from '../../../witness/cosigner.ts';
import type { KnownLog } from '../../../witness/logs.ts';
import type { Reply } from '../../../witness/reply.ts';
import { openMemoryWitness, type Witness } from '../../../witness/witness.ts';
import { type NaiveTree, naiveTree, platformHasher } from '../../support/tree.ts';

export const CLOCK_SECONDS = 1_790_000_000;

export function seed(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

export const WITNESS_NAME = 'witness.example/w1';
export const witnessEd25519: SignerKey = makeSignerKey(WITNESS_NAME, 4, seed(0x41));
export const witnessMldsa44: SignerKey = makeSignerKey(WITNESS_NAME, 6, seed(0x42));

/** A log with a tree in memory and a key, which signs every head of every tree that a test asks for. */
export interface TestLog {
  readonly origin: string;
  readonly signer: SignerKey;
  readonly known: KnownLog;
  readonly tree: NaiveTree;
  /** The signed head of this size, of its own tree or with another root. */
  readonly head: (size: number, root?: Hash) => string;
  /** The whole add-checkpoint request from one size to another. */
  readonly request: (from: number, to: number, change?: Partial<RequestParts>) => Uint8Array;
}

export interface RequestParts {
  readonly old: string;
  readonly proof: readonly Hash[];
  readonly head: string;
}

export const MAX_TEST_LEAVES = 600;

export function testLog(
  options: { origin?: string; type?: SignatureType; seed?: number; branch?: { at: number; name: string } } = {},
): TestLog {
  const { origin = 'log.example/one', type = 1, branch } = options;
  const signer = makeSignerKey(origin, type, seed(options.seed ?? 0x11));
  const leaves = Array.from({ length: MAX_TEST_LEAVES }, (_, i) =>
    platformHasher.leaf(utf8Encode(branch !== undefined && i >= branch.at ? `${branch.name} ${i}` : `entry ${i}`)),
  );
  const tree = naiveTree(leaves);
  const head = (size: number, root = tree.root(0, size)): string => signedHead(signer, { origin, size, root });
  return {
    origin,
    signer,
    tree,
    head,
    known: { origin, keys: [verifierKeyOf(signer)] },
    request: (from, to, change = {}) =>
      requestOf({
        old: String(from),
        proof: from === 0 || from >= to ? [] : tree.consistency(from, to),
        head: head(to),
        ...change,
      }),
  };
}

export function signedHead(
  signer: SignerKey,
  head: { origin: string; size: number; root: Hash; extensions?: readonly string[] },
): string {
  const body = formatCheckpointBody(head);
  return `${body}\n${signCheckpoint(parseCheckpointBody(body), signer, CLOCK_SECONDS).line}\n`;
}

export function requestOf({ old, proof, head }: RequestParts): Uint8Array {
  return utf8Encode(`old ${old}\n${proof.map((hash) => `${base64Encode(hash)}\n`).join('')}\n${head}`);
}

/** A witness in memory with the test keys and a clock that stands still. */
export function memoryWitness(
  logs: readonly KnownLog[],
  options: Partial<Parameters<typeof openMemoryWitness>[0]> = {},
): Promise<Witness> {
  return openMemoryWitness({
    cosigners: [localCosigner(witnessEd25519)],
    clock: () => CLOCK_SECONDS * 1000,
    logs,
    ...options,
  });
}

export function logOf({ origin, vkeys }: { readonly origin: string; readonly vkeys: readonly string[] }): KnownLog {
  return { origin, keys: vkeys.map(parseVerifierKey) };
}

/** The cosignatures of a 200 answer, each verified under one of the keys; throws if one is not. */
export function verifiedLines(
  reply: Pick<Reply, 'body'>,
  checkpoint: Checkpoint,
  keys: readonly VerifierKey[],
): readonly { key: VerifierKey; timestamp: number }[] {
  return parseSignatureLines(reply.body).map((line) => {
    const key = keys.find(({ name, keyId }) => name === line.name && keyId === line.keyId);
    if (key === undefined) throw new Error(`a line by an unknown key: ${line.name}`);
    return { key, ...verifyCosignature(checkpoint, line, key) };
  });
}

/** The checkpoint in an add-checkpoint request. */
export function checkpointIn(request: string): Checkpoint {
  return parseCheckpoint(request.slice(request.indexOf('\n\n') + 2)).checkpoint;
}
