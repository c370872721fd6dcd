/**
 * Reading entries and their contents back from the store. Nothing here is trusted: `tree-reader.ts` has the hashes
 * that every entry is compared with before it is served.
 */
import { decodeEntryBundle } from '../../proofs/tile.ts';
import type { Store } from '../store/contract.ts';
import { type ChunkKind, chunkFirstIndex, chunkHolding, chunkKey } from './rows.ts';
import { StoredCbor } from './stored-cbor.ts';
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

/** The items of `encodeCbor([bytes, …])` as views of the row: nothing is copied. The row ends with its last item. */
function decodeDisclosures(row: Uint8Array): readonly Uint8Array[] {
  const stored = new StoredCbor(row);
  const items = Array.from({ length: stored.array() }, () => stored.bytes());
  if (!stored.isAtEnd) throw new LogError('corrupt-data', 'bytes follow a row of contents');
  return items;
}

function disclosureAt(row: Uint8Array, position: number): Uint8Array | undefined {
  const stored = new StoredCbor(row);
  if (position >= stored.array()) return undefined;
  for (let i = 0; i < position; i++) stored.skipBytes();
  return stored.bytes();
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

function missing(kind: ChunkKind, index: number): LogError {
  return new LogError('corrupt-data', `the stored ${kind} of index ${index} are missing`, { index });
}
