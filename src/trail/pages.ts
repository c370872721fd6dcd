/**
 * Pages of the search index: many terms and where each of them occurs in a block or a span, in one row. Written when a block
 * is sealed and when a span is merged, and read so that one term is found without building anything for the others. The
 * bytes are described in postings.ts; so are the pages that a term belongs to.
 */
import { compareBytes, utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { type IndexCounts, type PageKind, pageKey } from '../log/rows.ts';
import type { PutRow } from '../store/contract.ts';
import { damaged, type IndexLayout, openRow, sealRow } from './postings.ts';

/** FNV-1a, 32 bits. */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const VARINT_BITS = 7;
const VARINT_MORE = 0x80;
/** Numbers of a page are offsets, lengths and 31 bits of `own`: none needs more. */
const MAX_VARINT_BYTES = 5;
const MAX_LAST_BYTE = 0x0f;
const INITIAL_BYTES = 4096;
/** Space beyond this is given back when a page is done. */
const KEPT_BYTES = 65_536;

/** What decides on the page of a term, by its UTF-8 bytes: the remainder modulo the number of pages. 32 bits. */
export function hashOf(term: Uint8Array): number {
  return hashOfPart(term, 0, term.length);
}

function hashOfPart(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), FNV_PRIME);
  return fold(hash);
}

/** The same by its text: most are ASCII, and are their own bytes. */
export function hashOfText(term: string): number {
  let hash = FNV_OFFSET;
  let seen = 0;
  for (let i = 0; i < term.length; i++) {
    const unit = term.charCodeAt(i);
    seen |= unit;
    hash = Math.imul(hash ^ unit, FNV_PRIME);
  }
  return seen < 0x80 ? fold(hash) : hashOf(utf8Encode(term));
}

