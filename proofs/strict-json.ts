/**
 * JSON text that every reader understands alike: parsed strictly, with the place of the first fault as a JSON pointer
 * (RFC 6901). Refused on top of what JSON.parse refuses: duplicate member names (readers differ on which one counts,
 * so one file could show two different events), integers beyond ±2^53−1, numbers too large for a double, lone
 * surrogates, and nesting or a number of values beyond the caller's bounds.
 *
 * It is on the path of every submission, so the text is scanned once without building anything and then given to the
 * platform's parser. A duplicate shows as more members in the text than in the tree; only then is it looked for.
 */
import type { JsonObject, JsonValue } from './canonical-json.ts';
import { ProofError } from './errors.ts';

export interface JsonBounds {
  /** Deepest nesting of arrays and objects; at most 64, since trees are walked recursively. */
  readonly maxDepth: number;
  /** Most members and array items in the whole text. */
  readonly maxValues: number;
}

/**
 * Parses a whole JSON text. Throws `invalid-json`, `duplicate-member`, `unsafe-integer`, `number-out-of-range`,
 * `lone-surrogate`, `json-too-deep` or `json-too-many-values`; `details.pointer` says where, if it is a place.
 */
export function parseStrictJson(text: string, bounds: JsonBounds): JsonValue {
  const outline = scan(text);
  if (outline.depth > bounds.maxDepth) {
    throw new ProofError('json-too-deep', `nested deeper than ${bounds.maxDepth} levels`);
  }
  if (outline.values > bounds.maxValues) {
    throw new ProofError('json-too-many-values', `more than ${bounds.maxValues} members and array items`);
  }
  const value = parse(text);
  // Without escapes no string has a surrogate that the text itself has not, and a few digits make a safe number.
  const fault = outline.isPlain && text.isWellFormed() ? undefined : findFault(value);
  if (fault !== undefined) throw new ProofError(fault.code, fault.message, { pointer: jsonPointer(fault.path) });
  if (countMembers(value) !== outline.members) {
    throw new ProofError('duplicate-member', 'a member name occurs twice', { pointer: locateDuplicate(text) });
  }
  return value;
}

/** RFC 6901 §3. */
export function jsonPointer(path: readonly string[]): string {
  return path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

interface Outline {
  /** Colons outside strings: members of objects, duplicates included. */
  readonly members: number;
  readonly depth: number;
  /** Commas and opening brackets outside strings: never fewer than the members and items. */
  readonly values: number;
  /** No backslash, no exponent, and no number of more digits than every safe integer may have. */
  readonly isPlain: boolean;
}

const MAX_PLAIN_DIGITS = 15;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const ZERO = 0x30;
const NINE = 0x39;
const SMALL_E = 0x65;
const LARGE_E = 0x45;

/** Exact for valid JSON; for anything else the numbers mean nothing and the parser refuses the text. */
function scan(text: string): Outline {
  let members = 0;
  let values = 0;
  let open = 0;
  let depth = 0;
  let digits = 0;
  let isPlain = true;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= ZERO && unit <= NINE) {
      if (++digits > MAX_PLAIN_DIGITS) isPlain = false;
      continue;
    }
    // An exponent, or what is no JSON: the e of true and false follows a letter.
    if (digits > 0 && (unit === SMALL_E || unit === LARGE_E)) isPlain = false;
    digits = 0;
    if (unit === QUOTE) {
      // As endOfString, in place: this is where most of the time goes.
      for (i++; i < text.length; i++) {
        const inside = text.charCodeAt(i);
        if (inside === QUOTE) break;
        if (inside !== BACKSLASH) continue;
        isPlain = false;
        i++;
      }
    } else if (unit === COLON) {
      members++;
    } else if (unit === COMMA) {
      values++;
    } else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      values++;
      open++;
      if (open > depth) depth = open;
    } else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      open--;
    }
  }
  return { members, depth, values, isPlain };
}

/** Position of the quote that closes the string which opens at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  for (; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) return i;
    if (unit === BACKSLASH) i++;
  }
  return i;
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    const place = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw new ProofError('invalid-json', `not JSON${place === undefined ? '' : `, at character ${place}`}`);
  }
}

interface Fault {
  readonly code: 'unsafe-integer' | 'number-out-of-range' | 'lone-surrogate';
  readonly message: string;
  readonly path: readonly string[];
}

/** The first fault of a parsed tree, whose depth was bounded before; the path is put together on the way back. */
function findFault(value: JsonValue): Fault | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : LONE_SURROGATE;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) || !Number.isInteger(value)) {
      return Number.isFinite(value) ? undefined : NOT_A_DOUBLE;
    }
    return UNSAFE_INTEGER;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = findFault(value[i] ?? null);
      if (fault !== undefined) return { ...fault, path: [String(i), ...fault.path] };
    }
    return undefined;
  }
  for (const name of Object.keys(value)) {
    // The name itself cannot be shown in a pointer, so the pointer ends at the object.
    if (!name.isWellFormed()) return { ...LONE_SURROGATE, message: 'a member name contains a lone surrogate' };
    const fault = findFault(value[name] ?? null);
    if (fault !== undefined) return { ...fault, path: [name, ...fault.path] };
  }
  return undefined;
}

/** Members of all objects of a parsed tree. */
function countMembers(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (isArray(value)) {
    for (const item of value) count += countMembers(item);
    return count;
  }
  const names = Object.keys(value);
  for (const name of names) {
    const member = value[name];
    if (typeof member === 'object' && member !== null) count += countMembers(member);
  }
  return count + names.length;
}

const LONE_SURROGATE: Fault = { code: 'lone-surrogate', message: 'the text contains a lone surrogate', path: [] };
const NOT_A_DOUBLE: Fault = { code: 'number-out-of-range', message: 'the number is too large for a double', path: [] };
const UNSAFE_INTEGER: Fault = {
  code: 'unsafe-integer',
  message: 'the integer is beyond ±(2^53-1); send it as a string',
  path: [],
};

/** Pointer to the first member whose name its object already has. The text is valid JSON. */
function locateDuplicate(text: string): string {
  /** One frame an open container; `names` only for objects, `step` is where in it we are. */
  const frames: { readonly names: Set<string> | undefined; step: string; index: number }[] = [];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const frame = frames.at(-1);
    if (unit === OPEN_BRACE) frames.push({ names: new Set(), step: '', index: 0 });
    else if (unit === OPEN_BRACKET) frames.push({ names: undefined, step: '0', index: 0 });
    else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) frames.pop();
    else if (unit === COMMA && frame?.names === undefined && frame !== undefined) frame.step = String(++frame.index);
    else if (unit === QUOTE) {
      const end = endOfString(text, i);
      if (frame?.names !== undefined && isName(text, end)) {
        const name: unknown = JSON.parse(text.slice(i, end + 1));
        frame.step = String(name);
        if (frame.names.has(frame.step)) return jsonPointer(frames.map(({ step }) => step));
        frame.names.add(frame.step);
      }
      i = end;
    }
  }
  return '';
}

/** Whether the string that closes at `end` is a member name: in valid JSON, whether a colon comes next. */
function isName(text: string, end: number): boolean {
  let i = end + 1;
  while (i < text.length && text.charCodeAt(i) <= 0x20) i++;
  return text.charCodeAt(i) === COLON;
}

// Array.isArray does not narrow a readonly array type.
function isArray(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value);
}
