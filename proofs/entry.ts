/**
 * The entry: what the tree hashes and the whole world may see. It holds no readable data (DESIGN.md, Formats).
 *
 *   cbor(["countersign/entry/v1", log_time, producer_id, producer_seq or null, SHA-256(card), log_commitment,
 *         signature or null])
 *
 * `leaf_hash = SHA-256(0x00 ‖ entry)`. A producer may sign what it submits, before the log adds anything:
 *
 *   Ed25519 over cbor(["countersign/submission/v1", origin, producer_id, producer_seq or null, SHA-256(card)])
 */
import { type CborValue, decodeCbor, encodeCbor } from './cbor.ts';
import { CborWriter } from './cbor-writer.ts';
import { ProofError } from './errors.ts';
import { HASH_BYTES, type Hash } from './hash.ts';

export interface Entry {
  /** Microseconds since the Unix epoch, strictly increasing in a log. */
  readonly logTime: number;
  /** Public pseudonym of the producer: the id of its key or token, never a person's name. */
  readonly producerId: string;
  /** The producer's own numbering, if it has one. */
  readonly producerSeq: number | null;
  /** SHA-256 of the card. */
  readonly cardHash: Hash;
  /** Commitment to the field `log`. */
  readonly logCommitment: Hash;
  /** The producer's Ed25519 signature over `submissionMessage`, 64 bytes. */
  readonly signature: Uint8Array | null;
}

export const ENTRY_LABEL = 'countersign/entry/v1';
export const SUBMISSION_LABEL = 'countersign/submission/v1';
/** The array's head and the label, with which every entry begins. */
const ENTRY_HEAD: Uint8Array = new CborWriter().array(7).text(ENTRY_LABEL).copy();
/** C2SP tlog-tiles: the length of an entry in a bundle has 16 bits. */
export const MAX_ENTRY_BYTES = 65_535;
export const MAX_PRODUCER_ID_CHARACTERS = 128;
export const PRODUCER_SIGNATURE_BYTES = 64;

/** Space to write in, begun anew by every call. */
const writer: CborWriter = new CborWriter();

/** Visible ASCII: it is shown in lines of text and never needs escaping. */
const PRODUCER_ID: RegExp = new RegExp(`^[!-~]{1,${MAX_PRODUCER_ID_CHARACTERS}}$`);

/** The bytes that the tree hashes. Throws `invalid-entry`. */
export function encodeEntry(entry: Entry): Uint8Array {
  writeEntry(writer.restart(), entry);
  return writer.copy();
}

/** The same, written behind what the writer has. Throws `invalid-entry`. */
export function writeEntry(to: CborWriter, entry: Entry): void {
  assertEntry(entry);
  const { logTime, producerId, producerSeq, cardHash, logCommitment, signature } = entry;
  to.encoded(ENTRY_HEAD).unsigned(logTime).text(producerId);
  if (producerSeq === null) to.null();
  else to.unsigned(producerSeq);
  to.bytes(cardHash).bytes(logCommitment);
  if (signature === null) to.null();
  else to.bytes(signature);
}

/** The entry that these bytes spell. Throws `entry-too-large`, `invalid-entry`, or `invalid-cbor`. */
export function decodeEntry(bytes: Uint8Array): Entry {
  if (bytes.length > MAX_ENTRY_BYTES) {
    throw new ProofError('entry-too-large', `an entry is longer than ${MAX_ENTRY_BYTES} bytes`);
  }
  const value: CborValue = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 7 || value[0] !== ENTRY_LABEL) {
    throw new ProofError('invalid-entry', `not an entry: it does not begin with "${ENTRY_LABEL}"`);
  }
  const [, logTime, producerId, producerSeq, cardHash, logCommitment, signature] = value as readonly CborValue[];
  if (
    typeof logTime !== 'number' ||
    typeof producerId !== 'string' ||
    !(producerSeq === null || typeof producerSeq === 'number') ||
    !(cardHash instanceof Uint8Array) ||
    !(logCommitment instanceof Uint8Array) ||
    !(signature === null || signature instanceof Uint8Array)
  ) {
    throw new ProofError('invalid-entry', 'a member of the entry has the wrong type');
  }
  const entry = { logTime, producerId, producerSeq, cardHash, logCommitment, signature };
  assertEntry(entry);
  return entry;
}

/** What a producer signs: its own submission to this log, before the log adds time and index. Throws `invalid-entry`. */
export function submissionMessage(
  origin: string,
  producerId: string,
  producerSeq: number | null,
  cardHash: Hash,
): Uint8Array {
  assertProducer(producerId, producerSeq);
  assertLength(cardHash, HASH_BYTES, 'card hash');
  return encodeCbor([SUBMISSION_LABEL, origin, producerId, producerSeq, cardHash]);
}

function assertEntry({ logTime, producerId, producerSeq, cardHash, logCommitment, signature }: Entry): void {
  if (!Number.isSafeInteger(logTime) || logTime < 0) throw new ProofError('invalid-entry', 'log time is not a time');
  assertProducer(producerId, producerSeq);
  assertLength(cardHash, HASH_BYTES, 'card hash');
  assertLength(logCommitment, HASH_BYTES, 'log commitment');
  if (signature !== null) assertLength(signature, PRODUCER_SIGNATURE_BYTES, 'producer signature');
}

function assertProducer(producerId: string, producerSeq: number | null): void {
  if (!PRODUCER_ID.test(producerId)) {
    throw new ProofError(
      'invalid-entry',
      `a producer id is 1 to ${MAX_PRODUCER_ID_CHARACTERS} visible ASCII characters`,
    );
  }
  if (producerSeq !== null && (!Number.isSafeInteger(producerSeq) || producerSeq < 0)) {
    throw new ProofError('invalid-entry', 'a producer sequence number is not an unsigned safe integer');
  }
}

function assertLength(bytes: Uint8Array, byteCount: number, what: string): void {
  if (bytes.length !== byteCount) throw new ProofError('invalid-entry', `the ${what} is not ${byteCount} bytes`);
}
