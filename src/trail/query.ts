/**
 * What an auditor asks: filters and a range of time. One grammar for the command line, for `?q=` and for the entries that
 * say what was read; `parseQuery` and `formatQuery` are each other's inverse.
 *
 *   action:role.grant actor:u_8842 from:2026-03-01 to:2026-05-31 outcome:denied breakglass:true
 *   action:role.* target:"key with spaces" tenant:acme tenant:umbrella occurred_from:2026-01-01 occurred_to:2026-03-31
 *
 * Keys are joined by "and"; several values of one key mean any of them. A value is quoted where it holds a space or
 * begins with a quotation mark, with \" and \\ inside. `from` and `to` are log time: a date means the whole day in UTC,
 * `to` included; a time with its zone means that moment, `to` excluded. `occurred_from` and `occurred_to` are days of
 * the time that producers claim, both included. Whatever cannot be understood is refused by its token: a typing error
 * must not become a wider answer.
 */

import { MAX_ID_CHARACTERS } from '../events/limits.ts';
import { dayCount, FILTERS, type FilterName, MAX_OCCURRED_DAYS, MAX_PREFIX_WORDS } from '../events/terms.ts';
import { parseTimeUs } from '../events/time.ts';
import { formatTimeUs } from './time.ts';

export interface EventQuery {
  /** Per filter the values of which an event has one; never an empty list. */
  readonly filters: ReadonlyMap<FilterName, readonly string[]>;
  /** Log time in microseconds since the Unix epoch, inclusive. */
  readonly fromUs?: number;
  /** Exclusive. */
  readonly toUs?: number;
  /** Days of `occurred_at` in UTC, such as 2026-03-01, both inclusive. */
  readonly occurred?: { readonly from: string; readonly to: string };
}

const TIME_KEYS = ['from', 'to', 'occurred_from', 'occurred_to'] as const;

export type QueryKey = FilterName | (typeof TIME_KEYS)[number];

export const QUERY_KEYS: readonly QueryKey[] = [...FILTERS, ...TIME_KEYS];

/** Second spellings, for people. */
const ALIASES: ReadonlyMap<string, QueryKey> = new Map([
  ['breakglass', 'break_glass'],
  ['correlation', 'correlation_id'],
]);

export type QueryErrorCode =
  | 'unknown-key'
  | 'missing-value'
  | 'unterminated-quote'
  | 'invalid-value'
  | 'duplicate-key'
  | 'query-too-long';

/** A part of a query that cannot be understood. */
export class QueryError extends Error {
  readonly code: QueryErrorCode;
  /** The token at fault, as it was written, cut to a bounded length. */
  readonly token: string;
  /** The query parameter that held it. */
  readonly parameter: string;

  constructor(code: QueryErrorCode, message: string, { token, parameter }: Pick<QueryPair, 'token' | 'parameter'>) {
    const shown = token.length > MAX_SHOWN_CHARACTERS ? `${token.slice(0, MAX_SHOWN_CHARACTERS)}…` : token;
    super(`${shown}: ${message}`);
    this.name = 'QueryError';
    this.code = code;
    this.token = shown;
    this.parameter = parameter;
  }
}

/** One key with one value, and where it came from. */
export interface QueryPair {
  readonly key: QueryKey;
  readonly value: string;
  readonly token: string;
  readonly parameter: string;
}

export const MAX_QUERY_CHARACTERS = 8_000;
export const MAX_QUERY_PAIRS = 100;
const MAX_SHOWN_CHARACTERS = 80;
const DAY_US = 86_400_000_000;

/** The name of the parameter that holds a whole query. */
export const QUERY_PARAMETER = 'q';

