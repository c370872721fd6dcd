/**
 * The one oracle: it looks at a whole log through its public face and holds it against what was acknowledged. Run after
 * each step of a stateful test.
 */
import { equalBytes, hexEncode } from '../../proofs/bytes.ts';
import { checkConsistency, checkInclusion } from '../../proofs/check.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import { leafHash } from '../../proofs/hash.ts';
import { checkCheckpoint } from '../../proofs/policy.ts';
import { decodeEntryBundle, decodeTile, tilesForSize } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import type { Log, RawLog, TreeLog } from '../../src/log/types.ts';

export interface Acknowledged {
  readonly eventId: string;
  readonly index: number;
  readonly logTime: number;
  readonly leafHash: Uint8Array;
}

/** Throws an Error that names the first thing that does not hold. */
export async function checkLog(log: Log, acknowledged: readonly Acknowledged[]): Promise<void> {
  const size = log.treeSize();
  const leaves: Uint8Array[] = [];
  let lastLogTime = 0;
  for (let index = 0; index < size; index++) {
    const event = await log.eventAt(index);
    must(event !== undefined, `event ${index} is missing`);
    must(equalBytes(leafHash(event.entry), event.leafHash), `entry ${index} does not hash to its leaf`);
    const { logTime } = decodeEntry(event.entry);
    must(logTime > lastLogTime, `log time does not increase at ${index}`);
    lastLogTime = logTime;
    leaves.push(event.leafHash);
  }
  await checkAcknowledged(log, acknowledged, leaves);
  await checkTree(log, leaves);
}

/** The same for a raw log: `acknowledged` are the bytes at each index that was answered. */
export async function checkRawLog(log: RawLog, acknowledged: ReadonlyMap<number, Uint8Array>): Promise<void> {
  const leaves: Uint8Array[] = [];
  for (let index = 0; index < log.treeSize(); index++) {
    const entry = await log.entryAt(index);
    must(entry !== undefined, `entry ${index} is missing`);
    leaves.push(leafHash(entry));
  }
  for (const [index, entry] of acknowledged) {
    const found = leaves[index];
    must(found !== undefined, `the acknowledged entry at ${index} is lost`);
    must(equalBytes(found, leafHash(entry)), `the acknowledged entry at ${index} was altered`);
  }
  await checkTree(log, leaves);
}

async function checkTree(log: TreeLog, leaves: readonly Uint8Array[]): Promise<void> {
  must(equalBytes(await log.rootAt(leaves.length), rootOfHashes(leaves)), 'the root is not that of the leaves');
  await checkHeads(log, leaves);
  await checkTiles(log, leaves);
}

async function checkAcknowledged(
  log: Log,
  acknowledged: readonly Acknowledged[],
  leaves: readonly Uint8Array[],
): Promise<void> {
  const seen = new Set<number>();
  for (const ack of acknowledged) {
    const found = leaves[ack.index];
    must(found !== undefined, `acknowledged event ${ack.eventId} at ${ack.index} is lost`);
    must(equalBytes(found, ack.leafHash), `acknowledged event ${ack.eventId} at ${ack.index} was altered`);
    must(!seen.has(ack.index), `index ${ack.index} was acknowledged twice`);
    seen.add(ack.index);
    const indices = await log.findEvent(ack.eventId);
    must(indices.length === 1 && indices[0] === ack.index, `event id ${ack.eventId} is found at ${indices.join()}`);
  }
}

async function checkHeads(log: TreeLog, leaves: readonly Uint8Array[]): Promise<void> {
  const sizes: number[] = [];
  for (const note of [log.checkpoint(), log.head()]) {
    if (note === undefined) continue;
    const { checkpoint } = parseCheckpoint(note);
    must(checkpoint.size <= leaves.length, 'a head is larger than the tree');
    must(equalBytes(checkpoint.root, rootOfHashes(leaves.slice(0, checkpoint.size))), 'a head has another root');
    sizes.push(checkpoint.size);
  }
  const published = log.checkpoint();
  if (published !== undefined) must(checkCheckpoint(log.policy, published).quorum, 'the checkpoint lacks its quorum');
  const to = Math.max(0, ...sizes);
  const from = Math.min(to, ...sizes);
  const proof = await log.consistencyProof(from, to);
  checkConsistency({
    from,
    to,
    fromRoot: rootOfHashes(leaves.slice(0, from)),
    toRoot: rootOfHashes(leaves.slice(0, to)),
    proof,
  });
  for (const index of [0, Math.floor(to / 2), to - 1]) {
    const leaf = leaves[index];
    if (leaf === undefined || index >= to) continue;
    const root = rootOfHashes(leaves.slice(0, to));
    checkInclusion({ index, size: to, leafHash: leaf, proof: await log.inclusionProof(index, to), root });
  }
}

async function checkTiles(log: TreeLog, leaves: readonly Uint8Array[]): Promise<void> {
  for (const coordinates of tilesForSize(log.signedSize())) {
    const tile = await log.tile(coordinates);
    must(tile !== undefined, `tile ${coordinates.level}/${coordinates.index} is missing`);
    if (coordinates.level !== 0) continue;
    const first = coordinates.index * 256;
    for (const [i, hash] of decodeTile(tile).entries()) {
      must(equalBytes(hash, leaves[first + i] ?? hash.slice(1)), `tile 0/${coordinates.index} differs at ${i}`);
    }
    const bundle = await log.entryBundle(coordinates.index, coordinates.width);
    must(bundle !== undefined, `bundle ${coordinates.index} is missing`);
    const hashes = decodeEntryBundle(bundle).map((entry) => hexEncode(leafHash(entry)));
    must(
      hashes.join() ===
        leaves
          .slice(first, first + coordinates.width)
          .map(hexEncode)
          .join(),
      'a bundle differs',
    );
  }
}

function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`the log is wrong: ${what}`);
}
