/**
 * Signatures on checkpoints (C2SP tlog-cosignature): the bytes that each type signs, and the one place where a
 * signature on a checkpoint is judged. A signature of type 0x04 or 0x06 is a time and what was signed at that time:
 *
 *     timestamped_signature = u64 seconds ‖ Ed25519 signature (64 bytes) or ML-DSA-44 signature (2420 bytes)
 *
 * A log signs with type 0x01 and, as "tlog-checkpoint" asks, with an ML-DSA-44 cosignature under its own name.
 */
import { concatBytes, utf8Encode } from './bytes.ts';
import type { Checkpoint } from './checkpoint.ts';
import * as ed25519 from './ed25519.ts';
import { ProofError, recode } from './errors.ts';
import { assertHash, type Hash } from './hash.ts';
import type { SignatureType, SignerKey, VerifierKey } from './key.ts';
import * as mldsa44 from './mldsa44.ts';
import { makeSignature, type NoteSignature } from './note.ts';
import { assertSize } from './numbers.ts';

export type SignatureVerifier = (message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) => boolean;

/** Verifiers that an admitting server may put in place of ours; what they accept must be a subset of what ours do. */
export interface VerifyOptions {
  readonly verifiers?: { readonly ed25519?: SignatureVerifier; readonly mldsa44?: SignatureVerifier };
}

/** The leaves [start, end) of a log's tree and the root hash over them; a checkpoint is the subtree [0, size). */
export interface SignedSubtree {
  readonly origin: string;
  readonly start: number;
  readonly end: number;
  readonly hash: Hash;
}

/** What a signer must sign, whoever holds the key: a worker, an agent, a file. */
export type CosignerKey = Pick<VerifierKey, 'name' | 'keyId' | 'type'>;

const TIMESTAMP_BYTES = 8;
const MAX_TIMESTAMP = 2n ** 63n - 1n;
const SUBTREE_LABEL = 'subtree/v1\n\0';

/**
 * Judges one signature line by one key over one checkpoint. The time is that of a cosignature, null for type 0x01.
 * Throws `bad-signature`, or `size-too-large` for a time above 2^53−1.
 */
export function verifySignature(
  checkpoint: Checkpoint,
  signature: NoteSignature,
  key: VerifierKey,
  options: VerifyOptions = {},
): { readonly timestamp: number | null } {
  if (key.type !== 1) return verifyCosignature(checkpoint, signature, key, options);
  checkSignature(utf8Encode(checkpoint.body), signature, signature.signature, key, options);
  return { timestamp: null };
}

/**
 * Judges a cosignature; the timestamp is in seconds and 0 says nothing about the time. Throws `bad-signature`,
 * `size-too-large` for a time above 2^53−1, `unsupported-key-type` for a key that makes no cosignatures.
 */
export function verifyCosignature(
  checkpoint: Checkpoint,
  signature: NoteSignature,
  key: VerifierKey,
  options: VerifyOptions = {},
): { readonly timestamp: number } {
  const { timestamp, bytes } = splitTimestamped(signature, key);
  const message = recode('bad-signature', () => cosignedMessage(checkpoint, key, timestamp));
  checkSignature(message, signature, bytes, key, options);
  return { timestamp };
}

/** Judges an ML-DSA-44 cosignature of a subtree: its time must be 0 unless the subtree starts at leaf 0. */
export function verifySubtreeCosignature(
  subtree: SignedSubtree,
  signature: NoteSignature,
  key: VerifierKey,
  options: VerifyOptions = {},
): { readonly timestamp: number } {
  if (key.type !== 6) throw new ProofError('unsupported-key-type', 'only ML-DSA-44 keys sign subtrees');
  const { timestamp, bytes } = splitTimestamped(signature, key);
  if (subtree.start !== 0 && timestamp !== 0) throw new ProofError('bad-signature', 'a subtree has no time');
  const message = recode('bad-signature', () => subtreeMessage(key.name, timestamp, subtree));
  checkSignature(message, signature, bytes, key, options);
  return { timestamp };
}

/** Signs a checkpoint with a key of any type; the time, in seconds, is not used by type 0x01. */
export function signCheckpoint(checkpoint: Checkpoint, signer: SignerKey, timestamp: number): NoteSignature {
  if (signer.type !== 1) return cosign(checkpoint, signer, timestamp);
  const bytes = ed25519.sign(utf8Encode(checkpoint.body), signer.secret);
  return makeSignature(signer.name, signer.keyId, bytes);
}

/** The cosignature of a checkpoint by a key of type 0x04 or 0x06. A witness gives a time that is not 0. */
export function cosign(checkpoint: Checkpoint, signer: SignerKey, timestamp: number): NoteSignature {
  const message = cosignedMessage(checkpoint, signer, timestamp);
  return makeCosignature(signer, timestamp, signBytes(message, signer));
}

