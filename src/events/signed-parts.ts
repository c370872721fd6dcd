/**
 * What a signed submission adds to its event, checked while the event is prepared (prepare.ts): the salts that the
 * producer brought belong to exactly the fields there are. prepare-signed.ts reads the submission itself.
 */
import { splitFields } from '../../proofs/fields.ts';
import type { Hash } from '../../proofs/hash.ts';
import { EventProblem, type PrepareContext } from './types.ts';
import type { ValidEvent } from './validate.ts';

/** What a signed submission adds to its event. */
export interface SignedParts {
  readonly salts: ReadonlyMap<string, Uint8Array>;
  readonly signature: Uint8Array;
  /** Throws EventProblem `bad-producer-signature`. */
  readonly verify: (producerSeq: number | null, cardHash: Hash) => void;
}

/** The fields that the producer took out of their parents; all that the log keeps apart must be among them. */
export function signedPaths(signed: SignedParts, event: ValidEvent, context: PrepareContext): readonly string[] {
  for (const [id] of splitFields(event, context.separatePaths(event.action))) {
    if (signed.salts.has(id) || !id.includes('.')) continue;
    throw fault('salts-mismatch', `/salts/${id}`, 'this log keeps the field apart: give it a salt of its own');
  }
  return [...signed.salts.keys()].filter((id) => id.includes('.'));
}

/** Every field has exactly one salt. Throws EventProblem `salts-mismatch`. */
export function checkSalts(signed: SignedParts, fieldIds: readonly string[]): void {
  const ids = new Set(fieldIds);
  const missing = fieldIds.find((id) => !signed.salts.has(id));
  if (missing !== undefined) throw fault('salts-mismatch', `/salts/${missing}`, 'is missing: each field has a salt');
  const strange = [...signed.salts.keys()].find((id) => !ids.has(id));
  if (strange !== undefined) throw fault('salts-mismatch', `/salts/${strange}`, 'the event has no such field');
}

export function needsRedaction(): EventProblem {
  return fault(
    'signed-needs-redaction',
    '',
    'holds what the log would have to redact, which would break the signature: take it out and sign again',
  );
}

function fault(code: EventProblem['code'], pointer: string, detail: string): EventProblem {
  return new EventProblem({ code, pointer, detail });
}
