/**
 * What the holder of a token may see: a scope is a filter that is joined to every question by "and", and never widens.
 *
 *   { "actions": ["role.grant", "billing.*"], "classes": ["access"], "targets": ["u_9013"], "target_types": ["user"],
 *     "tenants": ["acme"], "from": "2026-03-01", "to": "2026-05-31" }
 *
 * Each list means any of it, the lists are joined by "and", `from` and `to` are log time as in a query (query.ts). What
 * search terms an event had when it was written decides, here as in a search: one predicate for pages, single events,
 * proofs, findings and exports. So a scope goes on working when a field was erased.
 *
 * Leaving something out of a question narrows the answer silently, and the answer names the scope. Asking for what lies
 * outside is refused (`OutOfScope`), so that nobody mistakes "not allowed to see" for "there is none".
 */
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { actionPrefix, type FilterName, occurredTerms, searchTerm } from '../events/terms.ts';
import type { Log } from '../log/types.ts';
import { type EventQuery, filterFault, formatQuery, pairOf, QueryError, queryOf } from './query.ts';
import { formatTimeUs } from './time.ts';

/** As it is created, stored and shown. */
export type Scope = Static<typeof ScopeSchema>;

export const MAX_SCOPE_VALUES = 100;
const SCOPE_PARAMETER = 'scope';

const values = (description: string) =>
  Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: MAX_SCOPE_VALUES, uniqueItems: true, description }));
const time = (description: string) => Type.Optional(Type.String({ description }));

export const ScopeSchema = Type.Object(
  {
    actions: values('Actions; role.* means all that begin so.'),
    classes: values('Classes of the catalogue, as they were when the event was written.'),
    targets: values('Ids of targets.'),
    target_types: values('Types of targets.'),
    tenants: values('Tenants.'),
    from: time('Log time: a date (the whole day in UTC) or an RFC 3339 time; inclusive.'),
    to: time('Log time: a date, inclusive, or an RFC 3339 time, exclusive.'),
  },
  { additionalProperties: false, description: 'What the holder may see: all of these together.' },
);

type ListName = 'actions' | 'classes' | 'targets' | 'target_types' | 'tenants';

/** The filter that each list narrows. */
const LISTS: readonly (readonly [list: ListName, filter: FilterName])[] = [
  ['actions', 'action'],
  ['classes', 'class'],
  ['targets', 'target'],
  ['target_types', 'target_type'],
  ['tenants', 'tenant'],
];

/** What is wrong with a scope, for the person who creates it; undefined if nothing is. */
export function scopeFault(value: unknown): string | undefined {
  if (!Value.Check(ScopeSchema, value)) {
    const first = Value.Errors(ScopeSchema, value).First();
    return `${first?.path ?? ''} ${first?.message ?? 'is not a scope'}`.trim();
  }
  if (Object.keys(value).length === 0) return 'an empty scope limits nothing; leave it out';
  for (const [list, filter] of LISTS) {
    for (const item of value[list] ?? []) {
      const fault = filterFault(filter, item);
      if (fault !== undefined) return `${list}: ${JSON.stringify(item)}: ${fault}`;
    }
  }
  try {
    windowOf(value);
    return undefined;
  } catch (error) {
    if (error instanceof QueryError) return error.message;
    throw error;
  }
}

/** A question reached for something that the scope of its token does not cover. */
export class OutOfScope extends Error {
  /** The filter or the parameter that reached beyond. */
  readonly asked: string;
  /** The whole question, where one was asked, for the entry that says what was tried. */
  readonly question: string | undefined;

  constructor(asked: string, message: string, question?: string) {
    super(message);
    this.name = 'OutOfScope';
    this.asked = asked;
    this.question = question;
  }
}

