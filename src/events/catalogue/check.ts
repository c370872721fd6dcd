/**
 * An event against the catalogue in force: its action is known, what this action requires is there, and what is to be
 * minimised can be. Faults point into the event and say, to whoever is on call at the producer, what is missing.
 */
import type { JsonObject, JsonValue } from '../../../proofs/canonical-json.ts';
import { isObject } from '../../../proofs/fields.ts';
import { jsonPointer } from '../../../proofs/strict-json.ts';
import { MAX_FAULTS } from '../limits.ts';
import { canMinimise } from '../minimise.ts';
import type { EventFault } from '../types.ts';
import { type ActionRule, type Catalogue, findAction, namesOf } from './catalogue.ts';

const OUTCOME = ['outcome', 'result'] as const;
/** Actions that are named to whoever sent an unknown one. */
const MAX_SUGGESTIONS = 5;

/** Nothing if the event may be taken. The event passed validation. */
export function checkAgainstCatalogue(event: JsonObject, catalogue: Catalogue): readonly EventFault[] {
  const action = typeof event['action'] === 'string' ? event['action'] : '';
  const rule = findAction(catalogue, action);
  if (rule === undefined) return [unknownAction(action, catalogue)];
  const faults: EventFault[] = [];
  for (const steps of stepsOf(rule.required)) {
    if (isMissing(event, steps)) faults.push(missingField(steps, rule, ''));
  }
  if (rule.requiredOnSuccess.length > 0 && valueAt(event, OUTCOME) === 'success') {
    for (const steps of stepsOf(rule.requiredOnSuccess)) {
      if (isMissing(event, steps)) faults.push(missingField(steps, rule, ' when it succeeded'));
    }
  }
  for (const { steps, how } of rule.minimise) {
    const value = valueAt(event, steps);
    if (value === undefined || value === null || canMinimise(value, how)) continue;
    const detail = `must be an RFC 3339 time: the catalogue asks that only its ${how.slice('to-'.length)} is kept`;
    faults.push({ code: 'invalid-member', pointer: jsonPointer(steps), detail });
  }
  return faults.slice(0, MAX_FAULTS);
}

function unknownAction(action: string, { label, actions }: Catalogue): EventFault {
  const [family = ''] = action.split('.');
  const similar = [...actions.keys()].filter((name) => name.startsWith(`${family}.`)).slice(0, MAX_SUGGESTIONS);
  const names = namesOf(label);
  const hint = similar.length === 0 ? '' : `; ${names.length === 1 ? 'it has' : 'there is'} ${similar.join(', ')}`;
  const where = names.length === 1 ? 'is not in the catalogue' : 'is in none of the catalogues';
  return { code: 'unknown-action', pointer: '/action', detail: `${where} ${names.join(', ')}${hint}` };
}

function missingField(steps: readonly string[], { name, title }: ActionRule, when: string): EventFault {
  const detail = `is missing or empty; the catalogue requires it for ${name} ("${title}")${when}`;
  return { code: 'missing-field', pointer: jsonPointer(steps), detail };
}

/** By the very list: it is the same one for every event about an action. */
const knownSteps = new WeakMap<readonly string[], readonly (readonly string[])[]>();

function stepsOf(paths: readonly string[]): readonly (readonly string[])[] {
  const known = knownSteps.get(paths);
  if (known !== undefined) return known;
  const steps = paths.map((path) => path.split('.'));
  knownSteps.set(paths, steps);
  return steps;
}

/** Not there, null, or nothing: an empty text, list or object says as little. */
function isMissing(event: JsonObject, steps: readonly string[]): boolean {
  const value = valueAt(event, steps);
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function valueAt(event: JsonObject, steps: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = event;
  for (const step of steps) {
    if (!isObject(value) || !Object.hasOwn(value, step)) return undefined;
    value = value[step];
  }
  return value;
}
