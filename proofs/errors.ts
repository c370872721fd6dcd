/**
 * The one error type of this folder. Everything in proofs/ either returns a value that was checked in full or
 * throws a ProofError; the code is API (tests and callers branch on it), the message is for people.
 */

/** Every way in which untrusted bytes can fail here. A closed union: adding a code is a change of the API. */
export type ProofErrorCode =
  | 'invalid-utf8'
  | 'invalid-base64'
  | 'invalid-hex'
  | 'invalid-number'
  | 'size-too-large'
  | 'invalid-hash'
  | 'invalid-argument'
  | 'invalid-range'
  | 'bad-inclusion-proof'
  | 'bad-range-proof'
  | 'bad-consistency-proof'
  | 'bad-subtree'
  | 'bad-subtree-proof'
  | 'invalid-tile'
  | 'invalid-tile-path'
  | 'invalid-entry-bundle'
  | 'invalid-key'
  | 'bad-public-key'
  | 'unsupported-key-type'
  | 'invalid-note'
  | 'note-too-large'
  | 'invalid-checkpoint'
  | 'wrong-origin'
  | 'invalid-signature'
  | 'bad-signature'
  | 'bad-log-signature'
  | 'no-log-signature'
  | 'quorum-not-met'
  | 'invalid-policy'
  | 'invalid-log-list'
  | 'invalid-tlog-proof'
  | 'invalid-pin'
  | 'invalid-head-update'
  | 'invalid-fork-proof'
  | 'not-a-fork'
  | 'invalid-cbor'
  | 'invalid-json'
  | 'duplicate-member'
  | 'unsafe-integer'
  | 'number-out-of-range'
  | 'lone-surrogate'
  | 'json-too-deep'
  | 'json-too-many-values'
  | 'invalid-card'
  | 'invalid-entry'
  | 'entry-too-large'
  | 'invalid-field'
  | 'invalid-opened-event'
  | 'commitment-mismatch'
  | 'card-mismatch'
  | 'entry-mismatch'
  | 'invalid-filter'
  | 'invalid-zip'
  | 'invalid-bundle'
  | 'missing-file'
  | 'unexpected-file'
  | 'digest-mismatch'
  | 'range-mismatch'
  | 'missing-event'
  | 'unexpected-event'
  | 'filter-mismatch'
  | 'count-mismatch'
  | 'producer-key-not-valid'
  | 'pin-mismatch'
  | 'invalid-sample'
  | 'sample-mismatch'
  | 'bad-beacon';

/** Values that name what went wrong: an index, a field id, a size. Never contents. */
export type ErrorDetails = Readonly<Record<string, string | number>>;

export class ProofError extends Error {
  readonly code: ProofErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ProofErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.name = 'ProofError';
    this.code = code;
    this.details = details;
  }
}

/**
 * Runs a step of a parser and gives its failure the code of the format, as that is what callers branch on. A size that
 * only this implementation refuses keeps its own code, `size-too-large`.
 */
export function recode<T>(code: ProofErrorCode, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof ProofError) || error.code === 'size-too-large') throw error;
    throw new ProofError(code, error.message, error.details);
  }
}
