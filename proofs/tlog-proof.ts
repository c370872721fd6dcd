/**
 * Offline proofs of logging (C2SP tlog-proof), files that end in `.tlog-proof`:
 *
 *     c2sp.org/tlog-proof@v1
 *     extra YW55IGJ5dGVz
 *     index 6
 *     ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=
 *     (a blank line, then the checkpoint with its signatures)
 *
 * `extra` is not authenticated by anything; a receipt of ours carries the entry there, which its leaf hash then proves.
 */
import { base64Decode, base64Encode, utf8Decode } from './bytes.ts';
import { checkInclusion, MAX_PROOF_HASHES } from './check.ts';
import { ProofError, recode } from './errors.ts';
import { HASH_BYTES, type Hash } from './hash.ts';
import { MAX_NOTE_BYTES } from './note.ts';
import { parseDecimal } from './numbers.ts';
import { type CheckedCheckpoint, type CheckOptions, checkCheckpoint, type Policy } from './policy.ts';

export interface TlogProof {
  /** 0-based. */
  readonly index: number;
  /** From the leaf's sibling up to the root's child; at most 63. */
  readonly proof: readonly Hash[];
  /** The checkpoint verbatim, not yet parsed. */
  readonly checkpoint: string;
  /** Not empty; trust nothing in it that the leaf hash does not prove. */
  readonly extra?: Uint8Array;
}

/** A checkpoint of 1 MiB, and as much again for `extra` and the hashes. */
export const MAX_TLOG_PROOF_BYTES: number = 2 * MAX_NOTE_BYTES;

const HEADER = 'c2sp.org/tlog-proof@v1';

/**
 * Parses the lines of a proof; nothing is verified and the checkpoint not looked at. Throws `invalid-tlog-proof`, or
 * `size-too-large` for an index above 2^53−1.
 */
export function parseTlogProof(bytes: Uint8Array | string): TlogProof {
  const text = proofText(bytes);
  const split = text.indexOf('\n\n');
  if (split < 0) throw new ProofError('invalid-tlog-proof', 'no blank line before the checkpoint');
  const [header, ...lines] = text.slice(0, split).split('\n');
  if (header !== HEADER) throw new ProofError('invalid-tlog-proof', `the first line is not ${HEADER}`);
  const extra = lines[0]?.startsWith('extra ') ? parseExtra(lines.shift() ?? '') : undefined;
  const index = parseIndex(lines.shift() ?? '');
  if (lines.length > MAX_PROOF_HASHES) throw new ProofError('invalid-tlog-proof', 'more than 63 hashes');
  const rest = { index, proof: lines.map(parseHash), checkpoint: text.slice(split + 2) };
  const parsed: TlogProof = extra === undefined ? rest : { ...rest, extra };
  if (formatTlogProof(parsed) !== text)
    throw new ProofError('invalid-tlog-proof', 'not in the one encoding of a proof');
  return parsed;
}

/** The proof as text. Empty `extra` is no `extra`. */
export function formatTlogProof({ index, proof, checkpoint, extra }: TlogProof): string {
  const lines = [HEADER];
  if (extra !== undefined && extra.length > 0) lines.push(`extra ${base64Encode(extra)}`);
  lines.push(`index ${index}`, ...proof.map(base64Encode));
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/**
 * Verifies a proof for a leaf hash that the caller computed itself: the checkpoint under the policy, then the inclusion
 * of the leaf in it. Throws what `checkCheckpoint` and `checkInclusion` do.
 */
export function checkTlogProof(
  tlogProof: TlogProof,
  leafHash: Hash,
  policy: Policy,
  options: CheckOptions = {},
): CheckedCheckpoint {
  const checked = checkCheckpoint(policy, tlogProof.checkpoint, options);
  const { size, root } = checked.checkpoint;
  checkInclusion({ index: tlogProof.index, size, leafHash, proof: tlogProof.proof, root });
  return checked;
}

function proofText(bytes: Uint8Array | string): string {
  if (bytes.length > MAX_TLOG_PROOF_BYTES) throw new ProofError('invalid-tlog-proof', 'the proof is too long');
  return typeof bytes === 'string' ? bytes : recode('invalid-tlog-proof', () => utf8Decode(bytes));
}

function parseExtra(line: string): Uint8Array {
  return recode('invalid-tlog-proof', () => base64Decode(line.slice('extra '.length)));
}

function parseIndex(line: string): number {
  if (!line.startsWith('index ')) throw new ProofError('invalid-tlog-proof', 'no index line');
  return recode('invalid-tlog-proof', () => parseDecimal(line.slice('index '.length), 'the index'));
}

function parseHash(line: string): Hash {
  const hash = recode('invalid-tlog-proof', () => base64Decode(line));
  if (hash.length !== HASH_BYTES) throw new ProofError('invalid-tlog-proof', `a hash has ${HASH_BYTES} bytes`);
  return hash;
}
