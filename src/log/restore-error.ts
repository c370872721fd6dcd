/** Why a log was not restored. Whenever this is thrown, nothing of the log's directory was changed. */

/** A closed union: the command line and the tests use it. */
export type RestoreErrorCode =
  /** The copy, or a witness that has to be asked, does not answer. */
  | 'unreachable'
  /** There is nothing of this log at that address. */
  | 'no-copy'
  /** The copy's checkpoint is not signed by the log, or its entries are not those of its checkpoint. */
  | 'altered'
  /** Somebody holds a newer head that the log signed: the copy lacks entries. */
  | 'behind'
  /** Somebody holds a head of this log that the copy contradicts: one of both is a forgery of history. */
  | 'contradicted'
  /** Too few witnesses of the policy vouch for what would be restored. */
  | 'quorum-not-met'
  /** The log has a database already. */
  | 'not-empty';

export class RestoreError extends Error {
  readonly code: RestoreErrorCode;

  constructor(code: RestoreErrorCode, message: string) {
    super(message);
    this.name = 'RestoreError';
    this.code = code;
  }
}
