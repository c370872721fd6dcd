/**
 * Reading entries and their contents back from the store. Nothing here is trusted: `tree-reader.ts` has the hashes
 * that every entry is compared with before it is served.
 */
import { decodeEntryBundle } from '../../proofs/tile.ts';
import type { Store } from '../store/contract.ts';
import { type ChunkKind, chunkFirstIndex, chunkHolding, chunkKey } from './rows.ts';
import { LogError } from './types.ts';

/** Chunks read from the store at once. */
const PAGE_CHUNKS = 32;

interface Chunk {
  readonly first: number;
  readonly items: readonly Uint8Array[];
}

/** The stored items [from, to) in order, in pages. Throws LogError `corrupt-data` naming the first index missing. */
export async function* readItems(
  store: Store,
  kind: ChunkKind,
  from: number,
  to: number,
): AsyncGenerator<readonly Uint8Array[]> {
  if (from >= to) return;
  // The row that holds `from` is read once and used: for one event there is no other.
  let rows = await store.range(chunkHolding(kind, from));
  let isHolder = true;
  let next = from;
  for (;;) {
    const page: Uint8Array[] = [];
    for (const row of rows) {
      const chunk = decodeChunk(kind, row.key, row.value);
      if (chunk.first > next) break;
      page.push(...chunk.items.slice(next - chunk.first, to - chunk.first));
      next = Math.min(to, Math.max(next, chunk.first + chunk.items.length));
    }
    if (page.length > 0) yield page;
    else if (!isHolder) throw missing(kind, next);
    if (next >= to) return;
    isHolder = false;
    rows = await store.range({ gte: chunkKey(kind, next), lt: chunkKey(kind, to), limit: PAGE_CHUNKS });
  }
}

/** All stored items [from, to); for ranges that the caller has bounded. */
export async function readAllItems(
  store: Store,
  kind: ChunkKind,
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> {
  const items: Uint8Array[] = [];
  for await (const page of readItems(store, kind, from, to)) items.push(...page);
  return items;
}

/**
 * The item of `index` out of the row that begins with index `first`, as a view of it; the others are passed over.
 * Undefined where the row does not reach so far. What it is compared with is the tree.
 */
export function itemAt(kind: ChunkKind, row: Uint8Array, first: number, index: number): Uint8Array | undefined {
  try {
    return kind === 'entries' ? entryAt(row, index - first) : disclosureAt(row, index - first);
  } catch {
    throw new LogError('corrupt-data', `the stored ${kind} from index ${first} on are malformed`, { index });
  }
}

function decodeChunk(kind: ChunkKind, key: Uint8Array, value: Uint8Array): Chunk {
  const first = chunkFirstIndex(key);
  try {
    return { first, items: kind === 'entries' ? decodeEntryBundle(value) : decodeDisclosures(value) };
  } catch {
    throw new LogError('corrupt-data', `the stored ${kind} from index ${first} on are malformed`, { index: first });
  }
}

const BYTES_MAJOR = 2;
const ARRAY_MAJOR = 4;

/**
 * The items of `encodeCbor([bytes, …])` as views of the row, nothing copied: a row holds 64 events, and most readers want
 * one. Heads are taken in their shortest form only and the row must end with its last item (RFC 8949 §4.2.1), so that
 * one encoding is accepted, as `decodeCbor` does.
 */
function decodeDisclosures(row: Uint8Array): readonly Uint8Array[] {
  const list = readHead(row, 0, ARRAY_MAJOR);
  const items: Uint8Array[] = [];
  let at = list.end;
  for (let i = 0; i < list.argument; i++) {
    const { argument, end } = readHead(row, at, BYTES_MAJOR);
    if (argument > row.length - end) throw malformed();
    at = end + argument;
    items.push(row.subarray(end, at));
  }
  if (at !== row.length) throw malformed();
  return items;
}

function disclosureAt(row: Uint8Array, position: number): Uint8Array | undefined {
  const list = readHead(row, 0, ARRAY_MAJOR);
  if (position >= list.argument) return undefined;
  let item = readHead(row, list.end, BYTES_MAJOR);
  for (let i = 0; i < position; i++) item = readHead(row, item.end + item.argument, BYTES_MAJOR);
  if (item.argument > row.length - item.end) throw malformed();
  return row.subarray(item.end, item.end + item.argument);
}

/** An entry stands behind its length in two big-endian bytes (proofs/tile.ts). */
function entryAt(row: Uint8Array, position: number): Uint8Array | undefined {
  let at = 0;
  for (let i = 0; at < row.length; i++) {
    const end = at + 2 + (row[at] ?? 0) * 256 + (row[at + 1] ?? 0);
    if (i === position) return end > row.length ? undefined : row.subarray(at + 2, end);
    at = end;
  }
  return undefined;
}

/** RFC 8949 §3: the argument stands in the first byte, or follows in 1, 2 or 4 bytes. */
function readHead(row: Uint8Array, at: number, major: number): { readonly argument: number; readonly end: number } {
  const first = row[at] ?? 0xff;
  const info = first & 0x1f;
  if (first >> 5 !== major || info > 26) throw malformed();
  if (info < 24) return { argument: info, end: at + 1 };
  const end = at + 1 + 2 ** (info - 24);
  let argument = 0;
  for (let i = at + 1; i < end; i++) argument = argument * 256 + (row[i] ?? 0);
  const least = info === 24 ? 24 : 256 ** (2 ** (info - 25));
  if (argument < least || end > row.length) throw malformed();
  return { argument, end };
}

function malformed(): LogError {
  return new LogError('corrupt-data', 'a row of contents is malformed');
}

function missing(kind: ChunkKind, index: number): LogError {
  return new LogError('corrupt-data', `the stored ${kind} of index ${index} are missing`, { index });
}
