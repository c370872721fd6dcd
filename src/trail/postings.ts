/**
 * How the search index is laid out in rows. Events are indexed in blocks of 16,384. A block begins as tail rows, one a
 * written group, with all of the group's terms. When it is full it is sealed: its terms are spread over 256 pages by their
 * hash, and a term that more than 256 of its events carry has a row of its own beside them, a container. Each 16 sealed
 * blocks, a span, are merged: their pages become 4,096 pages of the span. So a search touches one row a term and span,
 * whatever it matches, and one a block where a term is frequent; and an event costs a small part of a row.
 *
 *   tail        first index ─▶ cbor [count, [[term, offsets], …]], offsets relative to the first index, u16 big-endian
 *   container   term, block ─▶ 0 ‖ offsets in the block, u16 big-endian, ascending     (up to 1,024 of them)
 *                              1 ‖ bitmap of 2,048 bytes, bit i of byte ⌊i/8⌋ (least significant first)
 *   page        page, block ─▶ for each of its terms, in the order of their hashes (pages.ts):
 *   page        page, span       length ‖ term in UTF-8 ‖ own ‖ length ‖ offsets
 *   counts                  ─▶ sealed ‖ paged ‖ merged, u32 big-endian ‖ CRC-32 (rows.ts)
 *
 * Every number in a page is a varint: seven bits a byte, the least significant first, the high bit where more follow, as
 * short as can be. Lengths count bytes. Bit i of `own` says that the term has a container for block i of the span (a page of
 * one block has bit 0 only); its offsets there are not in the page. Offsets count from the first event of the block or the
 * span; the first is as it is, each later one is the distance to the one before. The hash of a term is
 *
 *   h xor (h ≫ 16), h the 32-bit FNV-1a hash of its UTF-8 bytes, ≫ without sign
 *
 * and its page the remainder of that modulo the number of pages: page p of a block goes into the pages p, p + 256, p + 512 …
 * of its span. Terms of one hash stand in the order of their bytes. All pages are written, empty ones too: one that is missing
 * was lost, and a term that its page does not name does not occur. Page 224 of block 0, in which `a:u_8242` did the events 3
 * and 300, and more than 256 events have `n:acme`:
 *
 *   key    0d 00e0 00000000
 *   value  06 6e3a61636d65 01 00   08 613a755f38323432 00 03 03a902   f3553f0e
 *
 * Versions without pages wrote a container for each term. Blocks before `paged` are such, and stay so. Where a span has some
 * of them its other blocks are not merged: the spans below `merged` are merged, from the first that is wholly in pages on.
 *
 * Every value but the counts ends in a checksum, the first four bytes of the SHA-256 of key and value: LevelDB verifies
 * nothing, and a silently changed row would be a wrong answer.
 */
import { concatBytes, equalBytes } from '../../proofs/bytes.ts';
import { type CborValue, decodeCbor } from '../../proofs/cbor.ts';
import { CborWriter } from '../../proofs/cbor-writer.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { containerKey, tailKey } from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import type { PutRow } from '../store/contract.ts';

export const BLOCK_EVENTS = 16_384;
const BITMAP_BYTES = BLOCK_EVENTS / 8;
const MAX_LISTED = BITMAP_BYTES / 2;
const CHECKSUM_BYTES = 4;
const LIST = 0;
const BITMAP = 1;

/** The sizes of the stored format. Tests have smaller ones, so that few events make many rows. */
export interface IndexLayout {
  /** At most BLOCK_EVENTS. */
  readonly blockEvents: number;
  /** Blocks of a span, at most 31. */
  readonly spanBlocks: number;
  readonly blockPages: number;
  /** A multiple of `blockPages`. */
  readonly spanPages: number;
  /** Offsets that a term has in the pages of a block at most; with more of them it has a container. */
  readonly maxPaged: number;
}

