/** What is wrong with a catalogue file, place by place. */
import type { YamlFault, YamlFaultCode } from '../plain-yaml.ts';

/** Faults that one error lists. */
export const MAX_CATALOGUE_FAULTS = 50;

/** A closed union: `catalogue check --json` prints these. */
export type CatalogueFaultCode =
  | YamlFaultCode
  | 'unknown-class'
  | 'reserved-class'
  | 'reserved-action'
  | 'unknown-path'
  | 'forbidden-path';

export type CatalogueFault = YamlFault<CatalogueFaultCode>;

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
