/**
 * Which rows a log keeps in its store, and their keys: one byte for the kind, then big-endian numbers or text, so that
 * the store's order is the order of the log. All rows of one group are written in one batch.
 *
 *   1                       state: the compact range and the last log time           (replaced by every group)
 *   2 level:u8 index:u48    a full tile, 256 hashes                                  (written once)
 *   3 firstIndex:u48        a chunk of consecutive entries, as an entry bundle       (written once)
 *   4 firstIndex:u48        the disclosures of the same chunk                        (rewritten by an erasure)
 *   5 eventId 0 producerId  index:u48, the content's MAC, CRC-32: idempotency for ever (written once)
 *   6                       the newest signed head                                   (replaced by every signature)
 *   7                       the published checkpoint                                 (replaced by every publication)
 *   8 firstIndex:u48        search terms of one group, see src/trail/postings.ts     (deleted when its block is sealed)
 *   9 term 0 block:u32      sealed postings of a term                                (written once)
 *   10                      number of sealed blocks                                  (replaced)
 *   11 leafHash             index:u48: idempotency of a raw log, for ever            (written once)
 *   12 level:u8 index:u48   what makes one leaf of a full tile cheap to read, see tile-shortcut.ts (written once)
 *
 * 4, 5, 8, 9 and 10 are rows of audit logs only, 11 of raw ones; the rest is the tree's, whatever its entries hold.
 */
import { crc32 } from 'node:zlib';
import { concatBytes, utf8Encode } from '../../proofs/bytes.ts';
import type { Hash } from '../../proofs/hash.ts';
import type { RangeOptions } from '../store/contract.ts';
import { LogError } from './types.ts';

const INDEX_BYTES = 6;
/** Indices are 48-bit in keys: 2^48 events is 8,900 years at a thousand a second. */
const MAX_INDEX = 2 ** 48 - 1;
const MAC_BYTES = 16;
/** No tree covers id rows: with one changed bit a known event would be taken for another. */
const CRC_BYTES = 4;
const BLOCK_BYTES = 4;

const KIND = {
  state: 1,
  tile: 2,
  entries: 3,
  disclosures: 4,
  id: 5,
  head: 6,
  published: 7,
  tail: 8,
  container: 9,
  sealed: 10,
  leaf: 11,
  shortcut: 12,
} as const;

export const STATE_KEY: Uint8Array = Uint8Array.of(KIND.state);
export const HEAD_KEY: Uint8Array = Uint8Array.of(KIND.head);
export const PUBLISHED_KEY: Uint8Array = Uint8Array.of(KIND.published);

export function tileKey(level: number, index: number): Uint8Array {
  return concatBytes(Uint8Array.of(KIND.tile, level), encodeIndex(index));
}

export function shortcutKey(level: number, index: number): Uint8Array {
  return concatBytes(Uint8Array.of(KIND.shortcut, level), encodeIndex(index));
}

export type ChunkKind = 'entries' | 'disclosures';

export function chunkKey(kind: ChunkKind, firstIndex: number): Uint8Array {
  return concatBytes(Uint8Array.of(KIND[kind]), encodeIndex(firstIndex));
}

/** The first index of the chunk with this key. */
export function chunkFirstIndex(key: Uint8Array): number {
  return decodeIndex(key, 1);
}

/** The one chunk that holds `index`, if there is one: the last that begins at or before it. */
export function chunkHolding(kind: ChunkKind, index: number): RangeOptions {
  return { gte: chunkKey(kind, 0), lt: chunkKey(kind, index + 1), reverse: true, limit: 1 };
}

export function idKey(eventId: string, producerId: string): Uint8Array {
  const length = eventId.length + producerId.length;
  // From Node's pool: the database would have to give a small array of its own a place outside the heap first.
  const key = Buffer.allocUnsafe(2 + length);
  key[0] = KIND.id;
  key[1 + eventId.length] = 0;
  const isAscii = writeAscii(key, 1, eventId) && writeAscii(key, 2 + eventId.length, producerId);
  if (isAscii) return key;
  return concatBytes(Uint8Array.of(KIND.id), utf8Encode(eventId), Uint8Array.of(0), utf8Encode(producerId));
}

/** False if the text is not ASCII; then what was written is not the text. */
function writeAscii(into: Uint8Array, offset: number, text: string): boolean {
  let seen = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    into[offset + i] = unit;
    seen |= unit;
  }
  return seen < 0x80;
}

