/**
 * Where bytes for a repair come from. Nothing of it is trusted: an entry is taken if it hashes to the leaf that the tree
 * has, contents if they open the entry's commitments.
 */
import { TILE_WIDTH } from '../../proofs/tile.ts';
import type { Store } from '../store/contract.ts';
import { type CopyClient, type CopySource, fetchUnproven } from './fetch-copy.ts';
import { readWindow } from './read-damaged.ts';

type Maybe<T> = T | undefined;

export interface RepairSource {
  /** For people. */
  readonly name: string;
  entry(index: number): Promise<Maybe<Uint8Array>>;
  /** As they are stored, see disclosure.ts. */
  contents(index: number): Promise<Maybe<Uint8Array>>;
  close(): Promise<void>;
}

/** Another copy of the log's database. */
export function storedSource(name: string, store: Store, close: () => Promise<void>): RepairSource {
  return {
    name,
    entry: async (index) => (await readWindow(store, 'entries', index, index + 1)).items[0],
    contents: async (index) => (await readWindow(store, 'disclosures', index, index + 1)).items[0],
    close,
  };
}

/** A mirror or any tiled copy: it has entries, and never had contents. */
export function copySource(client: CopyClient, copy: CopySource): RepairSource {
  const bundles = new Map<number, Promise<readonly Uint8Array[]>>();
  return {
    name: copy.prefix,
    entry: async (index) => {
      const bundle = Math.floor(index / TILE_WIDTH);
      const entries = bundles.get(bundle) ?? fetchUnproven(client, copy, bundle);
      bundles.clear();
      bundles.set(bundle, entries);
      return (await entries)[index % TILE_WIDTH];
    },
    contents: async () => undefined,
    close: async () => undefined,
  };
}
