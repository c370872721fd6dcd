/**
 * Putting single entries or contents back into the rows that hold several. A row that can be read gets its bad items
 * replaced; where there is none, or only a malformed one, new rows take the items that are known.
 */
import { encodeCbor } from '../../proofs/cbor.ts';
import { encodeEntryBundle } from '../../proofs/tile.ts';
import type { PutRow, Store } from '../store/contract.ts';
import { readWindow } from './read-damaged.ts';
import { type ChunkKind, chunkFirstIndex, chunkHolding, chunkKey } from './rows.ts';

/** Items in a row that is made here. */
const ROW_ITEMS = 32;

/** The rows that make these items the stored ones. `size` is the tree's. */
export async function rowsWith(
  store: Store,
  kind: ChunkKind,
  items: ReadonlyMap<number, Uint8Array>,
  size: number,
): Promise<readonly PutRow[]> {
  const rows: PutRow[] = [];
  let done = 0;
  for (const index of [...items.keys()].sort((a, b) => a - b)) {
    if (index < done) continue;
    const { first, end } = await spanOf(store, kind, index, size);
    const stored = await readWindow(store, kind, first, end);
    const known = stored.items.map((item, i) => items.get(first + i) ?? item);
    rows.push(...pieces(kind, first, known));
    done = end;
  }
  return rows;
}

/** From the row at or before the index to the row behind it. */
async function spanOf(
  store: Store,
  kind: ChunkKind,
  index: number,
  size: number,
): Promise<{ readonly first: number; readonly end: number }> {
  const [holder] = await store.range(chunkHolding(kind, index));
  const [next] = await store.range({ gte: chunkKey(kind, index + 1), lt: chunkKey(kind, size), limit: 1 });
  return {
    first: holder === undefined ? index : chunkFirstIndex(holder.key),
    end: next === undefined ? size : chunkFirstIndex(next.key),
  };
}

function pieces(kind: ChunkKind, first: number, items: readonly (Uint8Array | undefined)[]): readonly PutRow[] {
  const rows: PutRow[] = [];
  let run: Uint8Array[] = [];
  for (let i = 0; i <= items.length; i++) {
    const item = items[i];
    if (run.length > 0 && (item === undefined || run.length === ROW_ITEMS)) {
      const value = kind === 'entries' ? encodeEntryBundle(run) : encodeCbor(run);
      rows.push({ key: chunkKey(kind, first + i - run.length), value });
      run = [];
    }
    if (item !== undefined) run.push(item);
  }
  return rows;
}
