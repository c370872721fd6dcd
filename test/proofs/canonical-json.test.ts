import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonValue, MAX_JSON_DEPTH, parseCanonicalJson } from '../../proofs/canonical-json.ts';

const invalid = expect.objectContaining({ code: 'invalid-json' });

describe('canonical JSON', () => {
  it('writes the example of RFC 8785 §3.2.2 and §3.2.3', () => {
    const input: unknown = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    );
    // 1E30 is an integer beyond 2^53-1, which this profile refuses; the rest is the RFC's own.
    expect(() => canonicalJson(input as JsonValue)).toThrow(invalid);
    const numbers = [333333333.3333333, 4.5, 0.002, 1e-27];
    expect(canonicalJson({ ...(input as { string: string; literals: JsonValue }), numbers })).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('sorts names as RFC 8785 §3.2.3 does, by UTF-16 code units', () => {
    const names = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const text = canonicalJson(Object.fromEntries(names.map((name) => [name, 0])));
    expect(text).toBe('{"\\r":0,"1":0,"\u0080":0,"\u00f6":0,"\u20ac":0,"\ud83d\ude00":0,"\ufb33":0}');
  });

  /** RFC 8785 Appendix B: the IEEE 754 bits and the text, where the number is in our profile. */
  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['4340000000000000', undefined],
    ['7fefffffffffffff', undefined],
    ['4430000000000000', undefined],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['7fffffffffffffff', undefined],
    ['7ff0000000000000', undefined],
    ['433fffffffffffff', '9007199254740991'],
    ['c33fffffffffffff', '-9007199254740991'],
  ])('writes the number with bits %s as %s', (bits, text) => {
    const number = Buffer.from(bits, 'hex').readDoubleBE();
    if (text === undefined) expect(() => canonicalJson(number)).toThrow(invalid);
    else expect(canonicalJson(number)).toBe(text);
  });

  it.each([
    ['\u007f', '"\u007f"'],
    ['\u001f', '"\\u001f"'],
    ['\b\t\n\f\r', '"\\b\\t\\n\\f\\r"'],
    ['\u2028', '"\u2028"'],
    ['a b~', '"a b~"'],
    ['"', '"\\""'],
    ['\\', '"\\\\"'],
    ['/', '"/"'],
    ['', '""'],
  ])('writes the string %j', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  it.each([
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00a'],
    ['swapped surrogates', '\udc00\ud800'],
    ['a lone surrogate in a name', { '\ud800': 1 }],
    ['an integer above the bound', 2 ** 53],
    ['an integer below the bound', -(2 ** 53)],
    ['a large number', 1e300],
    ['infinity', Number.POSITIVE_INFINITY],
    ['not a number', Number.NaN],
    ['undefined in an object', { a: undefined } as unknown as JsonValue],
    ['undefined in an array', [undefined] as unknown as JsonValue],
    ['a bigint', 1n as unknown as JsonValue],
    ['a function', (() => 1) as unknown as JsonValue],
  ])('refuses %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(invalid);
  });

  it('nests up to its bound', () => {
    const nest = (depth: number): JsonValue => (depth === 0 ? 1 : [nest(depth - 1)]);
    expect(canonicalJson(nest(MAX_JSON_DEPTH))).toHaveLength(2 * MAX_JSON_DEPTH + 1);
    expect(() => canonicalJson(nest(MAX_JSON_DEPTH + 1))).toThrow(invalid);
    expect(() => parseCanonicalJson('['.repeat(100_000) + ']'.repeat(100_000))).toThrow(invalid);
  });

  it('does not depend on the order of members, and parses to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.boolean(), (value, reverse) => {
        fc.pre(isInProfile(value));
        const json = value as JsonValue;
        const text = canonicalJson(json);
        expect(parseCanonicalJson(text)).toEqual(JSON.parse(JSON.stringify(json)));
        if (reverse) expect(canonicalJson(reversed(json))).toBe(text);
      }),
    );
  });

  it('keeps a member called __proto__', () => {
    const value = JSON.parse('{"__proto__":{"a":1}}') as JsonValue;
    expect(canonicalJson(value)).toBe('{"__proto__":{"a":1}}');
    expect(canonicalJson(parseCanonicalJson('{"__proto__":1}'))).toBe('{"__proto__":1}');
  });
});

describe('parsing canonical JSON refuses', () => {
  it.each([
    ['space', '{"a": 1}'],
    ['space behind', '1 '],
    ['a line break', '[1,\n2]'],
    ['unsorted names', '{"b":1,"a":2}'],
    ['a name twice', '{"a":1,"a":1}'],
    ['a fraction of zero', '1.0'],
    ['an exponent', '1e2'],
    ['minus zero', '-0'],
    ['an escape too many', '"\\u0041"'],
    ['an escaped slash', '"\\/"'],
    ['an upper-case escape', '"\\u000F"'],
    ['an unsafe integer', '9007199254740993'],
    ['a lone surrogate', '"\\ud800"'],
    ['nothing', ''],
    ['a byte order mark', '\ufeff1'],
    ['half a value', '{"a"'],
    ['two values', '1 2'],
    ['a word', 'undefined'],
  ])('%s', (_, text) => {
    expect(() => parseCanonicalJson(text)).toThrow(invalid);
  });
});

function isInProfile(value: unknown): boolean {
  return !JSON.stringify(value).match(/e\+|\d{16}/) && isWellFormed(value);
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, item]) => name.isWellFormed() && isWellFormed(item));
}

function reversed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, item]) => [name, reversed(item)]),
  );
}
