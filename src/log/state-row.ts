/**
 * The row with the tree's state: size, last log time, peaks, and a mark for each entry of the rightmost tile.
 *
 *   cbor(["countersign/state/v2", size, last_log_time, [peak, …], marks])        marks: 4 bytes of each leaf hash
 *
 * Peaks and tiles vouch for entries; the entries behind the last full tile have no tile yet, so that their peaks could
 * only say that one of up to 128 was altered. The marks name it. Nothing is believed because of a mark.
 */
import { type CborValue, decodeCbor, encodeCbor } from '../../proofs/cbor.ts';
import { HASH_BYTES, type Hash } from '../../proofs/hash.ts';
import { assertRange, type CompactRange } from '../../proofs/range.ts';
import { TILE_WIDTH } from '../../proofs/tile.ts';
import { LogError } from './types.ts';

const STATE_FORMAT = 'countersign/state/v2';
/** Without marks. */
const STATE_FORMAT_1 = 'countersign/state/v1';
const MARK_BYTES = 4;

export interface StoredState {
  readonly range: CompactRange;
  readonly lastLogTime: number;
  /** Undefined in a row of the first format, until the next group replaces it. */
  readonly marks: Uint8Array | undefined;
}

/** `rightmost`: the leaf hashes behind the last full tile. */
export function encodeState(range: CompactRange, lastLogTime: number, rightmost: readonly Hash[]): Uint8Array {
  const marks = new Uint8Array(MARK_BYTES * rightmost.length);
  for (const [i, hash] of rightmost.entries()) marks.set(hash.subarray(0, MARK_BYTES), i * MARK_BYTES);
  return encodeCbor([STATE_FORMAT, range.size, lastLogTime, range.hashes, marks]);
}

/** Throws LogError `corrupt-data`. */
export function decodeState(row: Uint8Array): StoredState {
  let value: CborValue;
  try {
    value = decodeCbor(row);
  } catch {
    throw malformed();
  }
  if (!Array.isArray(value)) throw malformed();
  const [format, size, lastLogTime, hashes, marks]: readonly CborValue[] = value;
  if (typeof size !== 'number' || typeof lastLogTime !== 'number' || !Array.isArray(hashes)) throw malformed();
  const peaks = hashes.map((hash: CborValue) => {
    if (!(hash instanceof Uint8Array) || hash.length !== HASH_BYTES) throw malformed();
    return hash;
  });
  let range: CompactRange;
  try {
    range = assertRange({ size, hashes: peaks });
  } catch {
    throw malformed();
  }
  if (format === STATE_FORMAT_1 && value.length === 4) return { range, lastLogTime, marks: undefined };
  const markBytes = (size % TILE_WIDTH) * MARK_BYTES;
  if (format !== STATE_FORMAT || !(marks instanceof Uint8Array) || marks.length !== markBytes) throw malformed();
  return { range, lastLogTime, marks };
}

/** Whether the hash is the one that the mark at this place behind the last full tile was made of; true without marks. */
export function fitsMark(marks: Uint8Array | undefined, place: number, hash: Hash): boolean {
  if (marks === undefined) return true;
  for (let i = 0; i < MARK_BYTES; i++) if (marks[place * MARK_BYTES + i] !== hash[i]) return false;
  return true;
}

function malformed(): LogError {
  return new LogError('corrupt-data', 'the stored tree state is malformed');
}
