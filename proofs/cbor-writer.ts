/**
 * Writes the deterministic CBOR of cbor.ts, piece by piece, into space that is used again: a log writes some 35 of these
 * encodings an event, most of them only to be hashed. RFC 8949 §3: a head of major type and length, then the content; each
 * head in its shortest form (§4.2.1).
 */
import { utf8EncodeInto } from './bytes.ts';
import { ProofError } from './errors.ts';

/** Longest encoding that is read or written, 1 MiB: an order above the contents of the largest event. */
export const MAX_CBOR_BYTES = 1_048_576;

const INITIAL_BYTES = 2048;
/** Space beyond this is given back at the next beginning. */
const KEPT_BYTES = 262_144;
const MAX_HEAD_BYTES = 9;
/** A UTF-16 unit has at most so many bytes in UTF-8. */
const MAX_UNIT_BYTES = 3;
const MAX_RESERVED_BYTES = (MAX_UNIT_BYTES + 1) * MAX_CBOR_BYTES;
/** Up to here writing ASCII unit by unit is faster than the platform's encoder. */
const SHORT_TEXT = 48;
/** The same for copying bytes. */
const SHORT_BYTES = 32;

const UNSIGNED = 0x00;
const BYTES = 0x40;
const TEXT = 0x60;
const ARRAY = 0x80;
const NULL = 0xf6;

/** Every method throws ProofError `invalid-cbor` for what is outside the profile or longer than MAX_CBOR_BYTES. */
export class CborWriter {
  #bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  #length = 0;
  /** The view of the first n bytes, at n: making one takes as long as hashing it. */
  #views: (Uint8Array | undefined)[] = [];

  /** Forgets what was written, and begins anew. */
  restart(): this {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#use(new Uint8Array(INITIAL_BYTES));
    return this;
  }

  /** The head of an array; its items are written behind it. */
  array(itemCount: number): this {
    this.#reserve(MAX_HEAD_BYTES);
    this.#head(ARRAY, itemCount);
    return this;
  }

  null(): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = NULL;
    return this;
  }

  unsigned(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw invalid('a number is not an unsigned safe integer');
    this.#reserve(MAX_HEAD_BYTES);
    this.#head(UNSIGNED, value);
    return this;
  }

  bytes(value: Uint8Array): this {
    const length = value.length;
    this.#reserve(MAX_HEAD_BYTES + length);
    this.#head(BYTES, length);
    this.#append(value);
    return this;
  }

  /** Bytes that are CBOR already, such as the head and the first items of what is written often. */
  encoded(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#append(value);
    return this;
  }

  text(value: string): this {
    const units = value.length;
    this.#reserve(MAX_HEAD_BYTES + MAX_UNIT_BYTES * units);
    const start = this.#length;
    this.#head(TEXT, units);
    if (units > SHORT_TEXT || !this.#shortAscii(value)) this.#encodedText(value, start);
    return this;
  }

  /** What was written, to be read before the next call of this writer. */
  view(): Uint8Array {
    const length = this.#length;
    if (length > MAX_CBOR_BYTES) throw tooLong();
    let view = this.#views[length];
    if (view === undefined) {
      view = this.#bytes.subarray(0, length);
      if (length < INITIAL_BYTES) this.#views[length] = view;
    }
    return view;
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    if (this.#length > MAX_CBOR_BYTES) throw tooLong();
    return this.#bytes.slice(0, this.#length);
  }

  #shortAscii(value: string): boolean {
    const bytes = this.#bytes;
    const { length } = value;
    const start = this.#length;
    let seen = 0;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      bytes[start + i] = unit;
      seen |= unit;
    }
    if (seen >= 0x80) return false;
    this.#length = start + length;
    return true;
  }

  #append(value: Uint8Array): void {
    const { length } = value;
    const start = this.#length;
    if (length > SHORT_BYTES) {
      this.#bytes.set(value, start);
    } else {
      const bytes = this.#bytes;
      for (let i = 0; i < length; i++) bytes[start + i] = value[i] ?? 0;
    }
    this.#length = start + length;
  }

  /** The head at `start` was written as if the text were ASCII. */
  #encodedText(value: string, start: number): void {
    const contentStart = this.#length;
    const length = utf8EncodeInto(value, this.#bytes, contentStart);
    if (length !== value.length) {
      if (!value.isWellFormed()) throw invalid('a text string contains a lone surrogate');
      this.#length = start;
      const end = contentStart + length;
      const content = this.#bytes.slice(contentStart, end);
      this.#head(TEXT, length);
      this.#bytes.set(content, this.#length);
    }
    this.#length += length;
  }

  #head(major: number, argument: number): void {
    const bytes = this.#bytes;
    const at = this.#length;
    if (argument < 24) {
      bytes[at] = major | argument;
      this.#length = at + 1;
    } else if (argument < 0x100) {
      bytes[at] = major | 24;
      bytes[at + 1] = argument;
      this.#length = at + 2;
    } else if (argument < 0x10000) {
      bytes[at] = major | 25;
      this.#bigEndian(at + 1, argument, 2);
    } else if (argument < 2 ** 32) {
      bytes[at] = major | 26;
      this.#bigEndian(at + 1, argument, 4);
    } else {
      bytes[at] = major | 27;
      this.#bigEndian(at + 1, argument, 8);
    }
  }

  #bigEndian(start: number, value: number, size: number): void {
    let rest = value;
    for (let at = start + size - 1; at >= start; at--) {
      this.#bytes[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#length = start + size;
  }

  #reserve(byteCount: number): void {
    const needed = this.#length + byteCount;
    if (needed <= this.#bytes.length) return;
    // Room for text is for its longest form: what was really written is held against the bound at the end.
    if (needed > MAX_RESERVED_BYTES) throw tooLong();
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#use(larger);
  }

  #use(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#views = [];
  }
}

function tooLong(): ProofError {
  return invalid(`the encoding is longer than ${MAX_CBOR_BYTES} bytes`);
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-cbor', `CBOR: ${what}`);
}