export const LAYOUT: IndexLayout = {
  blockEvents: BLOCK_EVENTS,
  spanBlocks: 16,
  blockPages: 256,
  spanPages: 4096,
  maxPaged: 256,
};

/** Per term the ascending offsets of the events that carry it, relative to the first index of a block. */
export type BlockTerms = Map<string, number[]>;

export interface IndexedEvent {
  readonly index: number;
  readonly terms: readonly string[];
}

/** What one written group brings to one block: made once, for its tail row and for the index in memory. */
export interface GroupTerms {
  readonly first: number;
  readonly count: number;
  readonly terms: BlockTerms;
}

/** The group by term: one, or two where it crosses into the next block. */
export function groupTerms(group: readonly IndexedEvent[], { blockEvents }: IndexLayout = LAYOUT): GroupTerms[] {
  const parts: GroupTerms[] = [];
  for (let start = 0; start < group.length; ) {
    const first = group[start]?.index ?? 0;
    const base = first - (first % blockEvents);
    const events = group.slice(start, start + base + blockEvents - first);
    const terms: BlockTerms = new Map();
    for (const { index, terms: own } of events) addTerms(terms, index - base, own);
    parts.push({ first, count: events.length, terms });
    start += events.length;
  }
  return parts;
}

/** The row from which the group's part of a block is read again after a restart. */
export function tailRow({ first, count, terms }: GroupTerms, hasher: Hasher, layout: IndexLayout = LAYOUT): PutRow {
  const shift = first % layout.blockEvents;
  const writer = new CborWriter().array(2).unsigned(count).array(terms.size);
  for (const [term, offsets] of terms) writer.array(2).text(term).bytes(encodeOffsets(offsets, shift));
  return sealRow(tailKey(first), writer.view(), hasher);
}

export function tailRows(group: readonly IndexedEvent[], hasher: Hasher, layout: IndexLayout = LAYOUT): PutRow[] {
  return groupTerms(group, layout).map((part) => tailRow(part, hasher, layout));
}

/** Adds a tail row to the block's terms; returns how many events it covers. Throws LogError `corrupt-data`. */
export function addTailRow(row: PutRow, base: number, into: BlockTerms, hasher: Hasher): number {
  const value = decodeCbor(openRow(row, hasher));
  const [count, list] = Array.isArray(value) ? (value as readonly CborValue[]) : [];
  if (typeof count !== 'number' || !Array.isArray(list)) throw damaged();
  for (const item of list as readonly CborValue[]) {
    const [term, offsets] = Array.isArray(item) ? (item as readonly CborValue[]) : [];
    if (typeof term !== 'string' || !(offsets instanceof Uint8Array)) throw damaged();
    for (const offset of decodeOffsets(offsets)) addTerms(into, base + offset, [term]);
  }
  return count;
}

export function addTerms(into: BlockTerms, offset: number, terms: readonly string[]): void {
  for (const term of terms) {
    const offsets = into.get(term);
    if (offsets === undefined) into.set(term, [offset]);
    else offsets.push(offset);
  }
}

/** Adds what a group brings, which lies behind all that is there. The group's lists become the block's. */
export function addGroup(into: BlockTerms, { terms }: GroupTerms): void {
  for (const [term, added] of terms) {
    const offsets = into.get(term);
    if (offsets === undefined) into.set(term, added);
    else for (const offset of added) offsets.push(offset);
  }
}

export function containerRow(term: string, block: number, offsets: readonly number[], hasher: Hasher): PutRow {
  const value =
    offsets.length > MAX_LISTED
      ? concatBytes(Uint8Array.of(BITMAP), bitmapBytes(offsets))
      : concatBytes(Uint8Array.of(LIST), encodeOffsets(offsets));
  return sealRow(containerKey(term, block), value, hasher);
}

/** A set of offsets in a block as 32-bit words, for fast intersection. */
export type OffsetSet = Uint32Array;

