/** An event that brings its own inclusion proof, as selected bundles and related.ndjson have them. */
import { parseProvenEvent } from './bundle.ts';
import { checkInclusion } from './check.ts';
import { ProofError } from './errors.ts';
import type { Hasher } from './hash.ts';
import { type CheckedEvent, checkOpenedEvent } from './opened-event.ts';
import type { CheckedCheckpoint } from './policy.ts';

/** Throws what is false, with the index in its details. */
export function checkProven(line: string, { checkpoint }: CheckedCheckpoint, hasher: Hasher): CheckedEvent {
  const { opened, proof } = parseProvenEvent(line);
  const event = checkOpenedEvent(opened, hasher);
  const { index, leafHash } = event;
  try {
    checkInclusion({ index, size: checkpoint.size, leafHash, proof, root: checkpoint.root }, hasher);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new ProofError(error.code, `event ${index} is not in the tree: ${error.message}`, { index });
  }
  return event;
}

/** `expected` is the index that had to come, if there was one. */
export function wrongPlace(index: number, expected: number | undefined): ProofError {
  if (expected !== undefined && index > expected) {
    const message = `event ${expected} is missing: event ${index} comes next`;
    return new ProofError('missing-event', message, { index: expected });
  }
  return new ProofError('unexpected-event', `event ${index} stands twice, out of order, or outside the range`, {
    index,
  });
}
