/** Reading members of JSON that nobody checked the shape of. */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { isObject } from '../../../proofs/fields.ts';

/** A member by its path; undefined where there is none. */
export function memberAt(value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  let current = value;
  for (const name of path) current = isObject(current) && Object.hasOwn(current, name) ? current[name] : undefined;
  return current;
}

/** The same, for texts that say something. */
export function textAt(value: JsonValue | undefined, ...path: readonly string[]): string | undefined {
  const found = memberAt(value, ...path);
  return typeof found === 'string' && found !== '' ? found : undefined;
}
