/**
 * What goes over the wire between a mirror and its clients (C2SP tlog-mirror), in both directions.
 *
 * An `add-entries` body is a header and then entry packages, all numbers big-endian:
 *
 *     u16 ‖ log origin   u64 upload start   u64 upload end   u16 ‖ ticket
 *     per package: (u16 ‖ entry) …   u8 number of hashes   hashes of 32 bytes each
 *
 * The packages of an upload [start, end) are fixed: one for each run of 256 indices, cut where the upload begins and ends.
 * A body may stop after any of them. The mirror says where it stands in three lines, `text/x.tlog.mirror-info`:
 *
 *     12400          size of a pending checkpoint
 *     12345          next entry
 *     AQIDBAU=       ticket, opaque to everybody else
 */
import { base64Decode, base64Encode, concatBytes, utf8Decode, utf8Encode } from '../proofs/bytes.ts';
import { MAX_PROOF_HASHES } from '../proofs/check.ts';
import { ProofError } from '../proofs/errors.ts';
import { HASH_BYTES, type Hash } from '../proofs/hash.ts';
import { assertSize, parseDecimal } from '../proofs/numbers.ts';
import { encodeEntryBundle, TILE_WIDTH } from '../proofs/tile.ts';
import type { Interval } from '../proofs/tree.ts';

export interface UploadHeader {
  readonly origin: string;
  readonly start: number;
  readonly end: number;
  readonly ticket: Uint8Array;
}

export interface EntryPackage extends Interval {
  /** One for each index of [start, end). */
  readonly entries: readonly Uint8Array[];
  /** That [start rounded down to 256, end) is a subtree of the tree of the upload's end. */
  readonly proof: readonly Hash[];
}

export interface MirrorInfo {
  readonly pendingSize: number;
  readonly nextEntry: number;
  readonly ticket: Uint8Array;
}

export const MIRROR_INFO = 'text/x.tlog.mirror-info';
/** Clients send no more than this in one request (C2SP tlog-mirror, implementation considerations). */
export const MAX_CLIENT_PACKAGES = 32;
const MAX_SHORT_BYTES = 0xffff;
/** Three lines, of which the longest is a ticket. */
const MAX_INFO_CHARACTERS = 128 * 1024;

/** Bytes as they come, taken in exact counts; what is asked for and not there ends the upload. */
export interface ByteSource {
  /** Exactly so many bytes. Throws BodyEnded when the body ends before. */
  take(count: number): Promise<Uint8Array>;
}

/** The body ended within a value, or could not be read any further. */
export class BodyEnded extends Error {}

/** Reads chunks of a body into exact counts. It holds at most one value and one chunk in memory. */
export function byteSource(chunks: AsyncIterable<Uint8Array>): ByteSource {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  const next = async (): Promise<Uint8Array> => {
    let result: IteratorResult<Uint8Array, unknown>;
    try {
      result = await iterator.next();
    } catch (error) {
      // The client went away, or what it sent is not compressed as it said.
      throw new BodyEnded('the body could not be read to its end', { cause: error });
    }
    if (result.done === true) throw new BodyEnded('the body ended too early');
    return result.value;
  };
  return {
    take: async (count) => {
      const parts: Uint8Array[] = [];
      let missing = count;
      while (missing > 0) {
        if (rest.length === 0) rest = await next();
        const part = rest.subarray(0, missing);
        rest = rest.subarray(part.length);
        missing -= part.length;
        parts.push(part);
      }
      return concatBytes(...parts);
    },
  };
}

/**
 * Reads the header. Throws BodyEnded, `invalid-utf8` for the origin, `invalid-range` for an end before its start, or
 * `size-too-large` above 2^53−1.
 */
export async function readUploadHeader(source: ByteSource): Promise<UploadHeader> {
  const originBytes = await source.take(uint16Of(await source.take(2)));
  const start = await source.take(8);
  const end = await source.take(8);
  const ticket = await source.take(uint16Of(await source.take(2)));
  const header = { origin: utf8Decode(originBytes), start: uint64Of(start), end: uint64Of(end), ticket };
  if (header.start > header.end) throw new ProofError('invalid-range', 'the upload ends before it starts');
  return header;
}

export function formatUploadHeader({ origin, start, end, ticket }: UploadHeader): Uint8Array {
  if (start > end) throw new ProofError('invalid-range', 'the upload ends before it starts');
  return concatBytes(short(utf8Encode(origin)), uint64(start), uint64(end), short(ticket));
}

/** The canonical sequence of packages of an upload, as intervals of indices. */
export function* packageRanges(start: number, end: number): Iterable<Interval> {
  assertSize(start, 'upload start');
  assertSize(end, 'upload end');
  for (let from = start; from < end; ) {
    const to = Math.min(end, roundDown(from) + TILE_WIDTH);
    yield { start: from, end: to };
    from = to;
  }
}

/** The index of the first leaf under the level-0 tile of this index. */
export function roundDown(index: number): number {
  return index - (index % TILE_WIDTH);
}

/** Reads one package. Throws BodyEnded when there is no whole one. */
export async function readPackage(source: ByteSource, { start, end }: Interval): Promise<EntryPackage> {
  const entries: Uint8Array[] = [];
  for (let index = start; index < end; index++) entries.push(await source.take(uint16Of(await source.take(2))));
  const [count = 0] = await source.take(1);
  // What is malformed is no package: the upload ends before it.
  if (count > MAX_PROOF_HASHES) throw new BodyEnded(`more than ${MAX_PROOF_HASHES} hashes`);
  const proof: Hash[] = [];
  for (let i = 0; i < count; i++) proof.push(await source.take(HASH_BYTES));
  return { start, end, entries, proof };
}

export function formatPackage({ entries, proof }: Pick<EntryPackage, 'entries' | 'proof'>): Uint8Array {
  if (proof.length > MAX_PROOF_HASHES) {
    throw new ProofError('invalid-argument', `more than ${MAX_PROOF_HASHES} hashes`);
  }
  // Entries in a package are laid out as in an entry bundle.
  return concatBytes(encodeEntryBundle(entries), Uint8Array.of(proof.length), ...proof);
}

/** Throws `invalid-number`, `invalid-base64`, `invalid-argument` or `size-too-large`. */
export function parseMirrorInfo(text: string): MirrorInfo {
  const [size, next, ticket, end, ...more] = text.length > MAX_INFO_CHARACTERS ? [] : text.split('\n');
  if (size === undefined || next === undefined || ticket === undefined || end !== '' || more.length > 0) {
    throw new ProofError('invalid-argument', 'mirror info has three lines');
  }
  return {
    pendingSize: parseDecimal(size, 'the size of the pending checkpoint'),
    nextEntry: parseDecimal(next, 'the next entry'),
    ticket: base64Decode(ticket),
  };
}

export function formatMirrorInfo({ pendingSize, nextEntry, ticket }: MirrorInfo): string {
  return `${pendingSize}\n${nextEntry}\n${base64Encode(ticket)}\n`;
}

function uint16Of(bytes: Uint8Array): number {
  return (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
}

function uint64Of(bytes: Uint8Array): number {
  const value = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new ProofError('size-too-large', 'an index is above 2^53-1, the largest that is supported here');
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(assertSize(value, 'an index')));
  return bytes;
}

function short(bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_SHORT_BYTES) throw new ProofError('invalid-argument', 'more than 65,535 bytes');
  return concatBytes(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes);
}