/** Throws OutOfScope if the question names an action, a target, a time … that the scope does not cover wholly. */
export function checkWithinScope(query: EventQuery, scope: Scope | null): void {
  if (scope === null) return;
  for (const [list, filter] of LISTS) {
    const allowed = scope[list];
    const asked = query.filters.get(filter);
    if (allowed === undefined || asked === undefined) continue;
    const beyond = asked.find((value) => !allowed.some((one) => covers(one, value)));
    if (beyond !== undefined)
      throw new OutOfScope(filter, `the scope of this token does not cover this ${filter}`, formatQuery(query));
  }
  checkWithinWindow(query, windowOf(scope));
}

/** Each end that is given lies within the window; one that is left out is the window's. */
function checkWithinWindow(query: EventQuery, { fromUs, toUs }: Pick<EventQuery, 'fromUs' | 'toUs'>): void {
  const begins = fromUs ?? Number.NEGATIVE_INFINITY;
  const ends = toUs ?? Number.POSITIVE_INFINITY;
  const refuse = (asked: 'from' | 'to'): void => {
    const first = fromUs === undefined ? '' : ` from ${formatTimeUs(fromUs)}`;
    const last = toUs === undefined ? '' : ` to before ${formatTimeUs(toUs)}`;
    throw new OutOfScope(asked, `the scope of this token covers log times${first}${last}`, formatQuery(query));
  };
  if (query.fromUs !== undefined && (query.fromUs < begins || query.fromUs >= ends)) refuse('from');
  if (query.toUs !== undefined && (query.toUs > ends || query.toUs <= begins)) refuse('to');
}

/** What the log is asked: terms that an event must carry, lists of which it must carry one, and a range of log time. */
export interface Conditions {
  readonly terms: readonly string[];
  readonly anyOf: readonly (readonly string[])[];
  readonly fromUs: number | undefined;
  readonly toUs: number | undefined;
}

/** The question and the scope together. */
export function conditionsOf(query: EventQuery, scope: Scope | null): Conditions {
  const clauses = [...query.filters].map(([name, wanted]) => wanted.map((value) => searchTerm(name, value)));
  if (query.occurred !== undefined) clauses.push([...occurredTerms(query.occurred.from, query.occurred.to)]);
  for (const [list, filter] of LISTS) {
    const allowed = scope?.[list];
    if (allowed !== undefined) clauses.push(allowed.map((value) => searchTerm(filter, value)));
  }
  const window = scope === null ? {} : windowOf(scope);
  return {
    terms: clauses.flatMap((clause) => (clause.length === 1 ? clause : [])),
    anyOf: clauses.filter((clause) => clause.length > 1),
    fromUs: largest(query.fromUs, window.fromUs),
    toUs: smallest(query.toUs, window.toUs),
  };
}

const EVERYTHING: EventQuery = { filters: new Map() };

/** May the holder see this event? */
export async function isInScope(
  log: Pick<Log, 'search'>,
  scope: Scope | null,
  { index, logTime }: { readonly index: number; readonly logTime: number },
): Promise<boolean> {
  if (scope === null) return true;
  const { terms, anyOf, fromUs, toUs } = conditionsOf(EVERYTHING, scope);
  if ((fromUs !== undefined && logTime < fromUs) || (toUs !== undefined && logTime >= toUs)) return false;
  if (terms.length === 0 && anyOf.length === 0) return true;
  const { indices } = await log.search({ terms, anyOf, from: index, size: index + 1, limit: 1 });
  return indices.length === 1;
}

/** The range of log time. Throws QueryError. */
function windowOf({ from, to }: Scope): Pick<EventQuery, 'fromUs' | 'toUs'> {
  const pair = (key: 'from' | 'to', value: string) => pairOf(key, value, `${key}:${value}`, SCOPE_PARAMETER);
  return queryOf([...(from === undefined ? [] : [pair('from', from)]), ...(to === undefined ? [] : [pair('to', to)])]);
}

/** `role.*` covers role.grant and role.admin.*; a value covers itself. */
function covers(allowed: string, asked: string): boolean {
  const prefix = actionPrefix(allowed);
  return allowed === asked || (prefix !== undefined && asked.startsWith(`${prefix}.`));
}

function largest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

function smallest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
