import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonObject } from '../../proofs/canonical-json.ts';
import { joinFields, splitFields } from '../../proofs/fields.ts';

const EVENT: JsonObject = {
  action: 'role.grant',
  actor: { id: 'u_1', session: 's_1', auth: { method: 'sso' } },
  context: { ip: '203.0.113.40', 'a.b': 1, list: [{ x: 1 }], none: null },
};

const invalid = expect.objectContaining({ code: 'invalid-field' });

function split(paths: readonly string[], event: JsonObject = EVENT): JsonObject {
  return Object.fromEntries(splitFields(event, paths));
}

describe('splitting an event', () => {
  it('makes a field of each top-level member', () => {
    expect(split([])).toEqual(EVENT);
    expect(split(['action', 'actor'])).toEqual(EVENT);
  });

  it('takes a path out of its parent', () => {
    expect(split(['actor.session', 'context.ip'])).toEqual({
      action: 'role.grant',
      actor: { id: 'u_1', auth: { method: 'sso' } },
      'actor.session': 's_1',
      context: { 'a.b': 1, list: [{ x: 1 }], none: null },
      'context.ip': '203.0.113.40',
    });
  });

  it('takes a path out of what another path takes out', () => {
    expect(split(['actor.auth', 'actor.auth.method'])).toMatchObject({
      actor: { id: 'u_1', session: 's_1' },
      'actor.auth': {},
      'actor.auth.method': 'sso',
    });
  });

  it('takes a null and a whole list', () => {
    expect(split(['context.none', 'context.list'])).toMatchObject({ 'context.none': null, 'context.list': [{ x: 1 }] });
  });

  it.each(['actor.nothing', 'nothing.at.all', 'action.x', 'context.list.0', 'context.a.b', 'actor.constructor'])(
    'takes nothing out where %s leads nowhere',
    (path) => {
      expect(split([path])).toEqual(EVENT);
    },
  );

  it('refuses names and paths that could be mistaken for one another', () => {
    expect(() => splitFields({ 'a.b': 1 }, [])).toThrow(invalid);
    expect(() => splitFields({ '': 1 }, [])).toThrow(invalid);
    expect(() => splitFields(EVENT, ['actor..id'])).toThrow(invalid);
    expect(() => splitFields(EVENT, ['.actor'])).toThrow(invalid);
  });

  it('leaves the event as it was', () => {
    const before = canonicalJson(EVENT);
    split(['actor.session', 'actor.auth.method']);
    expect(canonicalJson(EVENT)).toBe(before);
  });
});

describe('joining fields', () => {
  it('is the inverse of splitting, for any event and any paths', () => {
    const name = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
    const value = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, 1, 'x', true),
        fc.array(tie('value'), { maxLength: 2 }),
        fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
      ),
    })).value;
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((steps) => steps.join('.'));
    fc.assert(
      fc.property(
        fc.dictionary(name, value, { noNullPrototype: true }),
        fc.array(path, { maxLength: 6 }),
        (event, paths) => {
          const fields = splitFields(event as JsonObject, paths);
          expect(new Set(fields.map(([id]) => id)).size).toBe(fields.length);
          expect(canonicalJson(joinFields(fields))).toBe(canonicalJson(event as JsonObject));
          expect(canonicalJson(joinFields(fields.toReversed()))).toBe(canonicalJson(event as JsonObject));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('gives a field its place when its parent is not shown', () => {
    expect(joinFields([['actor.session', 's_1']])).toEqual({ actor: { session: 's_1' } });
  });

  it('refuses two values for one place', () => {
    expect(() =>
      joinFields([
        ['actor', { id: 1 }],
        ['actor.id', 2],
      ]),
    ).toThrow(invalid);
    expect(() =>
      joinFields([
        ['actor', 'text'],
        ['actor.id', 2],
      ]),
    ).toThrow(invalid);
    expect(() =>
      joinFields([
        ['actor', [1]],
        ['actor.0', 2],
      ]),
    ).toThrow(invalid);
    expect(() =>
      joinFields([
        ['a', 1],
        ['a', 1],
      ]),
    ).toThrow(invalid);
    expect(() => joinFields([['a.', 1]])).toThrow(invalid);
  });

  it('reaches no prototype', () => {
    const joined = joinFields([['__proto__.polluted', true]]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(canonicalJson(joined)).toBe('{"__proto__":{"polluted":true}}');
  });
});
