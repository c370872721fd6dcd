/** Why no evidence can be made. Codes are API: problems.ts maps each to a status. */

export type EvidenceErrorCode =
  | 'complete-needs-scope'
  | 'range-too-large'
  | 'pinned-too-large'
  | 'too-many-bundles'
  | 'unknown-bundle'
  | 'scope-changed'
  | 'bundle-not-ready'
  | 'bundle-not-published'
  | 'no-evidence-here'
  | 'invalid-sample-request'
  | 'empty-population'
  | 'unknown-sample'
  | 'nonce-mismatch'
  | 'head-not-fixed'
  | 'bad-beacon'
  | 'already-revealed'
  | 'sample-not-revealed'
  | 'unknown-review'
  | 'review-mismatch';

export class EvidenceError extends Error {
  readonly code: EvidenceErrorCode;

  constructor(code: EvidenceErrorCode, message: string) {
    super(message);
    this.name = 'EvidenceError';
    this.code = code;
  }
}
