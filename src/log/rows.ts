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
 *   9 term 0 block:u32      sealed postings of a term that is frequent in the block  (written once)
 *   10                      how far the search index is sealed and merged, CRC-32    (replaced)
 *   11 leafHash             index:u48: idempotency of a raw log, for ever            (written once)
 *   12 level:u8 index:u48   what makes one leaf of a full tile cheap to read, see tile-shortcut.ts (written once)
 *   13 page:u16 block:u32   sealed postings of the other terms                       (deleted when its span is merged)
 *   14 page:u16 span:u32    the same of 16 blocks                                    (written once)
 *
 * 4, 5, 8, 9, 10, 13 and 14 are rows of audit logs only, 11 of raw ones; the rest is the tree's, whatever its entries hold.
 */
import { crc32 } from 'node:zlib';
import { concatBytes, utf8Encode } from '../../proofs/bytes.ts';
import type { Hash } from '../../proofs/hash.ts';
import type { RangeOptions } from '../store/contract.ts';
import { LogError } from './types.ts';

const INDEX_BYTES = 6;
/** Indices are 48-bit in keys: 2^48 events is 8,900 years at a thousand a second. */
export const MAX_INDEX = 2 ** 48 - 1;
const MAC_BYTES = 16;
/** No tree covers id rows: with one changed bit a known event would be taken for another. */
const CRC_BYTES = 4;
const U32_BYTES = 4;
const PAGE_KEY_BYTES = 7;
const COUNTS_BYTES = 3 * U32_BYTES;

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
  counts: 10,
  leaf: 11,
  shortcut: 12,
  blockPage: 13,
  spanPage: 14,
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

export function tailKey(firstIndex: number): Uint8Array {
  return concatBytes(Uint8Array.of(KIND.tail), encodeIndex(firstIndex));
}

export function tailFirstIndex(key: Uint8Array): number {
  return decodeIndex(key, 1);
}

export function containerKey(term: string, block: number): Uint8Array {
  return concatBytes(Uint8Array.of(KIND.container), utf8Encode(term), Uint8Array.of(0), encodeU32(block));
}

/** The block of a container, and the block or span of a page: what the key ends in. */
export function keyNumber(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(key.length - U32_BYTES);
}

export type PageKind = 'blockPage' | 'spanPage';

/** A page of one block, or of one span: by page first, so that the rows in which a term can be are neighbours. */
export function pageKey(kind: PageKind, page: number, number: number): Uint8Array {
  const key = Buffer.allocUnsafe(PAGE_KEY_BYTES);
  key[0] = KIND[kind];
  key.writeUInt16BE(page, 1);
  key.writeUInt32BE(number, 3);
  return key;
}

export const COUNTS_KEY: Uint8Array = Uint8Array.of(KIND.counts);

/** How far the search index has come; what the numbers mean for its rows is said in src/trail/postings.ts. */
export interface IndexCounts {
  /** Blocks that are sealed. */
  readonly sealed: number;
  /** The first block that has pages; each block before it has a row for each of its terms. */
  readonly paged: number;
  /** Of each whole span from the first paged block on, whether it is merged: those below this one are. */
  readonly merged: number;
}

export function encodeCounts({ sealed, paged, merged }: IndexCounts): Uint8Array {
  const row = new Uint8Array(COUNTS_BYTES + CRC_BYTES);
  const view = new DataView(row.buffer);
  for (const [i, count] of [sealed, paged, merged].entries()) view.setUint32(i * U32_BYTES, count);
  view.setUint32(COUNTS_BYTES, crc32(row.subarray(0, COUNTS_BYTES)));
  return row;
}

/**
 * Before the first block was sealed there is no row. Versions that had no pages wrote the number of sealed blocks alone.
 * Throws LogError `corrupt-data`.
 */
export function decodeCounts(row: Uint8Array | undefined, spanBlocks: number): IndexCounts {
  if (row === undefined) return { sealed: 0, paged: 0, merged: 0 };
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  if (row.length === U32_BYTES) return countsWithoutPages(view.getUint32(0), spanBlocks);
  const isWhole =
    row.length === COUNTS_BYTES + CRC_BYTES && view.getUint32(COUNTS_BYTES) === crc32(row.subarray(0, COUNTS_BYTES));
  if (!isWhole) {
    throw new LogError(
      'corrupt-data',
      'the row that counts the sealed blocks is damaged; `countersign repair` makes it',
    );
  }
  return {
    sealed: view.getUint32(0),
    paged: view.getUint32(U32_BYTES),
    merged: view.getUint32(2 * U32_BYTES),
  };
}

/** Of an index whose blocks have no pages: the next one will, and the first whole span of such is the first to be merged. */
export function countsWithoutPages(sealed: number, spanBlocks: number): IndexCounts {
  return { sealed, paged: sealed, merged: Math.ceil(sealed / spanBlocks) };
}

function encodeU32(value: number): Uint8Array {
  const bytes = new Uint8Array(U32_BYTES);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
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