/** A token: a key, a colon, and a value that is quoted or goes on to the next space. */
const TOKEN = /(?<key>[A-Za-z_]*):(?:"(?<quoted>(?:[^"\\]|\\["\\])*)"(?=\s|$)|(?<bare>[^\s"][^\s]*))/y;
const SPACE = /\s*/y;

/** Reads the grammar. Throws QueryError. */
export function parseQuery(text: string): EventQuery {
  return queryOf(parsePairs(text));
}

/** The keys and values of a query text, in its order. Throws QueryError. */
export function parsePairs(text: string, parameter: string = QUERY_PARAMETER): readonly QueryPair[] {
  if (text.length > MAX_QUERY_CHARACTERS) {
    throw new QueryError('query-too-long', `a query has at most ${MAX_QUERY_CHARACTERS} characters`, {
      token: text,
      parameter,
    });
  }
  const pairs: QueryPair[] = [];
  for (let at = afterSpace(text, 0); at < text.length; ) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw unreadableToken(text.slice(at), parameter);
    const { key = '', quoted, bare } = match.groups ?? {};
    const value = quoted === undefined ? (bare ?? '') : quoted.replace(/\\(["\\])/g, '$1');
    pairs.push(pairOf(key, value, match[0], parameter));
    at = afterSpace(text, TOKEN.lastIndex);
  }
  return pairs;
}

/** One key with its value, from wherever it was given. Throws QueryError `unknown-key`. */
export function pairOf(key: string, value: string, token: string, parameter: string): QueryPair {
  const known = QUERY_KEYS.find((name) => name === key) ?? ALIASES.get(key);
  if (known !== undefined) return { key: known, value, token, parameter };
  throw new QueryError('unknown-key', `there is no such filter; known are ${QUERY_KEYS.join(', ')}`, {
    token,
    parameter,
  });
}

/** The question that these pairs ask together. Throws QueryError. */
export function queryOf(pairs: readonly QueryPair[]): EventQuery {
  const beyond = pairs[MAX_QUERY_PAIRS];
  if (beyond !== undefined)
    throw new QueryError('query-too-long', `a query has at most ${MAX_QUERY_PAIRS} terms`, beyond);
  const filters = new Map<FilterName, string[]>();
  const times = new Map<QueryKey, QueryPair>();
  for (const pair of pairs) {
    const filter = FILTERS.find((name) => name === pair.key);
    if (filter === undefined) {
      if (times.has(pair.key)) throw new QueryError('duplicate-key', 'is given more than once', pair);
      times.set(pair.key, pair);
      continue;
    }
    const fault = filterFault(filter, pair.value);
    if (fault !== undefined) throw new QueryError('invalid-value', fault, pair);
    const values = filters.get(filter) ?? [];
    if (!values.includes(pair.value)) filters.set(filter, [...values, pair.value]);
  }
  return { filters, ...logTimes(times), ...occurredDays(times) };
}

/** The query in its one canonical spelling, which `parseQuery` reads back; empty for the question about everything. */
export function formatQuery({ filters, fromUs, toUs, occurred }: EventQuery): string {
  const pairs = FILTERS.flatMap((name) => (filters.get(name) ?? []).map((value) => `${name}:${quoted(value)}`));
  if (fromUs !== undefined) pairs.push(`from:${formatTimeUs(fromUs)}`);
  if (toUs !== undefined) pairs.push(`to:${formatTimeUs(toUs)}`);
  if (occurred !== undefined) pairs.push(`occurred_from:${occurred.from}`, `occurred_to:${occurred.to}`);
  return pairs.join(' ');
}

const WORDS = '[A-Za-z][A-Za-z0-9_-]*';
const ACTION = new RegExp(`^${WORDS}(?:\\.[A-Za-z0-9_-]+)+$`);
const ACTION_PREFIX = new RegExp(`^${WORDS}(?:\\.[A-Za-z0-9_-]+){0,${MAX_PREFIX_WORDS - 1}}\\.\\*$`);

/** What is wrong with a value that no event can have; undefined if some event can. Scopes have the same values. */
export function filterFault(name: FilterName, value: string): string | undefined {
  if (value === '') return 'a value is missing';
  if (value.length > MAX_ID_CHARACTERS) return `a value has at most ${MAX_ID_CHARACTERS} characters`;
  switch (name) {
    case 'outcome':
      return ['success', 'failure', 'denied'].includes(value) ? undefined : 'an outcome is success, failure or denied';
    case 'break_glass':
      return value === 'true' ? undefined : 'can only be true';
    case 'action':
      return ACTION.test(value) || ACTION_PREFIX.test(value)
        ? undefined
        : `an action is words joined by dots, such as role.grant; role.* is all that begin so, with at most ${MAX_PREFIX_WORDS} words`;
    default:
      return undefined;
  }
}

function logTimes(times: ReadonlyMap<QueryKey, QueryPair>): Pick<EventQuery, 'fromUs' | 'toUs'> {
  const [from, to] = [times.get('from'), times.get('to')];
  const fromUs = from && boundaryUs(from, 0);
  const toUs = to && boundaryUs(to, DAY_US);
  if (fromUs !== undefined && toUs !== undefined && fromUs > toUs && to !== undefined) {
    throw new QueryError('invalid-value', 'lies before from', to);
  }
  return { ...(fromUs === undefined ? {} : { fromUs }), ...(toUs === undefined ? {} : { toUs }) };
}

/** A moment; for a date, its first moment and so much more. */
function boundaryUs(pair: QueryPair, dayExtraUs: number): number {
  const dayUs = parseDayUs(pair.value);
  const timeUs = dayUs === undefined ? parseTimeUs(pair.value) : dayUs + dayExtraUs;
  if (timeUs !== undefined) return timeUs;
  const detail = 'is no date such as 2026-03-01, and no RFC 3339 time with a zone and at most microseconds';
  throw new QueryError('invalid-value', detail, pair);
}

function occurredDays(times: ReadonlyMap<QueryKey, QueryPair>): Pick<EventQuery, 'occurred'> {
  const [from, to] = [times.get('occurred_from'), times.get('occurred_to')];
  const one = from ?? to;
  if (one === undefined) return {};
  if (from === undefined || to === undefined) {
    throw new QueryError('missing-value', 'occurred_from and occurred_to go together', one);
  }
  for (const pair of [from, to]) {
    if (parseDayUs(pair.value) === undefined)
      throw new QueryError('invalid-value', 'is no date such as 2026-03-01', pair);
  }
  const days = dayCount(from.value, to.value);
  if (days < 1) throw new QueryError('invalid-value', 'lies before occurred_from', to);
  if (days > MAX_OCCURRED_DAYS)
    throw new QueryError('invalid-value', `is more than ${MAX_OCCURRED_DAYS} days later`, to);
  return { occurred: { from: from.value, to: to.value } };
}

function parseDayUs(text: string): number | undefined {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? parseTimeUs(`${text}T00:00:00Z`) : undefined;
}

function unreadableToken(rest: string, parameter: string): QueryError {
  const token = /^\S*/.exec(rest)?.[0] ?? '';
  const colon = token.indexOf(':');
  const where = { token, parameter };
  if (colon === -1) {
    return new QueryError('missing-value', 'write key:value, such as actor:u_8842; free text is not searched', where);
  }
  if (token[colon + 1] === '"') {
    const detail = 'a quoted value ends in a quotation mark and a space; inside, write \\" and \\\\';
    return new QueryError('unterminated-quote', detail, where);
  }
  if (colon === token.length - 1) return new QueryError('missing-value', 'a value is missing', where);
  return new QueryError('unknown-key', `there is no such filter; known are ${QUERY_KEYS.join(', ')}`, where);
}

function afterSpace(text: string, at: number): number {
  SPACE.lastIndex = at;
  SPACE.exec(text);
  return SPACE.lastIndex;
}

function quoted(value: string): string {
  return value === '' || value.startsWith('"') || /\s/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : value;
}