/** The ML-DSA-44 cosignature of a subtree, without a time. */
export function cosignSubtree(subtree: SignedSubtree, signer: SignerKey): NoteSignature {
  if (signer.type !== 6) throw new ProofError('unsupported-key-type', 'only ML-DSA-44 keys sign subtrees');
  return makeCosignature(signer, 0, signBytes(subtreeMessage(signer.name, 0, subtree), signer));
}

/** The signature line around signature bytes that were made elsewhere over `cosignedMessage`. */
export function makeCosignature(key: CosignerKey, timestamp: number, signature: Uint8Array): NoteSignature {
  return makeSignature(key.name, key.keyId, concatBytes(uint64(timestamp), signature));
}

/**
 * The bytes that a cosignature signs. Type 0x04: two header lines and the whole note text. Type 0x06: a
 * `cosigned_message`, which holds no extension lines.
 */
export function cosignedMessage(
  checkpoint: Checkpoint,
  key: { readonly name: string; readonly type: SignatureType },
  timestamp: number,
): Uint8Array {
  assertSize(timestamp, 'timestamp');
  if (key.type === 4) return utf8Encode(`cosignature/v1\ntime ${timestamp}\n${checkpoint.body}`);
  if (key.type !== 6) throw new ProofError('unsupported-key-type', `keys of type ${key.type} make no cosignatures`);
  const { origin, size, root } = checkpoint;
  return subtreeMessage(key.name, timestamp, { origin, start: 0, end: size, hash: root });
}

/** tlog-cosignature, "ML-DSA-44 signed message". Names have 1 to 255 bytes, else `invalid-argument`. */
export function subtreeMessage(cosignerName: string, timestamp: number, subtree: SignedSubtree): Uint8Array {
  return concatBytes(
    utf8Encode(SUBTREE_LABEL),
    shortString(cosignerName, 'cosigner name'),
    uint64(timestamp),
    shortString(subtree.origin, 'log origin'),
    uint64(subtree.start),
    uint64(subtree.end),
    assertHash(subtree.hash, 'subtree hash'),
  );
}

/**
 * The time, in seconds, in a timestamped signature of either type, judged by nothing but its length. Throws
 * `invalid-signature`, or `size-too-large` above 2^53−1.
 */
export function readTimestamp(signature: Uint8Array): number {
  const length = signature.length - TIMESTAMP_BYTES;
  if (length !== ed25519.ED25519_SIGNATURE_BYTES && length !== mldsa44.MLDSA44_SIGNATURE_BYTES) {
    throw new ProofError('invalid-signature', 'a timestamped signature has another length');
  }
  const time = new DataView(signature.buffer, signature.byteOffset, TIMESTAMP_BYTES).getBigUint64(0);
  if (time > MAX_TIMESTAMP) throw new ProofError('invalid-signature', 'a timestamp is at most 2^63-1');
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ProofError('size-too-large', 'the timestamp is above 2^53-1, the largest that is supported here');
  }
  return Number(time);
}

function splitTimestamped(signature: NoteSignature, key: VerifierKey): { timestamp: number; bytes: Uint8Array } {
  if (key.type === 1) throw new ProofError('unsupported-key-type', 'keys of type 1 make no cosignatures');
  const timestamp = recode('bad-signature', () => readTimestamp(signature.signature));
  return { timestamp, bytes: signature.signature.subarray(TIMESTAMP_BYTES) };
}

function checkSignature(
  message: Uint8Array,
  line: NoteSignature,
  signature: Uint8Array,
  key: VerifierKey,
  { verifiers = {} }: VerifyOptions,
): void {
  const { verify } = key.type === 6 ? mldsa44 : ed25519;
  const verifier = (key.type === 6 ? verifiers.mldsa44 : verifiers.ed25519) ?? verify;
  const byThisKey = line.name === key.name && line.keyId === key.keyId;
  if (!byThisKey || !verifier(message, signature, key.publicKey)) {
    throw new ProofError('bad-signature', `a signature by ${key.name} is bad`, { name: key.name });
  }
}

function signBytes(message: Uint8Array, signer: SignerKey): Uint8Array {
  return signer.type === 6 ? mldsa44.sign(message, signer.secret) : ed25519.sign(message, signer.secret);
}

/** `opaque text<1..2^8-1>` of RFC 8446 §3.4. */
function shortString(text: string, what: string): Uint8Array {
  const bytes = utf8Encode(text);
  if (bytes.length < 1 || bytes.length > 255)
    throw new ProofError('invalid-argument', `the ${what} has 1 to 255 bytes`);
  return concatBytes(Uint8Array.of(bytes.length), bytes);
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(assertSize(value, 'a 64-bit number')));
  return bytes;
}
