/**
 * The filter of an evidence bundle: the question as data, and its answer for one event from nothing but the event's
 * opened fields. Whoever builds a bundle and whoever verifies it evaluate with this file.
 *
 *   { "filters": { "action": ["role.*"], "outcome": ["denied", "failure"] },
 *     "from_us": 1767225600000000, "to_us": 1775001600000000,
 *     "occurred": { "from": "2026-01-01", "to": "2026-03-31" } }
 *
 * All members are joined by "and", the values of one filter by "or"; values are sorted and each stands once. `from_us`
 * (included) and `to_us` (excluded) are log time in microseconds since the Unix epoch; `occurred` are days in UTC of the
 * time that the producer claims, both included. The semantics are those of the log's own search (src/trail/query.ts).
 *
 * An event is a match, is none, or cannot be evaluated, because a field that decides was erased or withheld. A member
 * that the event does not have decides, too: the card proves which fields there are. Only of the class, which the log
 * itself commits to, a missing one says nothing: entries from before do not have it.
 */
import type { JsonObject, JsonValue } from './canonical-json.ts';
import { type CardField, LOG_FIELD_ID } from './card.ts';
import { ProofError } from './errors.ts';
import { isObject } from './fields.ts';

/**
 * What can be asked for, and the member that answers it. `action` and `break_glass` have a meaning of their own; `class`
 * is what the log itself said of the action, by the catalogue that was in force, in its own field.
 */
const MEMBERS = {
  action: 'action',
  actor: 'actor.id',
  break_glass: 'break_glass',
  class: 'log.class',
  correlation_id: 'correlation_id',
  outcome: 'outcome.result',
  producer: undefined,
  rule: 'authorization.rule',
  target: 'target.id',
  target_type: 'target.type',
  tenant: 'tenant',
} as const;

export type BundleFilterName = keyof typeof MEMBERS;

export const BUNDLE_FILTER_NAMES: readonly BundleFilterName[] = [
  'action',
  'actor',
  'break_glass',
  'class',
  'correlation_id',
  'outcome',
  'producer',
  'rule',
  'target',
  'target_type',
  'tenant',
];

export interface BundleFilter {
  /** Per filter the values of which an event has one: sorted by UTF-16 code units, unique, never none. */
  readonly filters: ReadonlyMap<BundleFilterName, readonly string[]>;
  readonly fromUs?: number;
  readonly toUs?: number;
  readonly occurred?: { readonly from: string; readonly to: string };
}

/** What an event shows of itself. */
export interface FilteredEvent {
  readonly producerId: string;
  readonly card: readonly CardField[];
  /** The opened fields, `log` among them if it is. */
  readonly fields: ReadonlyMap<string, JsonValue>;
  /** Nobody knows which fields the event had: of its members nothing can be said. */
  readonly contentsLost?: true;
}

export type FilterResult =
  | { readonly result: 'match' }
  | { readonly result: 'no-match' }
  /** `field` is the first one that would decide and is not opened, or that does not say what was asked. */
  | { readonly result: 'cannot'; readonly field: string };

/** The value of a member, undefined if the event has none, or the id of the field that hides it. */
export type SeenMember = { readonly value: JsonValue | undefined } | { readonly hiddenIn: string };

export const MAX_FILTER_VALUES = 100;
export const MAX_FILTER_VALUE_CHARACTERS = 1_000;
/** Ten years. */
export const MAX_OCCURRED_DAYS = 3_660;
const DAY_MS = 86_400_000;

/** Reads a filter strictly: the one spelling that `filterJson` writes. Throws `invalid-filter`. */
export function readFilter(json: JsonValue | undefined): BundleFilter {
  if (!isObject(json)) throw invalid('a filter is an object');
  for (const name of Object.keys(json)) if (!FILTER_MEMBERS.has(name)) throw invalid('a member is unknown');
  const { filters: lists, from_us: fromUs, to_us: toUs, occurred } = json;
  if (!isObject(lists)) throw invalid('filters is missing');
  const filters = new Map<BundleFilterName, readonly string[]>();
  for (const [name, list] of Object.entries(lists)) {
    const known = BUNDLE_FILTER_NAMES.find((one) => one === name);
    if (known === undefined) throw invalid('there is no such filter');
    filters.set(known, readValues(known, list));
  }
  const [from, to] = [readTime(fromUs), readTime(toUs)];
  if (from !== undefined && to !== undefined && from > to) throw invalid('the end lies before the beginning');
  return {
    filters,
    ...(from !== undefined && { fromUs: from }),
    ...(to !== undefined && { toUs: to }),
    ...(occurred !== undefined && { occurred: readDays(occurred) }),
  };
}

