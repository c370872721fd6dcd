/**
 * How the search index is laid out in rows. Events are indexed in blocks of 16,384. A block begins as tail rows, one a
 * written group, with all of the group's terms; when it is full it is sealed: rewritten as one container a term, and
 * its tail rows are deleted. So a search touches at most one row a term and block, whatever it matches.
 *
 *   tail        first index ─▶ cbor [count, [[term, offsets], …]], offsets relative to the first index, u16 big-endian
 *   container   term, block ─▶ 0 ‖ offsets in the block, u16 big-endian, ascending     (up to 1,024 of them)
 *                              1 ‖ bitmap of 2,048 bytes, bit i of byte ⌊i/8⌋ (least significant first)
 *
 * Every value ends in a checksum over key and value: LevelDB verifies nothing, and a silently changed row would be a
 * wrong answer.
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
export function groupTerms(group: readonly IndexedEvent[]): GroupTerms[] {
  const parts: GroupTerms[] = [];
  for (let start = 0; start < group.length; ) {
    const first = group[start]?.index ?? 0;
    const base = first - (first % BLOCK_EVENTS);
    const events = group.slice(start, start + base + BLOCK_EVENTS - first);
    const terms: BlockTerms = new Map();
    for (const { index, terms: own } of events) addTerms(terms, index - base, own);
    parts.push({ first, count: events.length, terms });
    start += events.length;
  }
  return parts;
}

/** The row from which the group's part of a block is read again after a restart. */
export function tailRow({ first, count, terms }: GroupTerms, hasher: Hasher): PutRow {
  const shift = first % BLOCK_EVENTS;
  const writer = new CborWriter().array(2).unsigned(count).array(terms.size);
  for (const [term, offsets] of terms) writer.array(2).text(term).bytes(encodeOffsets(offsets, shift));
  return sealRow(tailKey(first), writer.view(), hasher);
}

export function tailRows(group: readonly IndexedEvent[], hasher: Hasher): PutRow[] {
  return groupTerms(group).map((part) => tailRow(part, hasher));
}

/** Adds a tail row to the block's terms; returns how many events it covers. Throws LogError `corrupt-data`. */
export function addTailRow(row: PutRow, first: number, into: BlockTerms, hasher: Hasher): number {
  const value = decodeCbor(openRow(row, hasher));
  const [count, list] = Array.isArray(value) ? (value as readonly CborValue[]) : [];
  if (typeof count !== 'number' || !Array.isArray(list)) throw damaged();
  const base = first % BLOCK_EVENTS;
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

export function addOffsets(set: OffsetSet, offsets: Iterable<number>): void {
  for (const offset of offsets) set[offset >>> 5] = (set[offset >>> 5] ?? 0) | (1 << (offset & 31));
}

/** What a container says: its offsets, or where there are many the set of them. */
export type Container = Uint16Array | OffsetSet;

/** Throws LogError `corrupt-data`. */
export function openContainer(row: PutRow, hasher: Hasher): Container {
  const value = openRow(row, hasher);
  if (value[0] === LIST) return decodeOffsets(value.subarray(1));
  if (value[0] !== BITMAP || value.length !== 1 + BITMAP_BYTES) throw damaged();
  const bitmap = new DataView(value.buffer, value.byteOffset + 1, BITMAP_BYTES);
  const set = emptySet();
  for (let i = 0; i < set.length; i++) set[i] = bitmap.getUint32(4 * i, true);
  return set;
}

/** Adds a container's offsets to the set. */
export function addContainer(set: OffsetSet, container: Container): void {
  if (container instanceof Uint16Array) addOffsets(set, container);
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

function decodeOffsets(bytes: Uint8Array): Uint16Array {
  if (bytes.length % 2 !== 0) throw damaged();
  const offsets = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < offsets.length; i++) offsets[i] = ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0);
  return offsets;
}

function sealRow(key: Uint8Array, value: Uint8Array, hasher: Hasher): PutRow {
  return { key, value: concatBytes(value, checksum(key, value, hasher)) };
}

function openRow({ key, value }: PutRow, hasher: Hasher): Uint8Array {
  const content = value.subarray(0, -CHECKSUM_BYTES);
  if (!equalBytes(value.subarray(-CHECKSUM_BYTES), checksum(key, content, hasher))) throw damaged();
  return content;
}

function checksum(key: Uint8Array, value: Uint8Array, hasher: Hasher): Uint8Array {
  return hasher.sha256(concatBytes(key, value)).subarray(0, CHECKSUM_BYTES);
}

function damaged(): LogError {
  return new LogError('corrupt-data', 'a row of the search index was altered on disk; the index has to be rebuilt');
}
