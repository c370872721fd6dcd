/**
 * Checkpoints (C2SP tlog-checkpoint): the head of a log as the text of a signed note.
 *
 *     example.com/behind-the-sofa
 *     20852163
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
 *
 * Origin, size, root; then extension lines, which our logs never write and everyone here carries along unread.
 */
import { base64Decode, base64Encode } from './bytes.ts';
import { type VerifyOptions, verifySignature } from './cosignature.ts';
import { ProofError, recode } from './errors.ts';
import { HASH_BYTES, type Hash } from './hash.ts';
import { hasControlCharacter, type VerifierKey } from './key.ts';
import { type Note, parseNote } from './note.ts';
import { parseDecimal } from './numbers.ts';

export interface Checkpoint {
  readonly origin: string;
  /** Number of leaves. */
  readonly size: number;
  readonly root: Hash;
  /** Opaque, each not empty. An ML-DSA-44 signature does not cover them. */
  readonly extensions: readonly string[];
  /** The note text, as it was signed: hash and compare this, not a re-encoding. */
  readonly body: string;
}

/**
 * Parses the text of a checkpoint, without signatures. Throws `invalid-checkpoint`, or `size-too-large` for a size
 * above 2^53−1. It does not ask whether the root of an empty tree is the right one: that is for who judges the head.
 */
export function parseCheckpointBody(text: string): Checkpoint {
  if (!text.endsWith('\n')) throw new ProofError('invalid-checkpoint', 'a checkpoint ends in a newline');
  const lines = text.slice(0, -1).split('\n');
  const [origin, size, root, ...extensions] = lines;
  if (origin === undefined || size === undefined || root === undefined) {
    throw new ProofError('invalid-checkpoint', 'a checkpoint has at least three lines');
  }
  for (const line of lines) {
    if (line === '') throw new ProofError('invalid-checkpoint', 'a checkpoint has no empty line');
    if (hasControlCharacter(line)) throw new ProofError('invalid-checkpoint', 'a checkpoint has no control character');
  }
  const body = text;
  return { origin, size: parseSize(size), root: parseRoot(root), extensions, body };
}

/** The text of a checkpoint; extension lines are given only to write again what someone else wrote. */
export function formatCheckpointBody(head: {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
  readonly extensions?: readonly string[];
}): string {
  const lines = [head.origin, String(head.size), base64Encode(head.root), ...(head.extensions ?? [])];
  if (lines.some((line) => line.includes('\n'))) throw new ProofError('invalid-checkpoint', 'a line holds a newline');
  return parseCheckpointBody(lines.map((line) => `${line}\n`).join('')).body;
}

/** A checkpoint with its signatures, none of them verified. Throws what `parseNote` and `parseCheckpointBody` do. */
export function parseCheckpoint(bytes: Uint8Array | string): { readonly checkpoint: Checkpoint; readonly note: Note } {
  const note = parseNote(bytes);
  return { checkpoint: parseCheckpointBody(note.text), note };
}

/** A checkpoint that a log signed, and the keys of the log that did. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly note: Note;
  readonly logKeys: readonly VerifierKey[];
}

/**
 * Parses a checkpoint and verifies its log's signatures; signatures by others are neither judged nor trusted.
 * Throws `wrong-origin`, `no-log-signature` without one good signature by a key of this log, and `bad-log-signature`
 * if any line of a key of this log is bad, even beside a good one.
 */
export function verifyCheckpoint(
  bytes: Uint8Array | string,
  keys: readonly VerifierKey[],
  origin: string,
  options: VerifyOptions = {},
): SignedCheckpoint {
  const { checkpoint, note } = parseCheckpoint(bytes);
  if (checkpoint.origin !== origin) throw new ProofError('wrong-origin', 'the checkpoint is that of another log');
  return { checkpoint, note, logKeys: verifyLogSignatures(checkpoint, note, keys, options) };
}

/**
 * The log keys, of those given, that signed this checkpoint. A checkpoint with extension lines needs a signature that
 * covers them (not ML-DSA-44): otherwise anyone could add some.
 */
export function verifyLogSignatures(
  checkpoint: Checkpoint,
  note: Note,
  keys: readonly VerifierKey[],
  options: VerifyOptions = {},
): readonly VerifierKey[] {
  const signedBy: VerifierKey[] = [];
  for (const key of keys) {
    const lines = note.signatures.filter((line) => line.name === key.name && line.keyId === key.keyId);
    for (const line of lines) {
      recode('bad-log-signature', () => verifySignature(checkpoint, line, key, options));
    }
    if (lines.length > 0) signedBy.push(key);
  }
  if (!signedBy.some((key) => key.type !== 6 || checkpoint.extensions.length === 0)) {
    throw new ProofError('no-log-signature', 'no trusted key of this log signed the checkpoint');
  }
  return signedBy;
}

function parseSize(line: string): number {
  return recode('invalid-checkpoint', () => parseDecimal(line, 'the tree size'));
}

function parseRoot(line: string): Hash {
  const root = recode('invalid-checkpoint', () => base64Decode(line));
  if (root.length !== HASH_BYTES) throw new ProofError('invalid-checkpoint', `a root hash has ${HASH_BYTES} bytes`);
  return root;
}
