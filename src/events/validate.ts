/**
 * Validation: a JSON value is an event, or the answer says what is wrong with it, member by member. What a schema cannot
 * say (a real calendar date, an id that is no e-mail address, a reserved action) is checked after it.
 */
import { type TypeCheck, TypeCompiler, type ValueError, ValueErrorType } from '@sinclair/typebox/compiler';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { jsonPointer } from '../../proofs/strict-json.ts';
import { MAX_CONTEXT_KEY_CHARACTERS, MAX_FAULTS, MAX_YEAR, MIN_YEAR } from './limits.ts';
import { type AuditEvent, EventSchema, expectation } from './schema.ts';
import { parseTimeUs } from './time.ts';
import { type EventFault, EventProblem } from './types.ts';

/** Actions under this prefix are the log's own. */
export const RESERVED_ACTION_PREFIX = 'countersign.';

/** A validated event: typed, and still the JSON it came from. */
export type ValidEvent = AuditEvent & JsonObject;

export type Validate = (value: JsonValue, options?: { readonly reservedActions?: boolean }) => ValidEvent;

/** Compiles the schema, once; the function that it returns throws EventProblem with every fault, up to a bound. */
export function compileValidate(): Validate {
  const check = TypeCompiler.Compile(EventSchema);
  return (value, options = {}) => {
    if (!isObject(value)) {
      throw new EventProblem({ code: 'not-an-object', pointer: '', detail: 'an event is a JSON object' });
    }
    if (!check.Check(value)) throw problemOf(schemaFaults(check, value));
    const faults = beyondSchema(value, options.reservedActions === true);
    if (faults.length > 0) throw problemOf(faults);
    return value;
  };
}

function problemOf(faults: readonly EventFault[]): EventProblem {
  const [first = { code: 'invalid-member', pointer: '', detail: 'not an event' } as const, ...more] = faults;
  return new EventProblem(first, ...more);
}

/** One fault a place: TypeBox reports a missing member also as one of the wrong type. */
function schemaFaults(check: TypeCheck<typeof EventSchema>, value: JsonObject): readonly EventFault[] {
  const faults = new Map<string, EventFault>();
  for (const error of check.Errors(value)) {
    if (faults.has(error.path)) continue;
    faults.set(error.path, faultOf(error));
    if (faults.size === MAX_FAULTS) break;
  }
  return [...faults.values()];
}

function faultOf({ type, path, schema }: ValueError): EventFault {
  switch (type) {
    case ValueErrorType.ObjectAdditionalProperties:
      return {
        code: 'unknown-member',
        pointer: path,
        detail: 'is not a member of an event; what has no member of its own goes into context',
      };
    case ValueErrorType.ObjectRequiredProperty:
      return { code: 'missing-member', pointer: path, detail: `is required: ${expectation(schema)}` };
    case ValueErrorType.ObjectMaxProperties:
    case ValueErrorType.ArrayMaxItems:
      return {
        code: 'too-many-members',
        pointer: path,
        detail: `has too many members; must be ${expectation(schema)}`,
      };
    default:
      return { code: 'invalid-member', pointer: path, detail: `must be ${expectation(schema)}` };
  }
}

function beyondSchema(event: AuditEvent, reservedActions: boolean): readonly EventFault[] {
  const faults: EventFault[] = [];
  const invalid = (path: readonly string[], detail: string): void => {
    if (faults.length < MAX_FAULTS) faults.push({ code: 'invalid-member', pointer: jsonPointer(path), detail });
  };
  checkTime(event.occurred_at, ['occurred_at'], invalid);
  if (event.action.startsWith(RESERVED_ACTION_PREFIX) && !reservedActions) {
    invalid(['action'], `actions that begin with ${RESERVED_ACTION_PREFIX} are the log's own`);
  }
  checkPrincipal(event.actor, ['actor'], invalid);
  for (const [i, step] of (event.actor.delegation ?? []).entries()) {
    checkPrincipal(step, ['actor', 'delegation', String(i)], invalid);
  }
  for (const key of Object.keys(event.context ?? {})) {
    if (key === '' || key.length > MAX_CONTEXT_KEY_CHARACTERS) {
      invalid(['context', key], `a key of context has 1 to ${MAX_CONTEXT_KEY_CHARACTERS} characters`);
    }
  }
  return faults;
}

type Invalid = (path: readonly string[], detail: string) => void;

/** E1: ids are for ever, and e-mail addresses are neither for ever nor free of a person's name. */
function checkPrincipal(
  { type, id, auth }: Omit<AuditEvent['actor'], 'delegation'>,
  path: readonly string[],
  invalid: Invalid,
): void {
  if (type === 'user' && id.includes('@')) {
    invalid([...path, 'id'], 'must be an immutable id such as u_8842, never an e-mail address');
  }
  if (auth?.authenticated_at !== undefined) {
    checkTime(auth.authenticated_at, [...path, 'auth', 'authenticated_at'], invalid);
  }
}

function checkTime(text: string, path: readonly string[], invalid: Invalid): void {
  if (parseTimeUs(text) === undefined) {
    invalid(path, `must be a time that exists, in the years ${MIN_YEAR} to ${MAX_YEAR}`);
  }
}
