/**
 * A look into the contents of an event that was just prepared (commit.ts writes them): the texts of its fields, without
 * salts and without checks, since the log itself made them a moment ago. What comes back from a disk is read by
 * src/log/disclosure.ts, which checks everything.
 *
 *   cbor([null, [[field_id, value_text, salt], …], [log_value_text, log_salt]])
 */
import { Buffer } from 'node:buffer';
import type { FieldText } from './types.ts';

/** The text of one field; undefined if the event does not have it. */
export function fieldText(contents: Uint8Array, id: string): string | undefined {
  const reader = new Reader(contents);
  for (let left = reader.fieldCount(); left > 0; left--) {
    const isWanted = reader.isNext(id);
    if (isWanted) return reader.text();
    reader.skip();
    reader.skip();
  }
  return undefined;
}

/** All fields of the producer, in the card's order. */
export function fieldTexts(contents: Uint8Array): readonly FieldText[] {
  const reader = new Reader(contents);
  const fields: FieldText[] = [];
  for (let left = reader.fieldCount(); left > 0; left--) {
    reader.head();
    fields.push([reader.text(), reader.text()]);
    reader.skip();
  }
  return fields;
}

/** The text of the field `log`. */
export function logText(contents: Uint8Array): string {
  const reader = new Reader(contents);
  for (let left = reader.fieldCount(); left > 0; left--) {
    reader.head();
    for (let part = 0; part < 3; part++) reader.skip();
  }
  reader.head();
  return reader.text();
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(contents: Uint8Array) {
    this.#bytes = Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength);
  }

  /** Passes over the outer array's head and the place of a secret. */
  fieldCount(): number {
    this.#at = 2;
    return this.head();
  }

  /** RFC 8949 §3: the argument of a head, in the 0 to 4 bytes behind it. */
  head(): number {
    const bytes = this.#bytes;
    const info = (bytes[this.#at++] ?? 0) & 0x1f;
    if (info < 24) return info;
    let argument = 0;
    for (let left = 2 ** (info - 24); left > 0; left--) argument = argument * 256 + (bytes[this.#at++] ?? 0);
    return argument;
  }

  /** Enters the next field, passes over its id, and tells whether that is the one. */
  isNext(id: string): boolean {
    this.head();
    const length = this.head();
    const start = this.#at;
    this.#at += length;
    // An id that is not ASCII is none that anyone asks for.
    if (length !== id.length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== id.charCodeAt(i)) return false;
    return true;
  }

  text(): string {
    const length = this.head();
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  skip(): void {
    const length = this.head();
    this.#at += length;
  }
}
