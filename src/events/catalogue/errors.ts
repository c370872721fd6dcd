/** What is wrong with a catalogue file, place by place. */

/** Faults that one error lists. */
export const MAX_CATALOGUE_FAULTS = 50;

/** A closed union: `catalogue check --json` prints these. */
export type CatalogueFaultCode =
  | 'too-large'
  | 'not-yaml'
  | 'duplicate-key'
  | 'forbidden-yaml'
  | 'unknown-member'
  | 'missing-member'
  | 'invalid-member'
  | 'unknown-class'
  | 'reserved-class'
  | 'reserved-action'
  | 'unknown-path'
  | 'forbidden-path';

export interface CatalogueFault {
  readonly code: CatalogueFaultCode;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** RFC 6901, into the content of the file. */
  readonly pointer: string;
  readonly detail: string;
}

export class CatalogueError extends Error {
  readonly code: CatalogueFaultCode;
  readonly faults: readonly [CatalogueFault, ...CatalogueFault[]];

  constructor(faults: readonly [CatalogueFault, ...CatalogueFault[]]) {
    const [{ line, column, pointer, detail, code }] = faults;
    super(`line ${line}, column ${column}: ${pointer === '' ? '' : `${pointer} `}${detail}`);
    this.name = 'CatalogueError';
    this.code = code;
    this.faults = faults;
  }
}
