/**
 * Stage `sequence`: gives each prepared event of a group its index and its log time, and encodes the entry that the
 * tree will hash. Pure: the clock's reading and the tree's state come in, nothing is written.
 */
import { encodeEntry } from '../../proofs/entry.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import type { Prepared } from '../events/types.ts';

export interface Sequenced {
  readonly index: number;
  /** Microseconds since the Unix epoch: the clock's, or one more than the last where the clock has not moved on. */
  readonly logTime: number;
  readonly entry: Uint8Array;
  readonly leafHash: Hash;
  readonly event: Prepared;
}

export function sequence(
  events: readonly Prepared[],
  after: { readonly size: number; readonly lastLogTime: number },
  nowUs: number,
  hasher: Hasher,
): readonly Sequenced[] {
  let logTime = after.lastLogTime;
  return events.map((event, position) => {
    logTime = Math.max(nowUs, logTime + 1);
    const entry = encodeEntry({
      logTime,
      producerId: event.producerId,
      producerSeq: event.producerSeq,
      cardHash: event.cardHash,
      logCommitment: event.logCommitment,
      signature: event.signature,
    });
    return { index: after.size + position, logTime, entry, leafHash: hasher.leaf(entry), event };
  });
}