function fold(hash: number): number {
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The order of the terms in a page. */
export function compareTerms(a: string, b: string): number {
  return hashOfText(a) - hashOfText(b) || compareBytes(utf8Encode(a), utf8Encode(b));
}

/** The pages that hold some block: its own, or those of its span once that is merged. */
export interface PagePlace {
  readonly kind: PageKind;
  /** Of the block, or of the span. */
  readonly number: number;
  readonly firstBlock: number;
  readonly blockCount: number;
}

/** Undefined for a block that was sealed before there were pages. */
export function placeOf(
  block: number,
  { paged, merged }: IndexCounts,
  { spanBlocks }: IndexLayout,
): PagePlace | undefined {
  if (block < paged) return undefined;
  const span = Math.floor(block / spanBlocks);
  if (span >= merged || span * spanBlocks < paged) {
    return { kind: 'blockPage', number: block, firstBlock: block, blockCount: 1 };
  }
  return { kind: 'spanPage', number: span, firstBlock: span * spanBlocks, blockCount: spanBlocks };
}

export function pageCount(kind: PageKind, { blockPages, spanPages }: IndexLayout): number {
  return kind === 'blockPage' ? blockPages : spanPages;
}

/** What a page says about one term. */
export interface PageEntry {
  /** Bit i: block i of the place has a container for the term. */
  readonly own: number;
  /** From the first event of the place on, ascending. */
  readonly offsets: readonly number[];
}

/**
 * The offsets in one block of the place, from its first event on; undefined if the term has a container there. What a page
 * does not hold has none.
 */
export function listedIn(
  entry: PageEntry | undefined,
  block: number,
  { blockEvents }: IndexLayout,
): readonly number[] | undefined {
  if (entry === undefined) return [];
  if (((entry.own >>> block) & 1) === 1) return undefined;
  const base = block * blockEvents;
  const [start, end] = [positionOf(entry.offsets, base), positionOf(entry.offsets, base + blockEvents)];
  const listed: number[] = [];
  for (let i = start; i < end; i++) listed.push((entry.offsets[i] ?? base) - base);
  return listed;
}

/** How many of the ascending numbers are less. */
function positionOf(numbers: readonly number[], bound: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? bound) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Throws LogError `corrupt-data`, also where there is no such row: every page was written. */
export function openPage(key: Uint8Array, value: Uint8Array | undefined, hasher: Hasher): Uint8Array {
  if (value === undefined) throw damaged();
  return openRow({ key, value }, hasher);
}

/** What the page says about the term; undefined where it does not occur. Throws LogError `corrupt-data`. */
export function findInPage(page: Uint8Array, term: Uint8Array): PageEntry | undefined {
  const cursor = new PageCursor(page);
  while (cursor.next()) {
    if (cursor.isAt(term)) return { own: cursor.own, offsets: cursor.offsets() };
  }
  return undefined;
}

/** What the page says, all of it or such of its entries. Throws LogError `corrupt-data`, ProofError `invalid-utf8`. */
export function readPage(page: Uint8Array, isSuch: (entry: PageEntry) => boolean = () => true): Map<string, PageEntry> {
  const entries = new Map<string, PageEntry>();
  const cursor = new PageCursor(page);
  while (cursor.next()) {
    const entry = { own: cursor.own, offsets: cursor.offsets() };
    if (isSuch(entry)) entries.set(utf8Decode(cursor.term), entry);
  }
  return entries;
}

/** Goes from entry to entry. Every method throws LogError `corrupt-data` where the page ends too early. */
export class PageCursor {
  readonly #page: Uint8Array;
  #at = 0;
  #termEnd = 0;
  #termStart = 0;
  #offsetsStart = 0;
  #offsetsEnd = 0;
  #hash: number | undefined;
  own = 0;

  constructor(page: Uint8Array) {
    this.#page = page;
  }

  /** False when there are no more entries. */
  next(): boolean {
    this.#at = this.#offsetsEnd;
    if (this.#at === this.#page.length) return false;
    this.#hash = undefined;
    const termBytes = this.#number();
    this.#termStart = this.#at;
    this.#at += termBytes;
    this.#termEnd = this.#at;
    this.own = this.#number();
    const offsetBytes = this.#number();
    this.#offsetsStart = this.#at;
    this.#offsetsEnd = this.#at + offsetBytes;
    if (this.#offsetsEnd > this.#page.length) throw damaged();
    return true;
  }

  get term(): Uint8Array {
    return this.#page.subarray(this.#termStart, this.#termEnd);
  }

  isAt(term: Uint8Array): boolean {
    return this.#termEnd - this.#termStart === term.length && this.#compare(term, 0) === 0;
  }

  /** The order of the terms at which they are. */
  compareWith(other: PageCursor): number {
    if (this.hash !== other.hash) return this.hash - other.hash;
    const lengths = this.#termEnd - this.#termStart - (other.#termEnd - other.#termStart);
    return this.#compare(other.#page, other.#termStart, other.#termEnd - other.#termStart) || lengths;
  }

  /** Of the bytes that the term shares with these, however long they are. */
  #compare(bytes: Uint8Array, start: number, length = bytes.length): number {
    const shared = Math.min(this.#termEnd - this.#termStart, length);
    for (let i = 0; i < shared; i++) {
      const difference = (this.#page[this.#termStart + i] ?? 0) - (bytes[start + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** Of the term. */
  get hash(): number {
    this.#hash ??= hashOfPart(this.#page, this.#termStart, this.#termEnd);
    return this.#hash;
  }

  offsets(): number[] {
    const offsets: number[] = [];
    let last = -1;
    this.#at = this.#offsetsStart;
    while (this.#at < this.#offsetsEnd) {
      const number = this.#number();
      const offset = last < 0 ? number : last + number;
      if (offset <= last) throw damaged();
      offsets.push(offset);
      last = offset;
    }
    if (this.#at !== this.#offsetsEnd) throw damaged();
    return offsets;
  }

  /** The varint at the position, in its shortest form. */
  #number(): number {
    let value = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#page[this.#at++];
      if (byte === undefined || (byte === 0 && i > 0)) throw damaged();
      if (i === MAX_VARINT_BYTES - 1 && byte > MAX_LAST_BYTE) throw damaged();
      value |= (byte & ~VARINT_MORE) << (VARINT_BITS * i);
      if (byte < VARINT_MORE) return value >>> 0;
    }
    throw damaged();
  }
}

/** Writes pages one after the other; the terms of each come in the order of their bytes. */
export class PageWriter {
  readonly #hasher: Hasher;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  add(term: Uint8Array, own: number, offsets: readonly number[]): void {
    this.#reserve(term.length + MAX_VARINT_BYTES);
    this.#number(term.length);
    this.#bytes.set(term, this.#length);
    this.#length += term.length;
    this.#addPlaces(own, offsets);
  }

  addText(term: string, own: number, offsets: readonly number[]): void {
    const { length } = term;
    this.#reserve(length + MAX_VARINT_BYTES);
    const start = this.#length;
    this.#number(length);
    const bytes = this.#bytes;
    const textStart = this.#length;
    let seen = 0;
    for (let i = 0; i < length; i++) {
      const unit = term.charCodeAt(i);
      seen |= unit;
      bytes[textStart + i] = unit;
    }
    this.#length = textStart + length;
    if (seen < 0x80) this.#addPlaces(own, offsets);
    else {
      this.#length = start;
      this.add(utf8Encode(term), own, offsets);
    }
  }

  #addPlaces(own: number, offsets: readonly number[]): void {
    this.#reserve(MAX_VARINT_BYTES * (2 + offsets.length));
    this.#number(own);
    let byteCount = 0;
    let last = 0;
    for (const offset of offsets) {
      byteCount += varintBytes(offset - last);
      last = offset;
    }
    this.#number(byteCount);
    last = 0;
    for (const offset of offsets) {
      this.#number(offset - last);
      last = offset;
    }
  }

  /** The row of what was added; the next page begins. */
  takeRow(kind: PageKind, page: number, number: number): PutRow {
    const row = sealRow(pageKey(kind, page, number), this.#bytes.subarray(0, this.#length), this.#hasher);
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
    return row;
  }

  #number(value: number): void {
    let rest = value;
    while (rest >= VARINT_MORE) {
      this.#bytes[this.#length++] = (rest & ~VARINT_MORE) | VARINT_MORE;
      rest >>>= VARINT_BITS;
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(byteCount: number): void {
    const needed = this.#length + byteCount;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= VARINT_MORE; rest >>>= VARINT_BITS) count++;
  return count;
}
