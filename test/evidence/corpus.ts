/** What a corpus is: files, each with what a verifier has to say about it. */
export interface CorpusFile {
  /** The attack, in words joined by dashes; good files begin with `good-`. */
  readonly name: string;
  readonly suffix: '.zip' | '.json' | '.tlog-proof' | '.txt';
  readonly bytes: Uint8Array;
  /** The receipt beside an opened event. */
  readonly receipt?: string;
  /** The head that the verifier pinned. */
  readonly pin?: string;
  /** RFC 3339. */
  readonly at?: string;
  readonly expect: Expected;
  /** Where the verifier in Python cannot check all that there is. */
  readonly python?: Expected;
}

export interface Expected {
  readonly verdict: 'PASS' | 'FAIL' | 'INCOMPLETE';
  /** The claim that decides. */
  readonly claim?: string;
  /** Code of the first failure. */
  readonly code?: string;
  readonly index?: number;
  readonly field?: string;
}

export const PASS: Expected = { verdict: 'PASS' };

export function fail(claim: string, code: string, place: { index?: number; field?: string } = {}): Expected {
  return { verdict: 'FAIL', claim, code, ...place };
}

export function incomplete(claim: string): Expected {
  return { verdict: 'INCOMPLETE', claim };
}