export function emptySet(): OffsetSet {
  return new Uint32Array(BLOCK_EVENTS / 32);
}

export function addOffsets(set: OffsetSet, offsets: readonly number[]): void {
  for (const offset of offsets) set[offset >>> 5] = (set[offset >>> 5] ?? 0) | (1 << (offset & 31));
}

/** The offsets of a term in a block, ascending, or where there are many the set of them. */
export type Container = readonly number[] | OffsetSet;

/** Offsets that take as much memory as a set. */
const MAX_KEPT_LIST = BITMAP_BYTES / 8;

/** Throws LogError `corrupt-data`. */
export function openContainer(row: PutRow, hasher: Hasher): Container {
  const value = openRow(row, hasher);
  if (value[0] === LIST) {
    const offsets = decodeOffsets(value.subarray(1));
    if (offsets.length <= MAX_KEPT_LIST) return offsets;
    const set = emptySet();
    addOffsets(set, offsets);
    return set;
  }
  if (value[0] !== BITMAP || value.length !== 1 + BITMAP_BYTES) throw damaged();
  const bitmap = new DataView(value.buffer, value.byteOffset + 1, BITMAP_BYTES);
  const set = emptySet();
  for (let i = 0; i < set.length; i++) set[i] = bitmap.getUint32(4 * i, true);
  return set;
}

/** A container's offsets, ascending. */
export function offsetsOf(container: Container): readonly number[] {
  if (!(container instanceof Uint32Array)) return container;
  const offsets: number[] = [];
  for (const [i, word] of container.entries()) {
    for (let rest = word; rest !== 0; rest &= rest - 1) offsets.push(32 * i + 31 - Math.clz32(rest & -rest));
  }
  return offsets;
}

/** Adds a container's offsets to the set. */
export function addContainer(set: OffsetSet, container: Container): void {
  if (!(container instanceof Uint32Array)) addOffsets(set, container);
  else for (let i = 0; i < set.length; i++) set[i] = (set[i] ?? 0) | (container[i] ?? 0);
}

function bitmapBytes(offsets: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(BITMAP_BYTES);
  for (const offset of offsets) bytes[offset >>> 3] = (bytes[offset >>> 3] ?? 0) | (1 << (offset & 7));
  return bytes;
}

function encodeOffsets(offsets: readonly number[], shift = 0): Uint8Array {
  const bytes = new Uint8Array(2 * offsets.length);
  let at = 0;
  for (const offset of offsets) {
    bytes[at] = (offset - shift) >>> 8;
    bytes[at + 1] = (offset - shift) & 0xff;
    at += 2;
  }
  return bytes;
}

function decodeOffsets(bytes: Uint8Array): readonly number[] {
  if (bytes.length % 2 !== 0) throw damaged();
  const offsets: number[] = [];
  for (let at = 0; at < bytes.length; at += 2) offsets.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  return offsets;
}

export function sealRow(key: Uint8Array, value: Uint8Array, hasher: Hasher): PutRow {
  return { key, value: concatBytes(value, checksum(key, value, hasher)) };
}

/** Throws LogError `corrupt-data`. */
export function openRow({ key, value }: PutRow, hasher: Hasher): Uint8Array {
  const content = value.subarray(0, -CHECKSUM_BYTES);
  if (!equalBytes(value.subarray(-CHECKSUM_BYTES), checksum(key, content, hasher))) throw damaged();
  return content;
}

function checksum(key: Uint8Array, value: Uint8Array, hasher: Hasher): Uint8Array {
  // From Node's pool: a search checks a thousand rows, and an array of its own takes as long as hashing it.
  const row = Buffer.allocUnsafe(key.length + value.length);
  row.set(key);
  row.set(value, key.length);
  return hasher.sha256(row).subarray(0, CHECKSUM_BYTES);
}

export function damaged(): LogError {
  return new LogError('corrupt-data', 'a row of the search index was altered on disk; the index has to be rebuilt');
}
