/** A log of opaque bytes: what it adds to the tree (plan-bytes.ts); everything else is as for any log. */
import { MAX_BUNDLE_ENTRY_BYTES } from '../../proofs/tile.ts';
import { RawContents } from './check-contents.ts';
import { KnownKeys } from './known-keys.ts';
import { startLog } from './log.ts';
import type { LogKind } from './log-kind.ts';
import type { OpenLogOptions } from './options.ts';
import { planBytes } from './plan-bytes.ts';
import { leafAt } from './prove.ts';
import { readEntry } from './read-entries.ts';
import { entrySource } from './read-tree.ts';
import { ALL_LEAVES } from './rows.ts';
import { type AddResult, LogError, type RawLog } from './types.ts';

export interface OpenRawLogOptions extends OpenLogOptions {
  /**
   * The same bytes get the same index, for ever. Entries that were added while it was off are not found again: they have
   * no row by their hash.
   */
  readonly deduplicate: boolean;
}

/** Opens a raw log. Throws as `openLog` does. */
export async function openRawLog(options: OpenRawLogOptions): Promise<RawLog> {
  const { tree, submit, core } = await startLog(options, rawKind(options.deduplicate));
  return {
    ...tree,
    kind: 'raw',
    deduplicates: options.deduplicate,
    add: async (entries) => {
      for (const entry of entries) checkLength(entry);
      return submit(entries);
    },
    entryAt: async (index) => (index >= tree.treeSize() ? undefined : readEntry(entrySource(core()), index)),
  };
}

function rawKind(deduplicate: boolean): LogKind<Uint8Array, AddResult, undefined> {
  return {
    weighed: 'entries',
    load: async ({ store, hasher, nowUs, size, source }) => {
      const leaves = deduplicate ? new KnownKeys(store, ALL_LEAVES, size) : undefined;
      return {
        planner: planBytes({ leaves, hasher, nowUs, leafHashAt: (index) => leafAt(source(), index) }),
        checkContents: () => new RawContents(store, hasher),
        own: undefined,
        close: async () => leaves?.close(),
      };
    },
  };
}

function checkLength({ length }: Uint8Array): void {
  if (length <= MAX_BUNDLE_ENTRY_BYTES) return;
  throw new LogError('entry-too-large', `an entry has at most ${MAX_BUNDLE_ENTRY_BYTES} bytes; this one has ${length}`);
}
