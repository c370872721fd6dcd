/**
 * The one record that a witness keeps per log: the newest head that it vouched for. As bytes it is a SHA-256 digest
 * and then JSON; the digest finds what LevelDB does not, a flipped bit.
 *
 *     32 bytes SHA-256 of the rest ‖ {"note": "<checkpoint, lines of the log>", "cosignatures": "<our lines>"}
 */
import { createHash } from 'node:crypto';
import { concatBytes, equalBytes, hexDecode, utf8Decode, utf8Encode } from '../proofs/bytes.ts';
import { type Checkpoint, parseCheckpoint } from '../proofs/checkpoint.ts';
import { formatNote, formatSignatureLines, type NoteSignature, parseSignatureLines } from '../proofs/note.ts';
import { messageOf, WitnessError } from './errors.ts';
import { originHash } from './logs.ts';

export interface HeadRecord {
  readonly checkpoint: Checkpoint;
  /** Lines of the log's trusted keys, verified when they came in. */
  readonly logSignatures: readonly NoteSignature[];
  /** Our own lines. Empty only where a crash came between the record and the signature; they can be made again. */
  readonly cosignatures: readonly NoteSignature[];
}

/** First byte of the key of a head record; the origin's hash follows. */
export const HEAD_ROW = 0x01;
const DIGEST_BYTES = 32;

export function headKey(origin: string): Uint8Array {
  return concatBytes(Uint8Array.of(HEAD_ROW), hexDecode(originHash(origin)));
}

export function encodeHead({ checkpoint, logSignatures, cosignatures }: HeadRecord): Uint8Array {
  const note = formatNote({ text: checkpoint.body, signatures: logSignatures });
  const payload = utf8Encode(JSON.stringify({ note, cosignatures: formatSignatureLines(cosignatures) }));
  return concatBytes(digest(payload), payload);
}

/** Throws `state-corrupt` for anything that `encodeHead` did not write under this key. */
export function decodeHead(key: Uint8Array, value: Uint8Array): HeadRecord {
  const payload = value.subarray(DIGEST_BYTES);
  if (!equalBytes(value.subarray(0, DIGEST_BYTES), digest(payload))) {
    throw new WitnessError('state-corrupt', 'a head record of the database does not match its digest');
  }
  let record: HeadRecord;
  try {
    record = parsePayload(payload);
  } catch (error) {
    throw new WitnessError('state-corrupt', `a head record of the database is not readable: ${messageOf(error)}`);
  }
  if (!equalBytes(key, headKey(record.checkpoint.origin))) {
    throw new WitnessError('state-corrupt', `the head of "${record.checkpoint.origin}" is stored under another key`);
  }
  return record;
}

/** The head as anyone may see it: the checkpoint with its log's lines and ours. */
export function formatHead({ checkpoint, logSignatures, cosignatures }: HeadRecord): string {
  return formatNote({ text: checkpoint.body, signatures: [...logSignatures, ...cosignatures] });
}

function parsePayload(payload: Uint8Array): HeadRecord {
  const parsed: unknown = JSON.parse(utf8Decode(payload));
  if (typeof parsed !== 'object' || parsed === null || !('note' in parsed) || !('cosignatures' in parsed)) {
    throw new TypeError('members are missing');
  }
  const { note: text, cosignatures } = parsed;
  if (typeof text !== 'string' || typeof cosignatures !== 'string') throw new TypeError('members are not texts');
  const { checkpoint, note } = parseCheckpoint(text);
  return {
    checkpoint,
    logSignatures: note.signatures,
    cosignatures: cosignatures === '' ? [] : parseSignatureLines(cosignatures),
  };
}

function digest(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
