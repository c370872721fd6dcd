/**
 * The rules of a review: each names the events it is about with a question, and says what has to hold for them. A check is
 * evaluated from what the event of a sample shows, as a filter is (proofs/filter.ts), so that anyone comes to the same.
 *
 *   { "name": "grants-have-a-ticket", "when": "action:role.grant", "has": ["authorization.ticket"] }
 *   { "name": "break-glass-has-a-reason", "when": "breakglass:true", "has": ["reason"] }
 *   { "name": "refunds-follow-the-rule", "when": "action:refund.*", "is": "rule:policy.refund.v2" }
 *   { "name": "no-service-overrides", "when": "breakglass:true actor:svc-billing", "never": true }
 */
import { type Static, Type } from '@sinclair/typebox';
import type { JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { type BundleFilter, evaluateFilter, eventMember, type FilteredEvent } from '../../proofs/filter.ts';
import { parseQuery } from './query.ts';

const MAX_PATHS = 20;

const about = {
  name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$' }),
  title: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  when: Type.String({ maxLength: 8_000, description: 'The events that it is about, as in a search without times.' }),
};
const closed = { additionalProperties: false } as const;

export const CheckDocument = Type.Union([
  Type.Object(
    {
      ...about,
      has: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$', maxLength: 256 }), {
        minItems: 1,
        maxItems: MAX_PATHS,
        description: 'Members that are there and not empty.',
      }),
    },
    closed,
  ),
  Type.Object(
    { ...about, is: Type.String({ minLength: 1, maxLength: 8_000, description: 'What they match.' }) },
    closed,
  ),
  Type.Object({ ...about, never: Type.Literal(true, { description: 'There are none.' }) }, closed),
]);

export interface ReviewCheck {
  readonly name: string;
  readonly title: string;
  readonly when: BundleFilter;
  readonly demand:
    | { readonly kind: 'has'; readonly paths: readonly string[] }
    | { readonly kind: 'is'; readonly filter: BundleFilter }
    | { readonly kind: 'never' };
}

/** `cannot`: a field that decides is not shown. */
export type CheckResult = 'passed' | 'failed' | 'not-about-it' | 'cannot';

/** Throws QueryError, or RangeError for a question with times. */
export function readCheck(document: Static<typeof CheckDocument>): ReviewCheck {
  const { name, title = name, when } = document;
  const check = { name, title, when: timelessFilter(when) };
  if ('has' in document) return { ...check, demand: { kind: 'has', paths: document.has } };
  if ('is' in document) return { ...check, demand: { kind: 'is', filter: timelessFilter(document.is) } };
  return { ...check, demand: { kind: 'never' } };
}

export function evaluateCheck({ when, demand }: ReviewCheck, event: FilteredEvent): CheckResult {
  const { result } = evaluateFilter(when, event);
  if (result === 'no-match') return 'not-about-it';
  if (result === 'cannot') return 'cannot';
  switch (demand.kind) {
    case 'never':
      return 'failed';
    case 'is': {
      const held = evaluateFilter(demand.filter, event).result;
      return held === 'match' ? 'passed' : held === 'no-match' ? 'failed' : 'cannot';
    }
    case 'has': {
      const seen = demand.paths.map((path) => eventMember(path, event));
      if (seen.some((member) => 'value' in member && isEmpty(member.value))) return 'failed';
      return seen.some((member) => 'hiddenIn' in member) ? 'cannot' : 'passed';
    }
  }
}

/** A question without times, as evidence is filtered. Throws QueryError, or RangeError if it names a time. */
export function timelessFilter(text: string): BundleFilter {
  const { filters, fromUs, toUs, occurred } = parseQuery(text);
  if (fromUs !== undefined || toUs !== undefined) throw new RangeError('a question of a review names no log time');
  const sorted = [...filters].map(([name, values]) => [name, [...new Set(values)].sort()] as const);
  return { filters: new Map(sorted), ...(occurred !== undefined && { occurred }) };
}

function isEmpty(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === 'string') return value.trim() === '';
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}