/** The filter as JSON, values sorted; what `readFilter` reads back. Throws `invalid-filter` for one that is none. */
export function filterJson({ filters, fromUs, toUs, occurred }: BundleFilter): JsonObject {
  const json: JsonObject = {
    filters: Object.fromEntries([...filters].map(([name, values]) => [name, [...new Set(values)].sort()])),
    ...(fromUs !== undefined && { from_us: fromUs }),
    ...(toUs !== undefined && { to_us: toUs }),
    ...(occurred !== undefined && { occurred: { from: occurred.from, to: occurred.to } }),
  };
  readFilter(json);
  return json;
}

/** The filter as people write it, without its range of log time; "everything" for a filter that filters nothing. */
export function describeFilter({ filters, occurred }: BundleFilter): string {
  const parts = [...filters].flatMap(([name, values]) => values.map((value) => `${name}:${describeValue(value)}`));
  if (occurred !== undefined) parts.push(`occurred_from:${occurred.from}`, `occurred_to:${occurred.to}`);
  return parts.length === 0 ? 'everything' : parts.join(' ');
}

/** The fields that have to be opened, so that the filter can be evaluated: ids in the card's order, then `log`. */
export function filterFieldIds(filter: BundleFilter, card: readonly CardField[]): readonly string[] {
  const ids = idsOf(card);
  const needed = new Set(membersOf(filter).flatMap((path) => holderOf(path, ids) ?? []));
  return [...ids].filter((id) => needed.has(id));
}

/** The member that answers a filter; undefined for the producer, which is no member. */
export function filterMember(name: BundleFilterName): string | undefined {
  return MEMBERS[name];
}

/** A member of the event by its path, undefined if it has none; or the id of the field that hides it. */
export function eventMember(path: string, { card, fields }: Pick<FilteredEvent, 'card' | 'fields'>): SeenMember {
  return readMember(path, idsOf(card), fields);
}

/** The field that shows a member of an event with this card, if any does. */
export function memberFieldId(path: string, card: readonly CardField[]): string | undefined {
  return holderOf(path, idsOf(card));
}

/** Whether the event is a match. Its range of log time is not looked at: that is a range of indices. */
export function evaluateFilter(filter: BundleFilter, event: FilteredEvent): FilterResult {
  const ids = idsOf(event.card);
  const read: ReadMember = (path) => (event.contentsLost ? { hiddenIn: path } : readMember(path, ids, event.fields));
  let hidden: string | undefined;
  for (const result of conditionsOf(filter, event.producerId, read)) {
    if (result === false) return { result: 'no-match' };
    if (typeof result === 'string') hidden ??= result;
  }
  return hidden === undefined ? { result: 'match' } : { result: 'cannot', field: hidden };
}

const FILTER_MEMBERS: ReadonlySet<string> = new Set(['filters', 'from_us', 'to_us', 'occurred']);
const OUTCOMES: readonly string[] = ['denied', 'failure', 'success'];
const PREFIX_SUFFIX = '.*';
const PART_MARK = '#';

/** True, false, or the id of the field that would tell. */
type Condition = boolean | string;

type ReadMember = (path: string) => SeenMember;

function* conditionsOf(filter: BundleFilter, producerId: string, read: ReadMember): Generator<Condition> {
  for (const [name, values] of filter.filters) {
    if (name === 'producer') yield values.includes(producerId);
    else if (name === 'break_glass') yield isBreakGlass(read);
    else if (name === 'class') yield isOfClass(read(MEMBERS.class), values);
    else yield test(read(MEMBERS[name]), (value) => values.some((wanted) => accepts(name, wanted, value)));
  }
  const { occurred } = filter;
  if (occurred === undefined) return;
  yield test(read('occurred_at'), (value) => {
    const day = dayOf(value);
    return day !== undefined && occurred.from <= day && day <= occurred.to;
  });
}

function test(member: SeenMember, accept: (value: string) => boolean): Condition {
  if ('hiddenIn' in member) return member.hiddenIn;
  return typeof member.value === 'string' && accept(member.value);
}

/** Entries from before the class was kept do not say it: they could be of any. */
function isOfClass(said: SeenMember, values: readonly string[]): Condition {
  if ('value' in said && said.value === undefined) return LOG_FIELD_ID;
  return test(said, (value) => values.includes(value));
}

