import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonPointer, parseStrictJson } from '../../proofs/strict-json.ts';

const BOUNDS = { maxDepth: 5, maxValues: 50 };

function refuses(text: string, code: string, pointer?: string): void {
  const details = pointer === undefined ? expect.anything() : expect.objectContaining({ pointer });
  expect(() => parseStrictJson(text, BOUNDS)).toThrow(expect.objectContaining({ code, details }));
}

describe('strict JSON', () => {
  it('parses what JSON.parse parses', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.nat(4), (text, indent) => {
        const value: unknown = JSON.parse(text);
        fc.pre(!/e\+|\d{16}/.test(text));
        const spaced = JSON.stringify(value, null, indent);
        expect(parseStrictJson(spaced, { maxDepth: 60, maxValues: 100_000 })).toEqual(value);
      }),
    );
  });

  it.each([
    ['{"a":1,"a":2}', '/a'],
    ['{"a":1,"b":{"c":[0,{"d":1,"d":1}]}}', '/b/c/1/d'],
    ['{"a":1,"\\u0061":2}', '/a'],
    ['{"x/y~":{"q":1 , "q" : 2}}', '/x~1y~0/q'],
    ['[{"a":1},{"a":1,"b":"a\\"b","a":2}]', '/1/a'],
    ['{"__proto__":1,"__proto__":2}', '/__proto__'],
    ['{"":1,"":2}', '/'],
    ['{"a":{"a":{"a":1}},"b":{"a":1},"a":0}', '/a'],
    ['[[1,2],[{"k":"x,y:{[","k":[]}]]', '/1/0/k'],
  ])('refuses the same name twice in one object, and says where: %s', (text, pointer) => {
    refuses(text, 'duplicate-member', pointer);
  });

  it.each([
    ['{"a":{"a":{"a":1}}}'],
    ['[{"a":1},{"a":1}]'],
    ['{"a":"a\\":\\"a"}'],
    ['{"a:":1,"a":2}'],
    ['{"a\\\\":1,"a":2}'],
  ])('takes the same name in different objects, and colons and quotes within strings: %s', (text) => {
    expect(parseStrictJson(text, BOUNDS)).toEqual(JSON.parse(text));
  });

  it.each([
    ['9007199254740992', ''],
    ['{"a":[1,-9007199254740992]}', '/a/1'],
    ['{"a":{"b":123456789012345678901234567890}}', '/a/b'],
    ['{"a":1e300}', '/a'],
  ])('refuses the integer in %s', (text, pointer) => {
    refuses(text, 'unsafe-integer', pointer);
  });

  it('takes the integers at the bound', () => {
    expect(parseStrictJson('[9007199254740991,-9007199254740991]', BOUNDS)).toEqual([2 ** 53 - 1, 1 - 2 ** 53]);
  });

  it('refuses a number that is no double', () => {
    refuses('{"a":1e400}', 'number-out-of-range', '/a');
    refuses('[-1e999]', 'number-out-of-range', '/0');
  });

  it.each([
    ['{"a":"\\ud800"}', '/a'],
    ['{"a":["x","\\udc00x"]}', '/a/1'],
    ['{"a":{"\\ud800":1}}', '/a'],
  ])('refuses the lone surrogate in %s', (text, pointer) => {
    refuses(text, 'lone-surrogate', pointer);
  });

  it('takes a pair of surrogates', () => {
    expect(parseStrictJson('"\\ud83d\\ude00"', BOUNDS)).toBe('😀');
  });

  it('refuses nesting beyond the bound, however deep', () => {
    expect(parseStrictJson('[[[[[1]]]]]', BOUNDS)).toEqual([[[[[1]]]]]);
    refuses('[[[[[[1]]]]]]', 'json-too-deep');
    refuses('{"a":{"a":{"a":{"a":{"a":{}}}}}}', 'json-too-deep');
    refuses('['.repeat(1_000_000), 'json-too-deep');
  });

  it('refuses more members and items than the bound', () => {
    expect(parseStrictJson(JSON.stringify(Array(50).fill(0)), BOUNDS)).toHaveLength(50);
    refuses(JSON.stringify(Array(51).fill(0)), 'json-too-many-values');
    refuses(JSON.stringify(Object.fromEntries(Array.from({ length: 51 }, (_, i) => [i, i]))), 'json-too-many-values');
  });

  it.each([
    [''],
    [' '],
    ['{'],
    ['{"a"}'],
    ['{"a":}'],
    ["{'a':1}"],
    ['{"a":1,}'],
    ['[1,]'],
    ['{"a":1}}'],
    ['01'],
    ['+1'],
    ['.5'],
    ['NaN'],
    ['// c\n1'],
    ['"a\nb"'],
    ['"\\x"'],
    ['\ufeff{}'],
    ['{"a":1} x'],
    ['"'],
    ['"\\'],
  ])('refuses what is not JSON: %j', (text) => {
    refuses(text, 'invalid-json');
  });
});

describe('a JSON pointer', () => {
  it('escapes as RFC 6901 does', () => {
    expect(jsonPointer([])).toBe('');
    expect(jsonPointer(['a/b', 'm~n', '', '0'])).toBe('/a~1b/m~0n//0');
  });
});
