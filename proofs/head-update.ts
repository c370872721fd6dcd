/**
 * A later head, and the proof that it extends an earlier one: what `countersign head --since PIN` fetches, so that a head
 * that was kept for years can be held against today's log without a network.
 *
 *     countersign/consistency/v1
 *     from 41
 *     to 60
 *     ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=
 *     (a blank line, the checkpoint of size 60 with all its signatures)
 *
 * The first lines are the file `consistency` of an evidence bundle (consistency.ts).
 */
import { utf8Decode, utf8Encode } from './bytes.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { type ConsistencyFile, formatConsistency, parseConsistency } from './consistency.ts';
import { ProofError, recode } from './errors.ts';
import { MAX_NOTE_BYTES } from './note.ts';

export interface HeadUpdate {
  /** `to` is the size of the checkpoint. */
  readonly consistency: ConsistencyFile;
  /** A signed checkpoint, verbatim. */
  readonly checkpoint: string;
}

/** The largest checkpoint, and the proof. */
export const MAX_HEAD_UPDATE_BYTES: number = MAX_NOTE_BYTES + 8_192;

/** Reads a file; nothing in it is verified. Throws `invalid-head-update`, or `size-too-large`. */
export function parseHeadUpdate(bytes: Uint8Array | string): HeadUpdate {
  if (bytes.length > MAX_HEAD_UPDATE_BYTES) throw invalid('it is too long');
  const text = typeof bytes === 'string' ? bytes : recode('invalid-head-update', () => utf8Decode(bytes));
  const split = text.indexOf('\n\n');
  if (split < 0) throw invalid('there is no blank line before the checkpoint');
  const consistency = recode('invalid-head-update', () => parseConsistency(utf8Encode(text.slice(0, split + 1))));
  const update = { consistency, checkpoint: text.slice(split + 2) };
  if (formatHeadUpdate(update) !== text) throw invalid('it is not in its one encoding');
  return update;
}

/** Throws `invalid-head-update` when the proof does not end at the checkpoint, or starts after it. */
export function formatHeadUpdate({ consistency, checkpoint }: HeadUpdate): string {
  const { size } = recode('invalid-head-update', () => parseCheckpoint(checkpoint).checkpoint);
  if (consistency.to !== size || consistency.from > size) throw invalid('the proof does not end at the checkpoint');
  return `${formatConsistency(consistency)}\n${checkpoint}`;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-head-update', `the file of a later head: ${what}`);
}
