/**
 * The rules of this moment, as `prepare` applies them to every event before anything is committed to:
 *
 *   validated event ─▶ catalogue: known action, required fields ─▶ redaction ─▶ minimisation ─▶ mark ─▶ what is committed to
 *
 * Made once for each catalogue that is published; an event names the versions of both.
 */
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { type ActionRule, type Catalogue, classOf, findAction, separatePathsOf } from './catalogue/catalogue.ts';
import { checkAgainstCatalogue } from './catalogue/check.ts';
import { minimise } from './minimise.ts';
import type { Redactor, Replacement } from './redact/types.ts';
import { type EventFault, EventProblem, type PrepareContext } from './types.ts';

/** The part of a PrepareContext that the rules determine. */
export type WriteRules = Pick<
  PrepareContext,
  'separatePaths' | 'redact' | 'classOf' | 'catalogueVersion' | 'redactionVersion'
>;

/** `pathsWithoutCatalogue` are kept apart in every event as long as no catalogue says what is personal. */
export function writeRules(
  redactor: Redactor,
  catalogue: Catalogue | null,
  pathsWithoutCatalogue: readonly string[],
): WriteRules {
  return {
    separatePaths: (action) => (catalogue === null ? pathsWithoutCatalogue : separatePathsOf(catalogue, action)),
    classOf: (action) => (catalogue === null ? undefined : classOf(catalogue, action)),
    catalogueVersion: catalogue === null ? null : catalogue.label,
    redactionVersion: redactor.version,
    redact: (event, text, isSigned) => applyRules(redactor, catalogue, event, text, isSigned),
  };
}

function applyRules(
  redactor: Redactor,
  catalogue: Catalogue | null,
  event: JsonObject,
  text: string,
  isSigned: boolean,
): JsonObject {
  if (catalogue !== null) refuse(checkAgainstCatalogue(event, catalogue));
  const redacted = redactor.redactEvent(event, text);
  const action = event['action'];
  const rule = catalogue === null || typeof action !== 'string' ? undefined : findAction(catalogue, action);
  const minimised = minimise(redacted.value, rule?.minimise ?? []);
  // Nothing in a signed event can be changed, so it has to come without.
  if (isSigned) refuse([...redacted.replacements, ...minimised.replacements].map(signedFault));
  return rule?.breakGlass === true ? markBreakGlass(minimised.value, rule, isSigned) : minimised.value;
}

/**
 * What the catalogue calls an override of the rules is marked as one in the event itself (E9), so that it stands out
 * wherever the event is read and can be asked for and proven. A producer that denies it is refused.
 */
function markBreakGlass(event: JsonObject, { name, title }: ActionRule, isSigned: boolean): JsonObject {
  const { break_glass: said, authorization } = event;
  if (said === true || (isObject(authorization) && authorization['decision'] === 'bypass')) return event;
  if (said !== undefined || isSigned) {
    const detail = `must be true: the catalogue says that ${name} ("${title}") overrides the normal rules`;
    refuse([{ code: said === undefined ? 'missing-field' : 'invalid-member', pointer: '/break_glass', detail }]);
  }
  return { ...event, break_glass: true };
}

function signedFault({ pointer, rule }: Replacement): EventFault {
  const detail = `would have to be changed (${rule}), which breaks the signature: take it out and sign again`;
  return { code: 'signed-needs-redaction', pointer, detail };
}

function refuse(faults: readonly EventFault[]): void {
  const [first, ...more] = faults;
  if (first !== undefined) throw new EventProblem(first, ...more);
}
