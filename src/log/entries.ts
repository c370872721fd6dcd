/**
 * Reading entries and their contents back from the store. Nothing here is trusted: `tree-reader.ts` has the hashes
 * that every entry is compared with before it is served.
 */
import { type CborValue, decodeCbor } from '../../proofs/cbor.ts';
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
  const [holder] = await store.range(chunkHolding(kind, from));
  let gte = holder?.key ?? chunkKey(kind, from);
  let next = from;
  while (next < to) {
    const rows = await store.range({ gte, lt: chunkKey(kind, to), limit: PAGE_CHUNKS });
    const page: Uint8Array[] = [];
    for (const row of rows) {
      const chunk = decodeChunk(kind, row.key, row.value);
      if (chunk.first > next) break;
      page.push(...chunk.items.slice(next - chunk.first, to - chunk.first));
      next = Math.min(to, Math.max(next, chunk.first + chunk.items.length));
    }
    if (page.length === 0) throw missing(kind, next);
    yield page;
    gte = chunkKey(kind, next);
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

function decodeChunk(kind: ChunkKind, key: Uint8Array, value: Uint8Array): Chunk {
  const first = chunkFirstIndex(key);
  try {
    return { first, items: kind === 'entries' ? decodeEntryBundle(value) : decodeDisclosures(value) };
  } catch {
    throw new LogError('corrupt-data', `the stored ${kind} from index ${first} on are malformed`, { index: first });
  }
}

function decodeDisclosures(value: Uint8Array): readonly Uint8Array[] {
  const list: CborValue = decodeCbor(value);
  if (!Array.isArray(list)) throw new LogError('corrupt-data', 'a row of contents is not a list');
  return list.map((item: CborValue) => {
    if (!(item instanceof Uint8Array)) throw new LogError('corrupt-data', 'a row of contents holds no bytes');
    return item;
  });
}

function missing(kind: ChunkKind, index: number): LogError {
  return new LogError('corrupt-data', `the stored ${kind} of index ${index} are missing`, { index });
}
