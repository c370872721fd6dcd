/** The reading half of a log of any kind: heads, tiles, bundles, proofs and receipts, each against one durable state. */
import type { Hash } from '../../proofs/hash.ts';
import { rangeRoot } from '../../proofs/range.ts';
import { TILE_WIDTH, tileWidthAt } from '../../proofs/tile.ts';
import { BundleCache } from './bundle-cache.ts';
import type { TreeCore } from './core.ts';
import { consistency, inclusion, leafAt, receipt, rootAt } from './prove.ts';
import { type EntrySource, readBundle, readEntry } from './read-entries.ts';
import { LogError, type ProvenInclusion, type TreeLog } from './types.ts';

type TreeReads = Pick<
  TreeLog,
  | 'checkpoint'
  | 'publishedSize'
  | 'head'
  | 'signedSize'
  | 'treeSize'
  | 'tile'
  | 'entryBundle'
  | 'inclusionProof'
  | 'provenInclusion'
  | 'consistencyProof'
  | 'rootAt'
  | 'leafHashAt'
  | 'receipt'
>;

/** Roots kept for proofs: nearly all are asked for against the newest few checkpoints. */
const MAX_KEPT_ROOTS = 32;

/** The core's stored entries and its tree, as they stand now. */
export function entrySource({ store, reader, hasher, durableState }: TreeCore): EntrySource {
  return { store, reader, hasher, state: durableState() };
}

export function readTree(core: () => TreeCore): TreeReads {
  const source = (): EntrySource => entrySource(core());
  const treeSize = (): number => core().durableState().range.size;
  const signedSize = (): number => core().heads.head?.checkpoint.size ?? 0;
  const publishedSize = (): number => core().publisher.published?.size ?? 0;
  const checkSigned = (size: number): void => {
    if (size > signedSize()) throw new LogError('size-not-signed', `no head of size ${size} has been signed`, { size });
  };

  // Of durable leaves, which no life of the log can change.
  const bundles = new BundleCache();
  const roots = new Map<number, Promise<Hash>>();
  const keptRootAt = (size: number): Promise<Hash> => {
    const kept = roots.get(size);
    if (kept !== undefined) return kept;
    const root = rootAt(source(), size);
    if (roots.size >= MAX_KEPT_ROOTS) roots.clear();
    roots.set(size, root);
    root.catch(() => roots.delete(size));
    return root;
  };
  const provenInclusion = async (index: number, size: number): Promise<ProvenInclusion> => {
    checkSigned(size);
    if (index >= size) throw new LogError('not-in-log', `index ${index} is not below size ${size}`, { index, size });
    return inclusion(source(), index, size, keptRootAt);
  };

  return {
    checkpoint: () => core().publisher.published?.note,
    publishedSize,
    head: () => core().heads.head?.note,
    signedSize,
    treeSize,
    tile: async ({ level, index, width }) => {
      if (width > tileWidthAt(level, index, signedSize())) return undefined;
      const { reader, state } = source();
      return reader.tile(state, level, index, width);
    },
    entryBundle: async (index, width) => {
      if (width > tileWidthAt(0, index, signedSize())) return undefined;
      const read = (): Promise<Uint8Array> => readBundle(source(), index, width);
      return width === TILE_WIDTH ? bundles.get(index, read) : read();
    },
    provenInclusion,
    inclusionProof: async (index, size) => (await provenInclusion(index, size)).proof,
    consistencyProof: async (from, to) => {
      checkSigned(to);
      if (from > to) throw new LogError('not-in-log', `size ${from} is larger than size ${to}`, { from, to });
      return consistency(source(), from, to);
    },
    rootAt: async (size) => {
      const from = source();
      if (size > from.state.range.size) throw new LogError('not-in-log', `the tree has no size ${size} yet`, { size });
      return size === from.state.range.size ? rangeRoot(from.state.range, from.hasher) : rootAt(from, size);
    },
    leafHashAt: async (index) => {
      if (index >= treeSize()) throw new LogError('not-in-log', `index ${index} is beyond the tree`, { index });
      return leafAt(source(), index);
    },
    receipt: async (index) => {
      const { published } = core().publisher;
      if (published === undefined || index >= published.size) return undefined;
      return receipt(source(), index, published, await readEntry(source(), index));
    },
  };
}
