/** CloudTrail records as they are read from files, and the small questions that the mapping asks of one. */
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { ProofError } from '../../proofs/errors.ts';
import { isObject } from '../../proofs/fields.ts';
import { parseStrictJson } from '../../proofs/strict-json.ts';
import { MAX_ID_CHARACTERS, MAX_NAME_CHARACTERS } from '../events/limits.ts';

export type CloudTrailErrorCode = 'no-time' | 'not-json' | 'not-records';

export class CloudTrailError extends Error {
  readonly code: CloudTrailErrorCode;

  constructor(code: CloudTrailErrorCode, message: string) {
    super(message);
    this.name = 'CloudTrailError';
    this.code = code;
  }
}

/** Bounds of one file of records, far above the 50 MB that CloudTrail delivers at most. */
const FILE_BOUNDS = { maxDepth: 60, maxValues: 50_000_000 };

/**
 * The records of a file as CloudTrail delivers it (`{"Records": […]}`), of a list, of a single record, or of NDJSON.
 * Numbers that JavaScript cannot hold exactly become strings with the same digits, so that none is changed. Throws
 * CloudTrailError `not-json` or `not-records`.
 */
export function readRecords(text: string): readonly JsonObject[] {
  const source = quoteInexactNumbers(text.replace(/^\uFEFF/, ''));
  const whole = parse(source);
  if ('value' in whole) return recordsOf(whole.value);
  if (whole.error.code !== 'invalid-json') throw notJson('the file', whole.error);
  const lines = source.split('\n').map((line, i) => ({ line: line.trim(), number: i + 1 }));
  const filled = lines.filter(({ line }) => line !== '');
  if (filled.length === 0) throw new CloudTrailError('not-records', 'the file is empty');
  return filled.flatMap(({ line, number }, i) => {
    const one = parse(line);
    if ('value' in one) return recordsOf(one.value);
    throw i === 0 ? notJson('the file', whole.error) : notJson(`line ${number}`, one.error);
  });
}

function notJson(what: string, { message, details }: ProofError): CloudTrailError {
  const pointer = details['pointer'];
  return new CloudTrailError('not-json', `${what}: ${message}${pointer === undefined ? '' : ` (${pointer})`}`);
}

function recordsOf(value: JsonValue): readonly JsonObject[] {
  const list = isObject(value) ? (value['Records'] ?? [value]) : value;
  if (!Array.isArray(list)) throw new CloudTrailError('not-records', 'Records is not a list');
  return list.map((record: JsonValue, i) => {
    if (!isObject(record)) throw new CloudTrailError('not-records', `record ${i + 1} is not an object`);
    return record;
  });
}

function parse(text: string): { readonly value: JsonValue } | { readonly error: ProofError } {
  try {
    return { value: parseStrictJson(text, FILE_BOUNDS) };
  } catch (error) {
    if (error instanceof ProofError) return { error };
    throw error;
  }
}

/** Strings, which are left alone, or numbers of 16 characters and more: shorter ones are exact. */
const STRING_OR_LONG_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]{15,}/g;

function quoteInexactNumbers(text: string): string {
  return text.replace(STRING_OR_LONG_NUMBER, (token) => {
    if (token.startsWith('"')) return token;
    const value = Number(token);
    const exact = String(value) === token && (Number.isSafeInteger(value) || !Number.isInteger(value));
    return exact ? token : `"${token}"`;
  });
}

/** A member of a member, if there is one. */
export function memberOf(
  record: JsonValue | undefined,
  ...path: readonly (JsonValue | undefined)[]
): JsonValue | undefined {
  let value: JsonValue | undefined = record;
  for (const step of path) {
    if (!isObject(value) || typeof step !== 'string' || !Object.hasOwn(value, step)) return undefined;
    value = value[step];
  }
  return value;
}

/** The text if it may be an id of an event's member, otherwise undefined. */
export function idText(value: JsonValue | undefined): string | undefined {
  return lineText(value, MAX_ID_CHARACTERS);
}

/** The text if it may be a name or code of an event's member, otherwise undefined. */
export function nameText(value: JsonValue | undefined): string | undefined {
  return lineText(value, MAX_NAME_CHARACTERS);
}

function lineText(value: JsonValue | undefined, maxCharacters: number): string | undefined {
  const fits = typeof value === 'string' && value !== '' && value.length <= maxCharacters;
  return fits && !/[\p{Cc}\u2028\u2029]/u.test(value) ? value : undefined;
}
