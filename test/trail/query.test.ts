import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FILTERS, type FilterName } from '../../src/events/terms.ts';
import { type EventQuery, formatQuery, parseQuery, QueryError } from '../../src/trail/query.ts';
import { formatTimeUs } from '../../src/trail/time.ts';

const US = 1_000_000;
const day = (text: string): number => Date.parse(`${text}T00:00:00Z`) * 1000;

/** The query as plain data, to be compared. */
function read(text: string): object {
  const { filters, ...times } = parseQuery(text);
  return { ...Object.fromEntries(filters), ...times };
}

function fault(text: string): object {
  try {
    return { understood: read(text) };
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return { code: error.code, token: error.token };
  }
}

describe('a question', () => {
  it('is read as in the manual', () => {
    expect(read('action:role.grant actor:u_8842 from:2026-03-01 to:2026-05-31 outcome:denied breakglass:true')).toEqual(
      {
        action: ['role.grant'],
        actor: ['u_8842'],
        outcome: ['denied'],
        break_glass: ['true'],
        fromUs: day('2026-03-01'),
        toUs: day('2026-06-01'),
      },
    );
    expect(
      read(
        'action:role.* target:"key with spaces" tenant:acme tenant:umbrella occurred_from:2026-01-01 occurred_to:2026-03-31',
      ),
    ).toEqual({
      action: ['role.*'],
      target: ['key with spaces'],
      tenant: ['acme', 'umbrella'],
      occurred: { from: '2026-01-01', to: '2026-03-31' },
    });
  });

  it.each<[text: string, expected: object]>([
    ['', {}],
    ['   ', {}],
    ['\tactor:a\n actor:b ', { actor: ['a', 'b'] }],
    ['actor:a actor:a', { actor: ['a'] }],
    ['rule:policy.access.v3#owner', { rule: ['policy.access.v3#owner'] }],
    ['target:arn:aws:s3:::bucket', { target: ['arn:aws:s3:::bucket'] }],
    ['actor:"a b"', { actor: ['a b'] }],
    ['actor:"say \\"hi\\" \\\\"', { actor: ['say "hi" \\'] }],
    ['actor:a"b', { actor: ['a"b'] }],
    [
      'correlation:req_7 target_type:user class:access',
      { correlation_id: ['req_7'], target_type: ['user'], class: ['access'] },
    ],
    ['from:2026-03-01T12:00:00+02:00', { fromUs: day('2026-03-01') + 10 * 3600 * US }],
    ['to:2026-03-01T00:00:00.000001Z', { toUs: day('2026-03-01') + 1 }],
    ['from:2026-02-28 to:2026-02-28', { fromUs: day('2026-02-28'), toUs: day('2026-03-01') }],
    ['to:2028-02-29', { toUs: day('2028-03-01') }],
    ['action:a.b.c.d.e.f.g.h.*', { action: ['a.b.c.d.e.f.g.h.*'] }],
  ])('%j is understood', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each<[text: string, code: string, token: string]>([
    ['role', 'missing-value', 'role'],
    ['actor:', 'missing-value', 'actor:'],
    ['actor: a', 'missing-value', 'actor:'],
    ['actor:""', 'invalid-value', 'actor:""'],
    [':a', 'unknown-key', ':a'],
    ['actr:a', 'unknown-key', 'actr:a'],
    ['Actor:a', 'unknown-key', 'Actor:a'],
    ['äctor:a', 'unknown-key', 'äctor:a'],
    ['limit:5', 'unknown-key', 'limit:5'],
    ['__proto__:a', 'unknown-key', '__proto__:a'],
    ['actor:"a', 'unterminated-quote', 'actor:"a'],
    ['actor:"a"b', 'unterminated-quote', 'actor:"a"b'],
    ['actor:"a\\n"', 'unterminated-quote', 'actor:"a\\n"'],
    ['outcome:ok', 'invalid-value', 'outcome:ok'],
    ['breakglass:false', 'invalid-value', 'breakglass:false'],
    ['action:role', 'invalid-value', 'action:role'],
    ['action:*', 'invalid-value', 'action:*'],
    ['action:role.*.x', 'invalid-value', 'action:role.*.x'],
    ['action:rol*', 'invalid-value', 'action:rol*'],
    ['action:a.b.c.d.e.f.g.h.i.*', 'invalid-value', 'action:a.b.c.d.e.f.g.h.i.*'],
    ['from:yesterday', 'invalid-value', 'from:yesterday'],
    ['from:2026-02-30', 'invalid-value', 'from:2026-02-30'],
    ['from:2026-3-1', 'invalid-value', 'from:2026-3-1'],
    ['from:2026-03-01T00:00:00', 'invalid-value', 'from:2026-03-01T00:00:00'],
    ['from:2026-03-02 to:2026-02-28', 'invalid-value', 'to:2026-02-28'],
    ['from:2026-03-01 from:2026-03-02', 'duplicate-key', 'from:2026-03-02'],
    ['occurred_from:2026-03-01', 'missing-value', 'occurred_from:2026-03-01'],
    ['occurred_to:2026-03-01', 'missing-value', 'occurred_to:2026-03-01'],
    ['occurred_from:2026-03-02 occurred_to:2026-03-01', 'invalid-value', 'occurred_to:2026-03-01'],
    ['occurred_from:2000-01-01 occurred_to:2026-03-01', 'invalid-value', 'occurred_to:2026-03-01'],
    [
      'occurred_from:2026-03-01T00:00:00Z occurred_to:2026-03-02',
      'invalid-value',
      'occurred_from:2026-03-01T00:00:00Z',
    ],
    [`actor:${'x'.repeat(3000)}`, 'invalid-value', `actor:${'x'.repeat(74)}…`],
    [`actor:a ${'x'.repeat(8000)}`, 'query-too-long', `actor:a ${'x'.repeat(72)}…`],
    ['actor:a '.repeat(101), 'query-too-long', 'actor:a'],
  ])('%.60j is refused as %s, naming the token', (text, code, token) => {
    expect(fault(text)).toEqual({ code, token });
  });

  it('has one canonical spelling, which means the same (the seed is printed on failure)', () => {
    const value = fc.oneof(
      fc.string({ minLength: 1, maxLength: 40, unit: 'binary' }),
      fc.constantFrom('"', '\\', ' ', 'a b', '\u00a0', '"x" y', '\\"'),
    );
    const anyValue = (name: FilterName): fc.Arbitrary<string> => {
      if (name === 'outcome') return fc.constantFrom('success', 'failure', 'denied');
      if (name === 'break_glass') return fc.constant('true');
      if (name === 'action') return fc.constantFrom('role.grant', 'role.*', 'a.b.c', 'a-b.c_d.*');
      return value;
    };
    const filter = fc
      .constantFrom(...FILTERS)
      .chain((name) =>
        fc.uniqueArray(anyValue(name), { minLength: 1, maxLength: 3 }).map((values) => [name, values] as const),
      );
    const time = fc.integer({ min: 0, max: 3_500_000_000 }).map((seconds) => seconds * US + 123_456);
    const query = fc
      .record({
        filters: fc.uniqueArray(filter, { selector: ([name]) => name, maxLength: 6 }),
        fromUs: time,
        plus: time,
      })
      .map(({ filters, fromUs, plus }): EventQuery => ({ filters: new Map(filters), fromUs, toUs: fromUs + plus }));
    fc.assert(
      fc.property(query, (asked) => {
        const text = formatQuery(asked);
        const again = parseQuery(text);
        expect(formatQuery(again)).toBe(text);
        expect(new Map([...again.filters].sort())).toEqual(new Map([...asked.filters].sort()));
        expect([again.fromUs, again.toUs]).toEqual([asked.fromUs, asked.toUs]);
      }),
    );
  });

  it('is never anything but understood or refused (the seed is printed on failure)', () => {
    const piece = fc.constantFrom(
      'actor',
      'action',
      ':',
      '"',
      '\\',
      ' ',
      'a.b',
      '.*',
      'from',
      '2026-01-01',
      '\0',
      '\u2028',
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => void fault(pieces.join(''))));
  });

  it('keeps moments to the microsecond', () => {
    const us = day('2026-01-08') + 123_456;
    expect(formatQuery({ filters: new Map(), fromUs: us })).toBe(`from:${formatTimeUs(us)}`);
  });
});