/** An override of the rules, said outright or by the decision: either is enough, whatever hides the other. */
function isBreakGlass(read: ReadMember): Condition {
  const said = read('break_glass');
  if ('value' in said && said.value === true) return true;
  const decided = test(read('authorization.decision'), (decision) => decision === 'bypass');
  if (decided === true) return true;
  return 'hiddenIn' in said ? said.hiddenIn : decided;
}

function accepts(name: BundleFilterName, wanted: string, value: string): boolean {
  if (name === 'rule') return wanted === value || wanted === wholeRule(value);
  if (name !== 'action' || !wanted.endsWith(PREFIX_SUFFIX)) return wanted === value;
  return value.startsWith(wanted.slice(0, -1));
}

/** The rule of which a part is cited: `policy.access.grant.v3` of `policy.access.grant.v3#owner`; undefined for no part. */
export function wholeRule(cited: string): string | undefined {
  const mark = cited.indexOf(PART_MARK);
  return mark > 0 ? cited.slice(0, mark) : undefined;
}

/** The members that a filter looks at. */
function membersOf({ filters, occurred }: BundleFilter): readonly string[] {
  const paths: string[] = [...filters.keys()].flatMap((name) => MEMBERS[name] ?? []);
  if (filters.has('break_glass')) paths.push('authorization.decision');
  if (occurred !== undefined) paths.push('occurred_at');
  return paths;
}

/** Every event has the card's fields and the log's own. */
function idsOf(card: readonly CardField[]): ReadonlySet<string> {
  return new Set([...card.map(([id]) => id), LOG_FIELD_ID]);
}

/** The field that holds a member: the member's own, or the nearest parent's; undefined if the card has none. */
function holderOf(path: string, ids: ReadonlySet<string>): string | undefined {
  for (let id = path; ; id = id.slice(0, id.lastIndexOf('.'))) {
    if (ids.has(id)) return id;
    if (!id.includes('.')) return undefined;
  }
}

function readMember(path: string, ids: ReadonlySet<string>, fields: ReadonlyMap<string, JsonValue>): SeenMember {
  const holder = holderOf(path, ids);
  if (holder === undefined) return { value: undefined };
  if (!fields.has(holder)) return { hiddenIn: holder };
  let value = fields.get(holder);
  for (const step of path.slice(holder.length).split('.').slice(1)) {
    value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return { value };
}

const TIME = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,6})?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** The day in UTC of an RFC 3339 time, whose fraction of a second cannot change it; a leap second ends its day plus one. */
function dayOf(text: string): string | undefined {
  const parts = TIME.exec(text);
  if (parts === null) return undefined;
  const part = (group: number): number => Number(parts[group] ?? 0);
  const offsetMinutes = (parts[7] === '-' ? -1 : 1) * (part(8) * 60 + part(9));
  const ms = Date.UTC(part(1), part(2) - 1, part(3), part(4), part(5) - offsetMinutes, part(6));
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length) : undefined;
}

function readValues(name: BundleFilterName, list: JsonValue): readonly string[] {
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_FILTER_VALUES) {
    throw invalid(`a filter has 1 to ${MAX_FILTER_VALUES} values`);
  }
  const values = list.map((value: JsonValue): string => {
    if (typeof value !== 'string' || value === '' || value.length > MAX_FILTER_VALUE_CHARACTERS) {
      throw invalid(`a value is a text of 1 to ${MAX_FILTER_VALUE_CHARACTERS} characters`);
    }
    return value;
  });
  for (let i = 1; i < values.length; i++) {
    if ((values[i - 1] ?? '') >= (values[i] ?? '')) throw invalid('values are not sorted, or one stands twice');
  }
  if (name === 'outcome' && !values.every((value) => OUTCOMES.includes(value)))
    throw invalid('no event ends like this');
  if (name === 'break_glass' && values.join() !== 'true') throw invalid('break_glass can only be true');
  return values;
}

function readTime(value: JsonValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalid('a time is microseconds');
  return value;
}

function readDays(value: JsonValue): { readonly from: string; readonly to: string } {
  if (!isObject(value) || Object.keys(value).length !== 2) throw invalid('occurred has two days');
  const { from, to } = value;
  if (typeof from !== 'string' || typeof to !== 'string' || !isDay(from) || !isDay(to)) throw invalid('no such day');
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
  if (days < 1 || days > MAX_OCCURRED_DAYS) throw invalid(`occurred spans 1 to ${MAX_OCCURRED_DAYS} days`);
  return { from, to };
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return Number.isFinite(ms) && new Date(ms).toISOString().startsWith(text);
}

function describeValue(value: string): string {
  return value.startsWith('"') || /\s/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : value;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-filter', `filter: ${what}`);
}
