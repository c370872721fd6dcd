/**
 * The population of a complete bundle: the public entries of a run of consecutive indices, with the one range proof that
 * shows them to be in the tree, whole and in order:
 *
 *     countersign/population/v1
 *     start 41
 *     count 3
 *     proof 2
 *     ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=
 *     BkjVmB34CS9tBLYTUjJrbAq3T+Whm01pyHAJfxk4cxo=
 *     <base64 of entry 41>
 *     <base64 of entry 42>
 *     <base64 of entry 43>
 *
 * The hashes are those of `checkRange` (range.ts). The run holds the range of the bundle and, where the tree has them, the
 * entry before it and the entry after it: their log times show that the range leaves out nothing at its ends.
 */
import { base64Decode, base64Encode, utf8Decode } from './bytes.ts';
import { ProofError, recode } from './errors.ts';
import { HASH_BYTES, type Hash } from './hash.ts';
import { parseDecimal } from './numbers.ts';

export interface PopulationHead {
  /** Index of the first entry. */
  readonly start: number;
  readonly count: number;
  /** Peaks before the run, then stored nodes after it. */
  readonly proof: readonly Hash[];
}

export interface Population extends PopulationHead {
  /** The entries, decoded one at a time; `count` of them. Throws `invalid-bundle` where one is malformed. */
  readonly entries: () => Generator<Uint8Array>;
}

/** Most entries of one bundle's range, with its two neighbours. */
export const MAX_POPULATION: number = 1_000_000;
/** `proveRange` gives at most 53 of each kind. */
export const MAX_RANGE_PROOF_HASHES = 106;

const HEADER = 'countersign/population/v1';
const NEWLINE = 0x0a;

/** The lines before the entries. */
export function formatPopulationHead({ start, count, proof }: PopulationHead): string {
  const hashes = proof.map((hash) => `${base64Encode(hash)}\n`).join('');
  return `${HEADER}\nstart ${start}\ncount ${count}\nproof ${proof.length}\n${hashes}`;
}

/** One line of an entry, with its newline. */
export function formatPopulationEntry(entry: Uint8Array): string {
  return `${base64Encode(entry)}\n`;
}

/** Reads the head and counts the lines; nothing is verified. Throws `invalid-bundle`, or `size-too-large`. */
export function parsePopulation(file: Uint8Array): Population {
  const reader = new LineReader(file);
  if (reader.next() !== HEADER) throw invalid(`the first line is not ${HEADER}`);
  const start = number(reader.next(), 'start ');
  const count = number(reader.next(), 'count ');
  const hashes = number(reader.next(), 'proof ');
  if (count > MAX_POPULATION) throw invalid(`more than ${MAX_POPULATION} entries`);
  if (hashes > MAX_RANGE_PROOF_HASHES) throw invalid(`more than ${MAX_RANGE_PROOF_HASHES} hashes`);
  const proof = Array.from({ length: hashes }, () => decode(reader.next(), 'a hash'));
  if (proof.some((hash) => hash.length !== HASH_BYTES)) throw invalid(`a hash has ${HASH_BYTES} bytes`);
  const from = reader.position;
  let lines = 0;
  for (let at = from; at < file.length; lines++) {
    const end = file.indexOf(NEWLINE, at);
    if (end === -1) throw invalid('it does not end in a newline: it was cut off');
    at = end + 1;
  }
  if (lines !== count) throw invalid(`it says ${count} entries and has ${lines}`);
  return {
    start,
    count,
    proof,
    entries: function* () {
      const body = new LineReader(file, from);
      for (let i = 0; i < count; i++) yield decode(body.next(), `entry ${start + i}`);
    },
  };
}

class LineReader {
  readonly #file: Uint8Array;
  position: number;

  constructor(file: Uint8Array, position = 0) {
    this.#file = file;
    this.position = position;
  }

  next(): string {
    const end = this.#file.indexOf(NEWLINE, this.position);
    if (end === -1) throw invalid('it ends early');
    const line = this.#file.subarray(this.position, end);
    this.position = end + 1;
    return recode('invalid-bundle', () => utf8Decode(line));
  }
}

function number(line: string, keyword: string): number {
  if (!line.startsWith(keyword)) throw invalid(`no line "${keyword.trim()}"`);
  return recode('invalid-bundle', () => parseDecimal(line.slice(keyword.length), keyword.trim()));
}

function decode(line: string, what: string): Uint8Array {
  try {
    return base64Decode(line);
  } catch {
    throw invalid(`${what} is not base64`);
  }
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-bundle', `population: ${what}`);
}