/** All rows of an event id, whoever sent it. Neither part contains a zero byte: the schema refuses control characters. */
export function idRange(eventId: string, limit: number): RangeOptions {
  const prefix = concatBytes(Uint8Array.of(KIND.id), utf8Encode(eventId));
  return { gte: concatBytes(prefix, Uint8Array.of(0)), lt: concatBytes(prefix, Uint8Array.of(1)), limit };
}

/** The rows of all event ids. */
export const ALL_IDS: Omit<RangeOptions, 'limit'> = { gte: Uint8Array.of(KIND.id), lt: Uint8Array.of(KIND.id + 1) };

/** The rows that find leaves by their hashes. */
export const ALL_LEAVES: Omit<RangeOptions, 'limit'> = {
  gte: Uint8Array.of(KIND.leaf),
  lt: Uint8Array.of(KIND.leaf + 1),
};

/** The least key that is greater: where a read that ended with this key goes on. */
export function keyAfter(key: Uint8Array): Uint8Array {
  return concatBytes(key, Uint8Array.of(0));
}

export function encodeIdRow(index: number, contentMac: Uint8Array): Uint8Array {
  const end = INDEX_BYTES + contentMac.length;
  const row = Buffer.allocUnsafe(end + CRC_BYTES);
  writeIndex(row, 0, checkedIndex(index));
  row.set(contentMac, INDEX_BYTES);
  row.writeUInt32BE(crc32(row.subarray(0, end)), end);
  return row;
}

/** Throws LogError `corrupt-data`. */
export function decodeIdRow(row: Uint8Array): { readonly index: number; readonly contentMac: Uint8Array } {
  const end = INDEX_BYTES + MAC_BYTES;
  const { buffer, byteOffset, length } = row;
  const isWhole =
    length === end + CRC_BYTES && new DataView(buffer, byteOffset).getUint32(end) === crc32(row.subarray(0, end));
  if (!isWhole) throw new LogError('corrupt-data', 'an event id row is damaged; `countersign fsck` finds which');
  return { index: decodeIndex(row, 0), contentMac: row.slice(INDEX_BYTES, end) };
}

export function leafKey(leafHash: Hash): Uint8Array {
  return concatBytes(Uint8Array.of(KIND.leaf), leafHash);
}

export function decodeLeafRow(row: Uint8Array): number {
  if (row.length !== INDEX_BYTES) throw new LogError('corrupt-data', 'the row of a leaf has the wrong length');
  return decodeIndex(row, 0);
}

export const SEALED_KEY: Uint8Array = Uint8Array.of(KIND.sealed);

export function tailKey(firstIndex: number): Uint8Array {
  return concatBytes(Uint8Array.of(KIND.tail), encodeIndex(firstIndex));
}

export function tailFirstIndex(key: Uint8Array): number {
  return decodeIndex(key, 1);
}

export function containerKey(term: string, block: number): Uint8Array {
  return concatBytes(Uint8Array.of(KIND.container), utf8Encode(term), Uint8Array.of(0), encodeBlockCount(block));
}

export function encodeBlockCount(count: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  new DataView(bytes.buffer).setUint32(0, count);
  return bytes;
}

export function decodeBlockCount(row: Uint8Array | undefined): number {
  if (row === undefined) return 0;
  if (row.length !== BLOCK_BYTES) throw new LogError('corrupt-data', 'the count of sealed index blocks is malformed');
  return new DataView(row.buffer, row.byteOffset, row.byteLength).getUint32(0);
}

export function encodeIndex(index: number): Uint8Array {
  const bytes = new Uint8Array(INDEX_BYTES);
  writeIndex(bytes, 0, checkedIndex(index));
  return bytes;
}

function checkedIndex(index: number): number {
  if (Number.isSafeInteger(index) && index >= 0 && index <= MAX_INDEX) return index;
  throw new LogError('corrupt-data', `index ${index} does not fit a row key`);
}

function writeIndex(into: Uint8Array, offset: number, index: number): void {
  let rest = index;
  for (let at = offset + INDEX_BYTES - 1; at >= offset; at--) {
    into[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

function decodeIndex(bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (offset < 0 || offset + INDEX_BYTES > bytes.length) throw new LogError('corrupt-data', 'a row key is too short');
  return view.getUint16(offset) * 2 ** 32 + view.getUint32(offset + 2);
}
