/**
 * Reading stored items although some of them cannot be read: what entries.ts refuses as a whole comes here item by item,
 * with what is wrong with each that does not come. For `fsck`, `repair` and the scrubber; nothing is served from here.
 */
import { type Store, StoreError } from '../store/contract.ts';
import { readAllItems } from './entries.ts';
import type { ChunkKind } from './rows.ts';
import { LogError } from './types.ts';

export interface ReadWindow {
  /** One per index from the first on; undefined where it cannot be read. */
  readonly items: readonly (Uint8Array | undefined)[];
  /** Why, by index. */
  readonly faults: ReadonlyMap<number, string>;
}

/** The items [from, to). Throws StoreError `store-closed` and nothing else. */
export async function readWindow(store: Store, kind: ChunkKind, from: number, to: number): Promise<ReadWindow> {
  try {
    return { items: await readAllItems(store, kind, from, to), faults: new Map() };
  } catch (error) {
    faultOf(error);
  }
  const items: (Uint8Array | undefined)[] = [];
  const faults = new Map<number, string>();
  for (let index = from; index < to; index++) {
    try {
      const [item] = await readAllItems(store, kind, index, index + 1);
      items.push(item);
      if (item === undefined) faults.set(index, 'there is no such row');
    } catch (error) {
      items.push(undefined);
      faults.set(index, faultOf(error));
    }
  }
  return { items, faults };
}

/** One row, or why it cannot be read. */
export async function readRow(store: Store, key: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return await store.get(key);
  } catch (error) {
    faultOf(error);
    return undefined;
  }
}

function faultOf(error: unknown): string {
  if (error instanceof LogError && error.code === 'corrupt-data') return error.message;
  if (error instanceof StoreError && error.code !== 'store-closed') return error.message;
  throw error;
}
