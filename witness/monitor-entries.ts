/**
 * Reads a log's entries as far as a head goes and hashes every one of them: each bundle is held against the head on its
 * own, so that a long catch-up can stop anywhere, and a bundle that does not belong is named by its first index.
 */
import { equalBytes } from '../proofs/bytes.ts';
import type { Checkpoint } from '../proofs/checkpoint.ts';
import { ProofError } from '../proofs/errors.ts';
import type { Hash } from '../proofs/hash.ts';
import type { HashReader } from '../proofs/prove.ts';
import { appendLeaves, type CompactRange, rangeRoot } from '../proofs/range.ts';
import { checkSubtreeConsistency } from '../proofs/subtree.ts';
import { tileHashReader } from '../proofs/tile.ts';
import { rootOfHashes } from '../proofs/tree.ts';
import { WitnessError } from './errors.ts';
import type { ClientOptions } from './log-client.ts';
import { cachedTiles, fetchPackage, firstOf } from './mirror-client.ts';
import { type EntryPackage, packageRanges, roundDown } from './mirror-wire.ts';
import { nativeHasher } from './native-hasher.ts';

/** Entries, or their tiles, that are not those of the head. `index` is the first one that differs, where that is known. */
export class EntriesDiffer extends Error {
  readonly index: number | undefined;

  constructor(message: string, index?: number) {
    super(message);
    this.name = 'EntriesDiffer';
    this.index = index;
  }
}

/** Bundles fetched at once. */
const WINDOW_PACKAGES = 4;

/**
 * The range of all entries of the head, from the range of those read before. `onProgress` is told after each few bundles
 * that verified. Throws EntriesDiffer, or what fetching throws.
 */
export async function verifyEntries(
  client: ClientOptions,
  logUrl: string,
  head: Checkpoint,
  before: CompactRange,
  onProgress: (range: CompactRange) => Promise<void>,
): Promise<CompactRange> {
  const read = tileHashReader(cachedTiles(client, logUrl), head.size, nativeHasher);
  let range = before;
  while (range.size < head.size) {
    client.signal.throwIfAborted();
    const { size } = range;
    const wanted = firstOf(packageRanges(roundDown(size), head.size), WINDOW_PACKAGES);
    const packages = await Promise.all(wanted.map((one) => fetchPackage(client, logUrl, head, one, read)));
    for (const one of packages) {
      const leaves = await checkedLeaves(head, one, read);
      range = appendLeaves(range, leaves.slice(range.size - one.start), nativeHasher);
    }
    await onProgress(range);
  }
  if (!equalBytes(rangeRoot(range, nativeHasher), head.root)) {
    throw new WitnessError(
      'state-corrupt',
      'what was verified before does not lead to the head; remove the state file',
    );
  }
  return range;
}

/** The leaf hashes of a package that begins at a multiple of 256. */
async function checkedLeaves(head: Checkpoint, one: EntryPackage, read: HashReader): Promise<readonly Hash[]> {
  const leaves = one.entries.map((entry) => nativeHasher.leaf(entry));
  if (belongs(head, one, leaves)) return leaves;
  const { start, end } = one;
  const claimed = await read(Array.from({ length: end - start }, (_, i) => ({ level: 0, index: start + i })));
  if (!belongs(head, one, claimed)) {
    throw new EntriesDiffer(
      `the tiles of entries ${start} to ${end - 1} are not those of the head of size ${head.size}`,
    );
  }
  const index = start + leaves.findIndex((leaf, i) => !equalBytes(leaf, claimed[i] ?? leaf.subarray(1)));
  throw new EntriesDiffer(`entry ${index} is not the one in the tree of size ${head.size}`, index);
}

function belongs({ size, root }: Checkpoint, { start, end, proof }: EntryPackage, leaves: readonly Hash[]): boolean {
  const subtreeHash = rootOfHashes(leaves, nativeHasher);
  try {
    checkSubtreeConsistency({ start, end, size, subtreeHash, root, proof }, nativeHasher);
    return true;
  } catch (error) {
    if (error instanceof ProofError) return false;
    throw error;
  }
}
