/**
 * Where bytes for a repair come from. Nothing of it is trusted: an entry is taken if it hashes to the leaf that the tree
 * has, contents if they open the entry's commitments.
 */
import { TILE_WIDTH } from '../../proofs/tile.ts';
import type { Store } from '../store/contract.ts';
import { type CopyClient, fetchUnproven } from './fetch-copy.ts';
import { readWindow } from './read-damaged.ts';

type Maybe<T> = T | undefined;

export interface RepairSource {
  /** For people. */
  readonly name: string;
  /** Throws RestoreError: `altered` for what is not to be had there, `unreachable` for a source that does not answer. */
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

/** A mirror or any tiled copy: it has entries, as many as it says, and never had contents. */
export function copySource(client: CopyClient, prefix: string, size: number): RepairSource {
  // The last one only, and also how it failed: whoever asks goes from one index to the next.
  let last: { readonly bundle: number; readonly entries: Promise<readonly Uint8Array[]> } | undefined;
  return {
    name: prefix,
    entry: async (index) => {
      const bundle = Math.floor(index / TILE_WIDTH);
      if (last?.bundle !== bundle) last = { bundle, entries: fetchUnproven(client, prefix, size, bundle) };
      return (await last.entries)[index % TILE_WIDTH];
    },
    contents: async () => undefined,
    close: async () => undefined,
  };
}
