/**
 * Stage `sequence`: gives each prepared event of a group its index and its log time, and encodes the entry that the
 * tree will hash. Pure: the clock's reading and the tree's state come in, nothing is written.
 */
import { CborWriter } from '../../proofs/cbor-writer.ts';
import { writeEntry } from '../../proofs/entry.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { BytePool } from '../events/byte-pool.ts';
import type { Prepared } from '../events/types.ts';

export interface Sequenced {
  readonly index: number;
  /** Microseconds since the Unix epoch: the clock's, or one more than the last where the clock has not moved on. */
  readonly logTime: number;
  readonly entry: Uint8Array;
  readonly leafHash: Hash;
  readonly event: Prepared;
}

/** Space to write in, begun anew for each entry. */
const writer = new CborWriter();
const kept = new BytePool();

export function sequence(
  events: readonly Prepared[],
  after: { readonly size: number; readonly lastLogTime: number },
  nowUs: number,
  hasher: Hasher,
): readonly Sequenced[] {
  let logTime = after.lastLogTime;
  return events.map((event, position) => {
    logTime = Math.max(nowUs, logTime + 1);
    writeEntry(writer.restart(), {
      logTime,
      producerId: event.producerId,
      producerSeq: event.producerSeq,
      cardHash: event.cardHash,
      logCommitment: event.logCommitment,
      signature: event.signature,
    });
    const written = writer.view();
    const entry = kept.take(written.length);
    entry.set(written);
    return { index: after.size + position, logTime, entry, leafHash: hasher.leaf(written), event };
  });
}
