/**
 * Search terms: what an event can be found by. A term is a letter, a colon and the value, and never holds a NUL:
 *
 *   a:u_8842   v:role.grant   t:u_9013   o:success   n:acme   r:policy.access.grant.v3#owner   b:true
 *
 * Writer and reader of the index both make their terms here, so that they cannot disagree.
 */
import type { AuditEvent } from './schema.ts';

const LETTERS = {
  actor: 'a',
  action: 'v',
  target: 't',
  outcome: 'o',
  tenant: 'n',
  rule: 'r',
  break_glass: 'b',
} as const;

export type FilterName = keyof typeof LETTERS;

/** Names of what can be searched for, in the order in which they are shown. */
export const FILTERS: readonly FilterName[] = ['actor', 'action', 'target', 'outcome', 'tenant', 'rule', 'break_glass'];

/** The term for events whose actor id, action, … is this value; any text is allowed, and some match nothing. */
export function searchTerm(name: FilterName, value: string): string {
  // No event has such a value, and as part of a key it could be read as another term's.
  if (value.includes('\0') || !value.isWellFormed()) return `${LETTERS[name]}!`;
  return `${LETTERS[name]}:${value}`;
}

/** All terms of an event, each once. */
export function termsOf(event: AuditEvent): readonly string[] {
  const terms = [
    searchTerm('actor', event.actor.id),
    searchTerm('action', event.action),
    searchTerm('outcome', event.outcome.result),
  ];
  if (event.target !== undefined) terms.push(searchTerm('target', event.target.id));
  if (event.tenant !== undefined) terms.push(searchTerm('tenant', event.tenant));
  if (event.authorization?.rule !== undefined) terms.push(searchTerm('rule', event.authorization.rule));
  if (isBreakGlass(event)) terms.push(searchTerm('break_glass', 'true'));
  return terms;
}

/** E9: an override of the rules, said outright or by the decision. */
export function isBreakGlass(event: AuditEvent): boolean {
  return event.break_glass === true || event.authorization?.decision === 'bypass';
}
