/**
 * RFC 8785 (JCS) text of a JSON value: the one spelling that is hashed, stored and compared. Member names are sorted
 * by UTF-16 code units (§3.2.3), numbers and strings are written as ECMAScript writes them (§3.2.2).
 *
 * Narrower than RFC 8785 where languages disagree: integers beyond ±2^53−1 are refused (send them as strings), and so
 * are lone surrogates. Duplicate member names cannot occur in a parsed value; `parseCanonicalJson` refuses their text.
 */
import { ProofError } from './errors.ts';

export type JsonObject = { readonly [member: string]: JsonValue };
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** Deepest nesting of arrays and objects that is written or read, far above what an event may have. */
export const MAX_JSON_DEPTH = 64;

/** The RFC 8785 text of a value. Throws `invalid-json` for a value that has none, or that our profile refuses. */
export function canonicalJson(value: JsonValue): string {
  return write(value, 0);
}

/** The value that this text spells, provided that the text is its RFC 8785 form. Throws `invalid-json`. */
export function parseCanonicalJson(text: string): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw new ProofError('invalid-json', 'the text is not JSON');
  }
  if (canonicalJson(value) !== text) throw new ProofError('invalid-json', 'the text is not in RFC 8785 form');
  return value;
}

function write(value: JsonValue, depth: number): string {
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'number':
      return writeNumber(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth >= MAX_JSON_DEPTH) throw new ProofError('invalid-json', `nested deeper than ${MAX_JSON_DEPTH} levels`);
      return isArray(value) ? writeArray(value, depth + 1) : writeObject(value, depth + 1);
    default:
      throw new ProofError('invalid-json', `a ${typeof value} is not a JSON value`);
  }
}

// Array.isArray does not narrow a readonly array type.
function isArray(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function writeArray(items: readonly JsonValue[], depth: number): string {
  let out = '';
  for (const item of items) out += (out === '' ? '' : ',') + write(item, depth);
  return `[${out}]`;
}

function writeObject(object: JsonObject, depth: number): string {
  let out = '';
  for (const name of sortNames(Object.keys(object))) {
    const value = object[name];
    if (value === undefined) throw new ProofError('invalid-json', 'a member is undefined');
    out += `${out === '' ? '' : ','}${writeString(name)}:${write(value, depth)}`;
  }
  return `{${out}}`;
}

/** Up to here insertion is the faster way to sort. */
const FEW_NAMES = 16;

/** §3.2.3: by UTF-16 code units, which is how strings compare and the default order of sort(). */
function sortNames(names: string[]): readonly string[] {
  if (names.length > FEW_NAMES) return names.sort();
  for (let i = 1; i < names.length; i++) {
    const name = names[i] ?? '';
    let at = i;
    for (let before = names[at - 1]; before !== undefined && before > name; before = names[at - 1]) {
      names[at] = before;
      at--;
    }
    names[at] = name;
  }
  return names;
}

/** §3.2.2.2: JSON.stringify escapes exactly what RFC 8785 asks for once lone surrogates are ruled out. */
function writeString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new ProofError('invalid-json', 'a string contains a lone surrogate');
  return JSON.stringify(text);
}

/** ASCII in which nothing is escaped: most strings, and worth a shorter way. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** §3.2.2.3: the ECMAScript spelling; minus zero is written 0. */
function writeNumber(value: number): string {
  if (!Number.isFinite(value)) throw new ProofError('invalid-json', 'a number is not finite');
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new ProofError('invalid-json', 'an integer is beyond 2^53-1; send it as a string');
  }
  return String(value);
}
