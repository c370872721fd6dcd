import { describe, expect, it } from 'vitest';
import { parseQuery } from '../../src/trail/query.ts';
import { checkWithinScope, conditionsOf, OutOfScope, type Scope, scopeFault } from '../../src/trail/scope.ts';

function verdict(question: string, scope: Scope): string {
  try {
    checkWithinScope(parseQuery(question), scope);
    return 'within';
  } catch (error) {
    if (!(error instanceof OutOfScope)) throw error;
    return `beyond: ${error.asked}`;
  }
}

describe('a scope', () => {
  it.each<[scope: Scope, question: string, expected: string]>([
    [{ actions: ['role.grant'] }, '', 'within'],
    [{ actions: ['role.grant'] }, 'action:role.grant', 'within'],
    [{ actions: ['role.grant'] }, 'action:role.revoke', 'beyond: action'],
    [{ actions: ['role.grant'] }, 'action:role.*', 'beyond: action'],
    [{ actions: ['role.grant'] }, 'action:role.grant action:role.revoke', 'beyond: action'],
    [{ actions: ['role.grant'] }, 'tenant:other actor:u_1', 'within'],
    [{ actions: ['role.*'] }, 'action:role.*', 'within'],
    [{ actions: ['role.*'] }, 'action:role.admin.*', 'within'],
    [{ actions: ['role.*'] }, 'action:role.admin.grant', 'within'],
    [{ actions: ['role.*'] }, 'action:roles.grant', 'beyond: action'],
    [{ actions: ['role.admin.*'] }, 'action:role.*', 'beyond: action'],
    [{ classes: ['access'] }, 'class:financial', 'beyond: class'],
    [{ targets: ['u_1', 'u_2'] }, 'target:u_2', 'within'],
    [{ targets: ['u_1', 'u_2'] }, 'target:u_2 target:u_3', 'beyond: target'],
    [{ target_types: ['user'] }, 'target_type:invoice', 'beyond: target_type'],
    [{ tenants: ['acme'] }, 'tenant:acme', 'within'],
    [{ tenants: ['acme'] }, 'tenant:acm', 'beyond: tenant'],
    [{ from: '2026-03-01', to: '2026-05-31' }, '', 'within'],
    [{ from: '2026-03-01', to: '2026-05-31' }, 'from:2026-03-01 to:2026-05-31', 'within'],
    [{ from: '2026-03-01', to: '2026-05-31' }, 'from:2026-04-01', 'within'],
    [{ from: '2026-03-01', to: '2026-05-31' }, 'to:2026-04-01', 'within'],
    [{ from: '2026-03-01', to: '2026-05-31' }, 'from:2026-02-28', 'beyond: from'],
    [{ from: '2026-03-01', to: '2026-05-31' }, 'to:2026-06-01', 'beyond: to'],
    [{ from: '2026-03-01', to: '2026-05-31' }, 'from:2026-07-01', 'beyond: from'],
    [{ from: '2026-03-01', to: '2026-05-31' }, 'to:2026-02-01', 'beyond: to'],
    [{ from: '2026-03-01' }, 'to:2026-02-28', 'beyond: to'],
    [{ to: '2026-03-01' }, 'from:2026-03-02', 'beyond: from'],
  ])('%j: the question %j is %s', (scope, question, expected) => {
    expect(verdict(question, scope)).toBe(expected);
  });

  it('is joined to every question, and never widens one', () => {
    const scope: Scope = { actions: ['role.*', 'key.rotate'], tenants: ['acme'], from: '2026-03-01', to: '2026-05-31' };
    expect(conditionsOf(parseQuery('actor:u_1 from:2026-04-01'), scope)).toEqual({
      terms: ['a:u_1', 'n:acme'],
      anyOf: [['p:role', 'v:key.rotate']],
      fromUs: Date.parse('2026-04-01T00:00:00Z') * 1000,
      toUs: Date.parse('2026-06-01T00:00:00Z') * 1000,
    });
    expect(conditionsOf(parseQuery('action:role.grant'), scope).terms).toContain('v:role.grant');
    expect(conditionsOf(parseQuery('action:role.grant'), scope).anyOf).toEqual([['p:role', 'v:key.rotate']]);
  });

  it.each<[what: string, scope: unknown]>([
    ['nothing', {}],
    ['no object', 'role.grant'],
    ['an empty list', { actions: [] }],
    ['a value twice', { actions: ['a.b', 'a.b'] }],
    ['an unknown member', { actors: ['u_1'] }],
    ['an action that is none', { actions: ['role'] }],
    ['every action', { actions: ['*'] }],
    ['an empty value', { tenants: [''] }],
    ['a time that is none', { from: 'March' }],
    ['a window that ends before it begins', { from: '2026-05-01', to: '2026-03-01' }],
    ['too many values', { tenants: Array.from({ length: 101 }, (_, i) => `t${i}`) }],
  ])('cannot hold %s', (_, scope) => {
    expect(scopeFault(scope)).toEqual(expect.any(String));
  });
});
