/**
 * The deterministic CBOR that is hashed and signed: RFC 8949 §4.2.1, made only of unsigned integers, byte strings,
 * text strings, arrays and null. Written by cbor-writer.ts. Read by cbor-x, which by itself is neither deterministic nor
 * strict: before it decodes, a scan admits nothing but this profile (no tag, map, float or indefinite length ever reaches
 * it), and afterwards the value is encoded again and must give the same bytes.
 */
import { Decoder } from 'cbor-x';
import { equalBytes } from './bytes.ts';
import { CborWriter, MAX_CBOR_BYTES } from './cbor-writer.ts';
import { ProofError } from './errors.ts';

/** Numbers are unsigned safe integers. */
export type CborValue = number | string | Uint8Array | null | readonly CborValue[];

/** Deepest nesting of arrays; our formats need 3. */
export const MAX_CBOR_DEPTH = 8;

const codec = new Decoder({ useRecords: false });
/** Space to write in: begun anew by every call, and never read beyond what the call wrote. */
const writer = new CborWriter();

/** The one encoding of a value. Throws `invalid-cbor` for a value outside the profile. */
export function encodeCbor(value: CborValue): Uint8Array {
  write(writer.restart(), value, 0);
  return writer.copy();
}

/** The value that these bytes are the one encoding of. Throws `invalid-cbor`. Byte strings are views of the input. */
export function decodeCbor(bytes: Uint8Array): CborValue {
  if (bytes.length > MAX_CBOR_BYTES) throw invalid(`longer than ${MAX_CBOR_BYTES} bytes`);
  if (scanItem(bytes, 0, 0) !== bytes.length) throw invalid('bytes follow the value');
  let value: CborValue;
  let again: Uint8Array;
  try {
    // The fresh view keeps cbor-x, which writes a property onto its source, off the caller's array.
    value = fromWire(codec.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)));
    again = encodeCbor(value);
  } catch (error) {
    throw error instanceof ProofError ? error : invalid('not decodable');
  }
  if (!equalBytes(again, bytes)) throw invalid('not the deterministic encoding of its value');
  return value;
}

function write(to: CborWriter, value: CborValue, depth: number): void {
  if (typeof value === 'string') to.text(value);
  else if (typeof value === 'number') to.unsigned(value);
  else if (value === null) to.null();
  else if (value instanceof Uint8Array) to.bytes(value);
  else if (Array.isArray(value)) {
    if (depth >= MAX_CBOR_DEPTH) throw invalid(`nested deeper than ${MAX_CBOR_DEPTH} levels`);
    to.array(value.length);
    for (const item of value) write(to, item, depth + 1);
  } else throw invalid('a value is outside the profile');
}

function fromWire(value: unknown): CborValue {
  if (typeof value === 'bigint') {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid('an integer is above 2^53-1');
    return Number(value);
  }
  if (typeof value === 'string' || typeof value === 'number' || value === null) return value;
  if (value instanceof Uint8Array) return value;
  if (!Array.isArray(value)) throw invalid('a value is outside the profile');
  return value.map(fromWire);
}

const UNSIGNED = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const NULL = 0xf6;

/** Walks one item (RFC 8949 §3) that begins at `offset` and returns where it ends; admits the profile only. */
function scanItem(bytes: Uint8Array, offset: number, depth: number): number {
  const first = bytes[offset];
  if (first === undefined) throw invalid('it ends inside a value');
  if (first === NULL) return offset + 1;
  const major = first >> 5;
  const { argument, end } = scanArgument(bytes, offset, first & 0x1f);
  if (major === UNSIGNED) return end;
  if (major === BYTES || major === TEXT) {
    if (argument > bytes.length - end) throw invalid('a string is longer than what is left');
    return end + argument;
  }
  if (major !== ARRAY) throw invalid('a type is outside the profile');
  if (depth >= MAX_CBOR_DEPTH) throw invalid(`nested deeper than ${MAX_CBOR_DEPTH} levels`);
  if (argument > bytes.length - end) throw invalid('an array is longer than what is left');
  let next = end;
  for (let i = 0; i < argument; i++) next = scanItem(bytes, next, depth + 1);
  return next;
}

/** RFC 8949 §3: the argument follows in 0, 1, 2, 4 or 8 bytes; 28 to 31 are reserved or indefinite. */
function scanArgument(bytes: Uint8Array, offset: number, info: number): { argument: number; end: number } {
  if (info < 24) return { argument: info, end: offset + 1 };
  if (info > 27) throw invalid('an indefinite or reserved length');
  const end = offset + 1 + 2 ** (info - 24);
  if (end > bytes.length) throw invalid('it ends inside a value');
  let argument = 0;
  for (let i = offset + 1; i < end; i++) argument = argument * 256 + (bytes[i] ?? 0);
  if (argument > Number.MAX_SAFE_INTEGER) throw invalid('an integer is above 2^53-1');
  return { argument, end };
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-cbor', `CBOR: ${what}`);
}
