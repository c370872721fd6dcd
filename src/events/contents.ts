/**
 * A look into the contents of an event that was just prepared (commit.ts writes them): the texts of its fields, without
 * salts and without checks, since the log itself made them a moment ago. What comes back from a disk is read by
 * src/log/disclosure.ts, which checks everything.
 *
 *   cbor([null, [[field_id, value_text, salt], …], [log_value_text, log_salt]])
 */
import { Buffer } from 'node:buffer';
import type { FieldText } from './types.ts';

/** Fields by their ids, for whoever asks for several of one event: all are found in one pass over the contents. */
export class ContentsView {
  readonly #bytes: Buffer;
  /** Per field where its id begins, where that ends, where its text begins, and where that ends. */
  readonly #places: number[] = [];
  /** What was asked for last, which is often asked for again. */
  #lastId: string | undefined;
  #lastText: string | undefined;

  constructor(contents: Uint8Array) {
    this.#bytes = Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength);
    this.#findFields();
  }

  /** The text of one field; undefined if the event does not have it. */
  text(id: string): string | undefined {
    if (id !== this.#lastId) {
      this.#lastText = this.#find(id);
      this.#lastId = id;
    }
    return this.#lastText;
  }

  #find(id: string): string | undefined {
    const places = this.#places;
    for (let at = 0; at < places.length; at += 4) {
      const start = places[at] ?? 0;
      // An id that is not ASCII is none that anyone asks for.
      if ((places[at + 1] ?? 0) - start !== id.length || !this.#standsAt(start, id)) continue;
      return this.#bytes.toString('utf8', places[at + 2], places[at + 3]);
    }
    return undefined;
  }

  /** All fields of the producer, in the card's order. */
  all(): readonly FieldText[] {
    const fields: FieldText[] = [];
    for (let at = 0; at < this.#places.length; at += 4) {
      const [idStart, idEnd, start, end] = this.#places.slice(at, at + 4);
      fields.push([this.#bytes.toString('utf8', idStart, idEnd), this.#bytes.toString('utf8', start, end)]);
    }
    return fields;
  }

  /** The text of the field `log`. */
  logText(): string {
    const lastEnd = this.#places.at(-1);
    const reader = new HeadReader(this.#bytes, lastEnd === undefined ? FIELDS_OFFSET : lastEnd);
    // The salt of the last field, or the head of no fields at all; then the head of the log's own.
    if (lastEnd === undefined) reader.argument();
    else reader.skip();
    reader.argument();
    const length = reader.argument();
    return this.#bytes.toString('utf8', reader.at, reader.at + length);
  }

  #findFields(): void {
    const reader = new HeadReader(this.#bytes, FIELDS_OFFSET);
    const places = this.#places;
    for (let left = reader.argument(); left > 0; left--) {
      reader.argument();
      for (let part = 0; part < 2; part++) {
        const length = reader.argument();
        places.push(reader.at, reader.at + length);
        reader.at += length;
      }
      reader.skip();
    }
  }

  #standsAt(start: number, id: string): boolean {
    for (let i = 0; i < id.length; i++) if (this.#bytes[start + i] !== id.charCodeAt(i)) return false;
    return true;
  }
}

/** All fields of the producer, in the card's order. */
export function fieldTexts(contents: Uint8Array): readonly FieldText[] {
  return new ContentsView(contents).all();
}

/** The text of the field `log`. */
export function logText(contents: Uint8Array): string {
  return new ContentsView(contents).logText();
}

/** Behind the outer array's head and the place of a secret. */
const FIELDS_OFFSET = 2;

class HeadReader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** RFC 8949 §3: the argument of a head, in the 0 to 4 bytes behind it. */
  argument(): number {
    const info = (this.#bytes[this.at++] ?? 0) & 0x1f;
    if (info < 24) return info;
    let argument = 0;
    for (let left = 2 ** (info - 24); left > 0; left--) argument = argument * 256 + (this.#bytes[this.at++] ?? 0);
    return argument;
  }

  /** Passes over a text or bytes. */
  skip(): void {
    const length = this.argument();
    this.at += length;
  }
}
