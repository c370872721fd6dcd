/**
 * Validity of keys in a trust policy: while a log or a witness changes its key, the policy names the old key and the new
 * one, and says for which part of the log's life each of them counts. C2SP tlog-policy has no syntax for it, so it stands
 * in comments of one exact form, which other implementations skip (docs/key-rotation.md):
 *
 *     log example.com/log+63ebfb60+Afye2TZPZnRLq2GkQ/oOuNrzV7UT6UX12hEk3Onaoofw
 *     log example.com/log+f51ff9e7+AYkXOZYufV+EQ3VtqNnMqTK68b1vstEta4NU01feQKnn
 *     #countersign: valid example.com/log+63ebfb60 until-size 20000
 *     #countersign: valid example.com/log+f51ff9e7 from-size 15000
 *
 * Every range is half-open: `from` belongs to it, `until` does not. A comment that looks like a directive and is not
 * exactly one refuses the whole policy, because skipping it would trust a key for longer than its owner meant.
 */
import { hexEncode } from './bytes.ts';
import { ProofError } from './errors.ts';
import { keyIdBytes } from './key.ts';
import { parseDecimal } from './numbers.ts';

/** The part of a log's life in which a key counts; a bound that is missing does not limit. */
export interface Validity {
  /** Tree sizes from here on, and below. */
  readonly fromSize?: number;
  readonly untilSize?: number;
  /** Times of cosignatures, in seconds since the epoch. A key that signs without a time cannot have these. */
  readonly fromTime?: number;
  readonly untilTime?: number;
}

/** One directive: the key by the beginning of its vkey, and when it counts. */
export interface ValidityDirective {
  readonly key: string;
  readonly validity: Validity;
}

/** `name+id`, the beginning of a vkey: how a directive names a key. */
export function keyLabel(key: { readonly name: string; readonly keyId: number }): string {
  return `${key.name}+${hexEncode(keyIdBytes(key.keyId))}`;
}

/** Whether a checkpoint of this size can be signed by the key. */
export function coversSize(validity: Validity | undefined, size: number): boolean {
  const { fromSize = 0, untilSize = Number.POSITIVE_INFINITY } = validity ?? {};
  return fromSize <= size && size < untilSize;
}

/** Whether a cosignature of this time counts. A time of 0 says nothing, and is never within a bound. */
export function coversTime(validity: Validity | undefined, timestamp: number): boolean {
  if (!isBoundInTime(validity)) return true;
  const { fromTime = 1, untilTime = Number.POSITIVE_INFINITY } = validity ?? {};
  return timestamp > 0 && fromTime <= timestamp && timestamp < untilTime;
}

export function isBoundInTime(validity: Validity | undefined): boolean {
  return validity?.fromTime !== undefined || validity?.untilTime !== undefined;
}

/** Whether a comment, as its items between white space, means to be a directive: then it must parse as one. */
export function isDirectiveLike(items: readonly string[]): boolean {
  const words = items.map((item) => item.toLowerCase());
  if (words[0]?.startsWith('#countersign') === true) return true;
  const text = words.join(' ').replace(/^[# ]+/, '');
  return /^countersign ?:/.test(text) || words.some((word) => BOUNDS.some((bound) => word === bound));
}

/** Parses the items of a directive. Throws `invalid-policy` for anything but the one form, `size-too-large`. */
export function parseDirective(items: readonly string[]): ValidityDirective {
  const [marker, verb, key = '', ...rest] = items;
  if (marker !== MARKER) fail(`this comment looks like a directive, which would begin with ${MARKER}`);
  if (verb !== 'valid') fail('the only directive is "valid"');
  if (!/^[^+]+\+[0-9a-f]{8}$/.test(key)) fail('a directive names a key by the name+id that its vkey begins with');
  if (rest.length === 0 || rest.length % 2 !== 0) fail('bounds come in pairs: a keyword and its value');
  const given = new Map<string, number>();
  for (let i = 0; i < rest.length; i += 2) {
    const [bound = '', value = ''] = rest.slice(i, i + 2);
    if (given.has(bound)) fail(`${bound} stands twice`);
    given.set(bound, parseBound(bound, value));
  }
  return { key, validity: makeValidity(given) };
}

/** The items of the directive, in the one order that is written. */
export function formatDirective({ key, validity }: ValidityDirective): readonly string[] {
  const { fromSize, untilSize, fromTime, untilTime } = validity;
  const bounds = [
    ['from-size', fromSize === undefined ? undefined : String(fromSize)],
    ['until-size', untilSize === undefined ? undefined : String(untilSize)],
    ['from-time', fromTime === undefined ? undefined : formatTime(fromTime)],
    ['until-time', untilTime === undefined ? undefined : formatTime(untilTime)],
  ];
  const given = bounds.flatMap(([bound = '', value]) => (value === undefined ? [] : [bound, value]));
  return [MARKER, 'valid', key, ...given];
}

/** True for a validity that limits nothing: then there is no directive to write. */
export function isUnlimited(validity: Validity | undefined): boolean {
  return validity === undefined || Object.values(validity).every((bound) => bound === undefined);
}

/** A time of a directive, RFC 3339 in UTC to the second, to seconds since the epoch. Throws `invalid-policy`. */
export function parseTime(text: string): number {
  const seconds = Date.parse(text) / 1000;
  if (!Number.isSafeInteger(seconds) || seconds < 0 || formatTime(seconds) !== text) {
    fail(`"${text}" is not a time such as 2026-01-08T14:32:07Z`);
  }
  return seconds;
}

export function formatTime(seconds: number): string {
  if (!(seconds >= 0 && seconds <= MAX_TIME)) fail('a time is between the years 1970 and 9999');
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

const MARKER = '#countersign:';
const BOUNDS = ['from-size', 'until-size', 'from-time', 'until-time'] as const;
/** 9999-12-31T23:59:59Z. */
const MAX_TIME = 253_402_300_799;

function parseBound(bound: string, value: string): number {
  if (bound === 'from-size' || bound === 'until-size') return parseSize(bound, value);
  if (bound === 'from-time' || bound === 'until-time') return parseTime(value);
  return fail(`"${bound}" is none of ${BOUNDS.join(', ')}`);
}

function parseSize(bound: string, value: string): number {
  try {
    return parseDecimal(value, bound);
  } catch (error) {
    if (error instanceof ProofError && error.code === 'invalid-number') fail(error.message);
    throw error;
  }
}

function makeValidity(given: ReadonlyMap<string, number>): Validity {
  const fromSize = given.get('from-size');
  const untilSize = given.get('until-size');
  const fromTime = given.get('from-time');
  const untilTime = given.get('until-time');
  if ((untilSize ?? Number.POSITIVE_INFINITY) <= (fromSize ?? 0)) fail('the range of sizes is empty');
  if ((untilTime ?? Number.POSITIVE_INFINITY) <= (fromTime ?? 0)) fail('the range of times is empty');
  return {
    ...(fromSize === undefined ? {} : { fromSize }),
    ...(untilSize === undefined ? {} : { untilSize }),
    ...(fromTime === undefined ? {} : { fromTime }),
    ...(untilTime === undefined ? {} : { untilTime }),
  };
}

function fail(message: string): never {
  throw new ProofError('invalid-policy', message);
}
