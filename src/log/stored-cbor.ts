/**
 * Reading our stored CBOR item by item, without making values of what is passed over (RFC 8949 §3). Heads are taken in
 * their shortest form only (§4.2.1), so that one encoding is accepted, as `decodeCbor` of proofs/ does.
 */
import { Buffer } from 'node:buffer';
import { LogError } from './types.ts';

const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const NULL = 0xf6;

/** Every method throws LogError `corrupt-data` where the next item is another one, or reaches beyond the end. */
export class StoredCbor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Number of items of an array; they follow. */
  array(): number {
    return this.#head(ARRAY);
  }

  /** True where the next item is null, which is taken then. */
  null(): boolean {
    if (this.#bytes[this.#at] !== NULL) return false;
    this.#at += 1;
    return true;
  }

  /** A byte string, as a view. */
  bytes(): Uint8Array {
    const start = this.#content(BYTES);
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#at - start);
  }

  skipBytes(): void {
    this.#content(BYTES);
  }

  /** A text; it has been hashed, or will be, as the bytes that it is made of. */
  text(): string {
    const start = this.#content(TEXT);
    return this.#bytes.toString('utf8', start, this.#at);
  }

  /** What was read since this position, as a view. */
  since(position: number): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + position, this.#at - position);
  }

  /** Passes over a string and returns where its content begins. */
  #content(major: number): number {
    const length = this.#head(major);
    const start = this.#at;
    if (length > this.#bytes.length - start) throw malformed();
    this.#at = start + length;
    return start;
  }

  /** The argument stands in the first byte, or follows in 1, 2 or 4 bytes. */
  #head(major: number): number {
    const bytes = this.#bytes;
    const first = bytes[this.#at] ?? 0xff;
    const info = first & 0x1f;
    if (first >> 5 !== major || info > 26) throw malformed();
    this.#at += 1;
    if (info < 24) return info;
    const size = 1 << (info - 24);
    if (this.#at + size > bytes.length) throw malformed();
    const argument = bytes.readUIntBE(this.#at, size);
    this.#at += size;
    if (argument < (size === 1 ? 24 : size === 2 ? 0x100 : 0x10000)) throw malformed();
    return argument;
  }
}

function malformed(): LogError {
  return new LogError('corrupt-data', 'stored bytes are not the CBOR that was written');
}
