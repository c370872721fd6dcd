import { describe, expect, it } from 'vitest';
import { evaluateFilter } from '../../proofs/filter.ts';
import type { AuditEvent } from '../../src/events/schema.ts';
import { FILTERS, searchTerm, termsOf } from '../../src/events/terms.ts';

describe('a search term', () => {
  it('differs between kinds and values', () => {
    const terms = FILTERS.flatMap((name) => ['x', 'y', ':x', ''].map((value) => searchTerm(name, value)));
    expect(new Set(terms).size).toBe(terms.length);
  });

  it('holds no NUL and nothing without UTF-8 form, so that it can be part of a key', () => {
    for (const value of ['a\0b', '\0', '\ud800']) {
      expect(searchTerm('actor', value)).toBe('a!');
      expect(searchTerm('actor', '!')).not.toBe('a!');
    }
  });
});

describe('the terms of a rule', () => {
  const event = (rule: string): AuditEvent => ({
    event_id: 'e',
    occurred_at: '2026-01-08T14:32:07Z',
    actor: { type: 'user', id: 'u' },
    action: 'role.grant',
    outcome: { result: 'success' },
    authorization: { decision: 'allow', rule },
  });

  it.each([
    ['policy.x.v3#owner', 'policy.x.v3', true],
    ['policy.x.v3#owner', 'policy.x.v3#owner', true],
    ['policy.x.v3#a#b', 'policy.x.v3', true],
    ['policy.x.v3#a#b', 'policy.x.v3#a', false],
    ['policy.x.v3#owner', 'policy.x', false],
    ['policy.x.v3', 'policy.x.v3#owner', false],
    ['policy.x.v30#owner', 'policy.x.v3', false],
    ['#owner', '', false],
  ])('find %s by %s exactly where a verifier would: %s', (cited, asked, found) => {
    const terms = termsOf(event(cited), { producerId: 'p', eventClass: undefined, occurredAtUs: 0 });
    expect(terms.includes(searchTerm('rule', asked))).toBe(found);
    const fields = new Map([['authorization', { rule: cited }]]);
    const card = [['authorization', new Uint8Array(32)] as const];
    const filter = { filters: new Map([['rule', [asked]] as const]) };
    expect(evaluateFilter(filter, { producerId: 'p', card, fields }).result).toBe(found ? 'match' : 'no-match');
  });
});
