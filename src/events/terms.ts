/**
 * Search terms: what an event can be found by. A term is a letter, a colon and the value, and never holds a NUL:
 *
 *   a:u_8842   v:role.grant   p:role   c:access   t:u_9013   y:user   o:success   n:acme   b:true
 *   r:policy.access.grant.v3#owner   u:tok_5f0c…   k:req_77   d:2026-01   d:2026-01-08
 *
 * `p` are the beginnings of an action, for `role.*`; `d` the month and the day of `occurred_at` in UTC, so that a range of
 * days is a short list of terms. Writer and reader of the index both make their terms here, so that they cannot disagree.
 */
import { wholeRule } from '../../proofs/filter.ts';
import type { AuditEvent } from './schema.ts';

const LETTERS = {
  actor: 'a',
  action: 'v',
  class: 'c',
  target: 't',
  target_type: 'y',
  outcome: 'o',
  rule: 'r',
  tenant: 'n',
  break_glass: 'b',
  producer: 'u',
  correlation_id: 'k',
} as const;
const PREFIX_LETTER = 'p';
const OCCURRED_LETTER = 'd';

export type FilterName = keyof typeof LETTERS;

/** Names of what can be searched for, in the order in which they are shown. */
export const FILTERS: readonly FilterName[] = [
  'actor',
  'action',
  'class',
  'target',
  'target_type',
  'outcome',
  'rule',
  'tenant',
  'break_glass',
  'producer',
  'correlation_id',
];

/** The words of an action that can begin a `words.*`; a longer beginning finds nothing, and the query parser says so. */
export const MAX_PREFIX_WORDS = 8;
const PREFIX_SUFFIX = '.*';

/** What an event is found by and does not say itself. */
export interface TermAttributes {
  readonly producerId: string;
  /** The catalogue's class of its action. */
  readonly eventClass?: string | undefined;
  readonly occurredAtUs: number;
}

/**
 * The term for events whose actor id, action, … is this value; any text is allowed, and some match nothing. An action
 * that ends in `.*` means every action that begins so.
 */
export function searchTerm(name: FilterName, value: string): string {
  const prefix = name === 'action' ? actionPrefix(value) : undefined;
  return prefix === undefined ? term(LETTERS[name], value) : term(PREFIX_LETTER, prefix);
}

/** `role` of `role.*`; undefined for anything else, a whole action among it. */
export function actionPrefix(value: string): string | undefined {
  return value.endsWith(PREFIX_SUFFIX) ? value.slice(0, -PREFIX_SUFFIX.length) : undefined;
}

/** All terms of an event that was validated, each once: its texts hold nothing that a term may not. */
export function termsOf(
  event: AuditEvent,
  { producerId, eventClass, occurredAtUs }: TermAttributes,
): readonly string[] {
  const { action, target, tenant, correlation_id: correlationId, authorization } = event;
  const { dayTerm, monthTerm } = daysOf(occurredAtUs);
  const terms = [
    `${LETTERS.actor}:${event.actor.id}`,
    `${LETTERS.action}:${action}`,
    `${LETTERS.outcome}:${event.outcome.result}`,
    `${LETTERS.producer}:${producerId}`,
    dayTerm,
    monthTerm,
  ];
  addPrefixes(action, terms);
  if (eventClass !== undefined) terms.push(`${LETTERS.class}:${eventClass}`);
  if (target !== undefined) terms.push(`${LETTERS.target}:${target.id}`, `${LETTERS.target_type}:${target.type}`);
  if (tenant !== undefined) terms.push(`${LETTERS.tenant}:${tenant}`);
  const cited = authorization?.rule;
  if (cited !== undefined) {
    terms.push(`${LETTERS.rule}:${cited}`);
    const whole = wholeRule(cited);
    if (whole !== undefined) terms.push(`${LETTERS.rule}:${whole}`);
  }
  if (correlationId !== undefined) terms.push(`${LETTERS.correlation_id}:${correlationId}`);
  if (isBreakGlass(event)) terms.push(`${LETTERS.break_glass}:true`);
  return terms;
}

/** E9: an override of the rules, said outright or by the decision. */
export function isBreakGlass(event: AuditEvent): boolean {
  return event.break_glass === true || event.authorization?.decision === 'bypass';
}

/** Longest range of days of `occurred_at` that one question may span: ten years. */
export const MAX_OCCURRED_DAYS = 3_660;
const DAY_MS = 86_400_000;

/**
 * Terms of which an event carries one exactly if it occurred on these days in UTC, both inclusive, written
 * `2026-03-01`: whole months where they fit, days at the edges. The caller has checked the order and the bound.
 */
export function occurredTerms(fromDay: string, toDay: string): readonly string[] {
  const terms: string[] = [];
  const endMs = Date.parse(toDay);
  for (let ms = Date.parse(fromDay); ms <= endMs; ) {
    const day = dayOf(ms * 1000);
    const nextMonthMs = Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)), 1);
    const wholeMonth = day.endsWith('-01') && nextMonthMs - DAY_MS <= endMs;
    terms.push(occurredTerm(wholeMonth ? monthOf(day) : day));
    ms = wholeMonth ? nextMonthMs : ms + DAY_MS;
  }
  return terms;
}

/** Days from the first to the last, both counted; not positive if they are in the wrong order. */
export function dayCount(fromDay: string, toDay: string): number {
  return (Date.parse(toDay) - Date.parse(fromDay)) / DAY_MS + 1;
}

/** The beginnings of an action up to each of its dots, a bounded number of them. */
function addPrefixes(action: string, terms: string[]): void {
  let dot = action.indexOf('.');
  for (let words = 0; dot !== -1 && words < MAX_PREFIX_WORDS; words++) {
    terms.push(`${PREFIX_LETTER}:${action.slice(0, dot)}`);
    dot = action.indexOf('.', dot + 1);
  }
}

interface Days {
  readonly number: number;
  readonly dayTerm: string;
  readonly monthTerm: string;
}

/** Those that were asked for last: the events of an hour have a day in common. */
let last: Days = { number: Number.NaN, dayTerm: '', monthTerm: '' };

function daysOf(occurredAtUs: number): Days {
  const number = Math.floor(occurredAtUs / (1000 * DAY_MS));
  if (number !== last.number) {
    const day = dayOf(occurredAtUs);
    last = { number, dayTerm: occurredTerm(day), monthTerm: occurredTerm(monthOf(day)) };
  }
  return last;
}

function occurredTerm(dayOrMonth: string): string {
  return `${OCCURRED_LETTER}:${dayOrMonth}`;
}

function dayOf(timeUs: number): string {
  const date = new Date(timeUs / 1000);
  const digits = (value: number): string => (value < 10 ? `0${value}` : `${value}`);
  return `${date.getUTCFullYear()}-${digits(date.getUTCMonth() + 1)}-${digits(date.getUTCDate())}`;
}

function monthOf(day: string): string {
  return day.slice(0, 'yyyy-mm'.length);
}

function term(letter: string, value: string): string {
  // No event has such a value, and as part of a key it could be read as another term's.
  return value.includes('\0') || !value.isWellFormed() ? `${letter}!` : `${letter}:${value}`;
}
