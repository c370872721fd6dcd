/**
 * Reading saved state back: every value is checked, and anything unexpected throws StateError, upon which the state is
 * forgotten and built again from the log.
 */
import type { JsonObject, JsonValue } from '../../../proofs/canonical-json.ts';
import { isObject } from '../../../proofs/fields.ts';

export class StateError extends Error {
  constructor(what: string) {
    super(`the saved state of the watch is not as expected: ${what}`);
    this.name = 'StateError';
  }
}

export function objectIn(value: JsonValue | undefined, what: string): JsonObject {
  if (!isObject(value)) throw new StateError(what);
  return value;
}

export function listIn(value: JsonValue | undefined, what: string): readonly JsonValue[] {
  if (!Array.isArray(value)) throw new StateError(what);
  // Array.isArray does not narrow readonly arrays; a JsonValue that is an array holds JsonValues.
  return value as readonly JsonValue[];
}

export function integerIn(value: JsonValue | undefined, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new StateError(what);
  return value;
}

export function integerOrNullIn(value: JsonValue | undefined, what: string): number | null {
  return value === null ? null : integerIn(value, what);
}

export function textIn(value: JsonValue | undefined, what: string): string {
  if (typeof value !== 'string') throw new StateError(what);
  return value;
}

export function flagIn(value: JsonValue | undefined, what: string): boolean {
  if (typeof value !== 'boolean') throw new StateError(what);
  return value;
}

/** A list of integers of this length. */
export function integersIn(value: JsonValue | undefined, length: number, what: string): readonly number[] {
  const list = listIn(value, what);
  if (list.length !== length) throw new StateError(what);
  return list.map((one) => integerIn(one, what));
}
