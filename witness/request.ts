/**
 * Request bodies (C2SP tlog-witness), from bytes to typed values, one accepted spelling. A head line or two, proof
 * lines, a blank line, a checkpoint:
 *
 *     old 20852014                                          subtree 8 13
 *     PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=          mbsQCg+dEIMGlpqeGgk94JutQwKKS2Lo5IuDhKmDjiU=
 *     …                                                     …
 *
 *     example.com/behind-the-sofa                           example.com/behind-the-sofa
 *     …                                                     …
 *
 * Everything malformed is one refusal, 400.
 */
import { base64Decode, utf8Decode } from '../proofs/bytes.ts';
import { MAX_PROOF_HASHES } from '../proofs/check.ts';
import { type Checkpoint, parseCheckpoint } from '../proofs/checkpoint.ts';
import { ProofError } from '../proofs/errors.ts';
import { HASH_BYTES, type Hash } from '../proofs/hash.ts';
import type { Note } from '../proofs/note.ts';
import { parseDecimal } from '../proofs/numbers.ts';
import { isValidSubtree } from '../proofs/subtree.ts';
import { Refused } from './reply.ts';

/** A checkpoint as it came in: nothing about it is verified yet. */
export interface UnverifiedHead {
  readonly checkpoint: Checkpoint;
  readonly note: Note;
  /**
   * True where a signature line is base64 with stray bits under its padding. A decoder that is less strict sees a
   * signature there, so this is a signature that does not verify (403), and not a body that is malformed (400).
   */
  readonly strayBits?: boolean;
}

export interface AddCheckpointRequest {
  readonly oldSize: number;
  readonly proof: readonly Hash[];
  readonly head: UnverifiedHead;
}

export interface SignSubtreeRequest {
  readonly start: number;
  readonly end: number;
  readonly subtreeHash: Hash;
  readonly proof: readonly Hash[];
  readonly head: UnverifiedHead;
}

/** The longest request that can be valid: 63 proof lines and a checkpoint with 16 post-quantum signatures, and more. */
export const MAX_REQUEST_BYTES = 256 * 1024;

/** Throws Refused `malformed`. */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpointRequest {
  return strictly(() => {
    const { lines, head } = splitRequest(body);
    const [first = '', ...proofLines] = lines;
    const [, oldSize = ''] = match(first, /^old ([^ ]+)$/, 'the first line is "old" and a size');
    return { oldSize: parseDecimal(oldSize, 'the old size'), proof: parseProof(proofLines), head };
  });
}

/** Throws Refused `malformed`, also for a range that is no valid subtree of the checkpoint's tree. */
export function parseSignSubtree(body: Uint8Array): SignSubtreeRequest {
  return strictly(() => {
    const { lines, head } = splitRequest(body);
    const [first = '', second = '', ...proofLines] = lines;
    const [, from = '', to = ''] = match(first, /^subtree ([^ ]+) ([^ ]+)$/, 'the first line is "subtree", start, end');
    const start = parseDecimal(from, 'the start');
    const end = parseDecimal(to, 'the end');
    if (!isValidSubtree(start, end)) throw new Refused('malformed', `[${start}, ${end}) is not a valid subtree`);
    if (end > head.checkpoint.size) throw new Refused('malformed', 'the subtree reaches beyond the checkpoint');
    return { start, end, subtreeHash: parseHash(second), proof: parseProof(proofLines), head };
  });
}

/** A checkpoint on its own, as a log serves it. Throws Refused `malformed`. */
export function parseHead(bytes: Uint8Array | string): UnverifiedHead {
  return strictly(() => parseUnverified(bytes));
}

function splitRequest(body: Uint8Array): { lines: readonly string[]; head: UnverifiedHead } {
  if (body.length > MAX_REQUEST_BYTES) throw new Refused('malformed', 'the request is too long');
  const text = utf8Decode(body);
  const blank = text.indexOf('\n\n');
  if (blank < 0) throw new Refused('malformed', 'there is no blank line before the checkpoint');
  const lines = text.slice(0, blank).split('\n');
  return { lines, head: parseUnverified(text.slice(blank + 2)) };
}

function parseUnverified(bytes: Uint8Array | string): UnverifiedHead {
  try {
    return parseCheckpoint(bytes);
  } catch (error) {
    if (!(error instanceof ProofError) || error.code !== 'invalid-note') throw error;
    const text = typeof bytes === 'string' ? bytes : utf8Decode(bytes);
    const cleared = clearStrayBits(text);
    if (cleared === text) throw error;
    return { ...parseCheckpoint(cleared), strayBits: true };
  }
}

/** The text with the bits under the padding of every signature line set to zero, and nothing else changed. */
function clearStrayBits(text: string): string {
  return text.replace(/^(\u2014 \S+ )([A-Za-z0-9+/]+={1,2})$/gm, (line: string, start: string, base64: string) =>
    base64.length % 4 === 0 ? start + Buffer.from(base64, 'base64').toString('base64') : line,
  );
}

function parseProof(lines: readonly string[]): readonly Hash[] {
  if (lines.length > MAX_PROOF_HASHES) throw new Refused('malformed', `more than ${MAX_PROOF_HASHES} proof lines`);
  return lines.map(parseHash);
}

function parseHash(line: string): Hash {
  const hash = base64Decode(line);
  if (hash.length !== HASH_BYTES) throw new Refused('malformed', `a hash line holds ${HASH_BYTES} bytes`);
  return hash;
}

function match(line: string, shape: RegExp, rule: string): RegExpExecArray {
  const found = shape.exec(line);
  if (found === null) throw new Refused('malformed', rule);
  return found;
}

function strictly<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    // A size that the specification allows and this implementation does not support says so, in a word of its own.
    if (error.code === 'size-too-large') throw new Refused('size-too-large', `${error.code}: ${error.message}`);
    throw new Refused('malformed', error.message);
  }
}
