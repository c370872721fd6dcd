/**
 * Writes the RFC 8785 form of values as UTF-8 into space that is used again: the same bytes as `canonicalJson` of proofs/
 * (a test holds that), without a text in between, because hashes are made of bytes. Throws ProofError `invalid-json` for
 * what has no such form.
 */
import { Buffer } from 'node:buffer';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { ProofError } from '../../proofs/errors.ts';
import { KnownOrders } from './known-orders.ts';

const INITIAL_BYTES = 16_384;
/** Space beyond this is given back at the next beginning. */
const KEPT_BYTES = 262_144;
/** A UTF-16 unit has at most so many bytes: `\u001f`. */
const MAX_UNIT_BYTES = 6;
/** Quotes, and the comma behind them. */
const MARGIN_BYTES = 3;
/** Longer than any number, `true`, `false` and `null`. */
const MAX_LITERAL_BYTES = 32;
/** Up to here writing unit by unit is faster than the platform's way. */
const SHORT_TEXT = 48;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
const TILDE = 0x7e;

/** Printable ASCII in which nothing is escaped. */
const PLAIN = /^[ !#-[\]-~]*$/;

export class CanonicalWriter {
  #bytes: Buffer = Buffer.alloc(INITIAL_BYTES);
  #length = 0;
  #isAscii = true;
  /** Member names as they are written, with the colon: §3.2.3 sorts by UTF-16 units, as `<` does. */
  readonly #orders = new KnownOrders((a, b) => (a < b ? -1 : a > b ? 1 : 0), nameBytes);

  /** What was written so far; another buffer after a `write` that needed more room. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Forgets what was written. */
  restart(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.alloc(INITIAL_BYTES);
    this.#isAscii = true;
    this.#length = 0;
  }

  /** The part of what was written that ends here, as a text. */
  text(start: number): string {
    return this.#bytes.toString(this.#isAscii ? 'latin1' : 'utf8', start, this.#length);
  }

  /** Of an object, told of each member: where its value begins and ends. */
  writeMembers(object: JsonObject, onMember: (name: string, start: number, end: number) => void): void {
    const { names, encoded } = this.#orders.orderOf(Object.keys(object));
    this.#byte(OPEN_BRACE);
    for (let i = 0; i < names.length; i++) {
      if (i > 0) this.#byte(COMMA);
      this.#raw(encoded[i]);
      const start = this.#length;
      const name = names[i] ?? '';
      this.write(object[name] ?? null);
      onMember(name, start, this.#length);
    }
    this.#byte(CLOSE_BRACE);
  }

  write(value: JsonValue): void {
    if (typeof value === 'string') this.#text(value);
    else if (typeof value !== 'object' || value === null) this.#literal(value);
    else if (isArray(value)) this.#array(value);
    else this.#object(value);
  }

  #object(object: JsonObject): void {
    const { names, encoded } = this.#orders.orderOf(Object.keys(object));
    this.#byte(OPEN_BRACE);
    for (let i = 0; i < names.length; i++) {
      if (i > 0) this.#byte(COMMA);
      this.#raw(encoded[i]);
      this.write(object[names[i] ?? ''] ?? null);
    }
    this.#byte(CLOSE_BRACE);
  }

  #array(items: readonly JsonValue[]): void {
    this.#byte(OPEN_BRACKET);
    for (let i = 0; i < items.length; i++) {
      if (i > 0) this.#byte(COMMA);
      this.write(items[i] ?? null);
    }
    this.#byte(CLOSE_BRACKET);
  }

  #text(text: string): void {
    const { length } = text;
    this.#reserve(MAX_UNIT_BYTES * length + MARGIN_BYTES);
    const bytes = this.#bytes;
    let at = this.#length;
    if (length > SHORT_TEXT) {
      this.#longText(text);
      return;
    }
    bytes[at++] = QUOTE;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit < SPACE || unit > TILDE || unit === QUOTE || unit === BACKSLASH) {
        this.#escapedText(text);
        return;
      }
      bytes[at++] = unit;
    }
    bytes[at++] = QUOTE;
    this.#length = at;
  }

  #longText(text: string): void {
    if (!PLAIN.test(text)) {
      this.#escapedText(text);
      return;
    }
    const bytes = this.#bytes;
    const at = this.#length;
    bytes[at] = QUOTE;
    const end = at + 1 + bytes.write(text, at + 1, 'latin1');
    bytes[end] = QUOTE;
    this.#length = end + 1;
  }

  #escapedText(text: string): void {
    const spelt = escaped(text);
    const byteCount = this.#bytes.write(spelt, this.#length, 'utf8');
    if (byteCount !== spelt.length) this.#isAscii = false;
    this.#length += byteCount;
  }

  /** §3.2.2.3: the ECMAScript spelling, in which minus zero is 0. */
  #literal(value: number | boolean | null): void {
    if (typeof value === 'number') checkNumber(value);
    this.#reserve(MAX_LITERAL_BYTES);
    const text = String(value);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.#length = at;
  }

  #raw(encoded: Uint8Array | undefined): void {
    if (encoded === undefined) return;
    this.#reserve(encoded.length);
    const bytes = this.#bytes;
    let at = this.#length;
    let seen = 0;
    for (let i = 0; i < encoded.length; i++) {
      const byte = encoded[i] ?? 0;
      bytes[at++] = byte;
      seen |= byte;
    }
    if (seen >= 0x80) this.#isAscii = false;
    this.#length = at;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  #reserve(byteCount: number): void {
    const needed = this.#length + byteCount;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** §3.2.2.2: JSON.stringify escapes exactly what RFC 8785 asks for once lone surrogates are ruled out. */
function escaped(text: string): string {
  if (!text.isWellFormed()) throw new ProofError('invalid-json', 'a string contains a lone surrogate');
  return JSON.stringify(text);
}

function checkNumber(value: number): void {
  if (Number.isSafeInteger(value)) return;
  if (!Number.isFinite(value) || Number.isInteger(value)) {
    throw new ProofError('invalid-json', 'a number is not finite, or an integer beyond 2^53-1');
  }
}

function nameBytes(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(`${JSON.stringify(name)}:`, 'utf8'));
}

// Array.isArray does not narrow a readonly array type.
function isArray(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value);
}
