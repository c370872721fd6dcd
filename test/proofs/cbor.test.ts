import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, hexDecode, hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor, MAX_CBOR_DEPTH } from '../../proofs/cbor.ts';
import { MAX_CBOR_BYTES } from '../../proofs/cbor-writer.ts';

/** RFC 8949 Appendix A, the examples within our profile. */
const EXAMPLES: readonly (readonly [CborValue, string])[] = [
  [0, '00'],
  [1, '01'],
  [10, '0a'],
  [23, '17'],
  [24, '1818'],
  [25, '1819'],
  [100, '1864'],
  [255, '18ff'],
  [256, '190100'],
  [1000, '1903e8'],
  [65_535, '19ffff'],
  [65_536, '1a00010000'],
  [1_000_000, '1a000f4240'],
  [2 ** 32 - 1, '1affffffff'],
  [2 ** 32, '1b0000000100000000'],
  [1_000_000_000_000, '1b000000e8d4a51000'],
  [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
  [null, 'f6'],
  [new Uint8Array(0), '40'],
  [Uint8Array.of(1, 2, 3, 4), '4401020304'],
  ['', '60'],
  ['a', '6161'],
  ['IETF', '6449455446'],
  ['"\\', '62225c'],
  ['\u00fc', '62c3bc'],
  ['\u6c34', '63e6b0b4'],
  ['\ud800\udd51', '64f0908591'],
  [[], '80'],
  [[1, 2, 3], '83010203'],
  [[1, [2, 3], [4, 5]], '8301820203820405'],
  [Array.from({ length: 25 }, (_, i) => i + 1), '98190102030405060708090a0b0c0d0e0f101112131415161718181819'],
];

/** The definition again, written straight from RFC 8949 §3 and §4.2.1. */
function reference(value: CborValue): Uint8Array {
  const head = (major: number, argument: number): Uint8Array => {
    const sizes = [1, 2, 4, 8].filter((size) => argument < 2 ** (8 * size));
    const size = sizes[0] ?? 8;
    if (argument < 24) return Uint8Array.of((major << 5) | argument);
    const hex = argument.toString(16).padStart(2 * size, '0');
    return concatBytes(Uint8Array.of((major << 5) | (24 + Math.log2(size))), hexDecode(hex));
  };
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === 'number') return head(0, value);
  if (typeof value === 'string') return concatBytes(head(3, utf8Encode(value).length), utf8Encode(value));
  if (value instanceof Uint8Array) return concatBytes(head(2, value.length), value);
  return concatBytes(head(4, value.length), ...value.map(reference));
}

const anyValue: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue; array: readonly CborValue[] }>((tie) => ({
  value: fc.oneof(
    { maxDepth: MAX_CBOR_DEPTH - 1 },
    fc.maxSafeNat(),
    fc.nat(70_000),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(null),
    tie('array'),
  ),
  array: fc.array(tie('value'), { maxLength: 30 }),
})).value;

const invalid = expect.objectContaining({ code: 'invalid-cbor' });

describe('encoding', () => {
  it.each(EXAMPLES)('writes %j as RFC 8949 does', (value, hex) => {
    expect(hexEncode(encodeCbor(value))).toBe(hex);
    expect(decodeCbor(hexDecode(hex))).toEqual(value);
  });

  it('gives plain bytes that no later call changes', () => {
    const first = encodeCbor(['a', 1]);
    const copy = first.slice();
    for (let i = 0; i < 5000; i++) encodeCbor(['b'.repeat(i % 100), i]);
    expect(first).toEqual(copy);
    expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype);
    expect(first.buffer.byteLength).toBe(first.length);
  });

  it('agrees with a second implementation on random values, and decodes them back', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeCbor(value);
        expect(hexEncode(bytes)).toBe(hexEncode(reference(value)));
        expect(decodeCbor(bytes)).toEqual(value);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([24, 255, 256, 65_535, 65_536, 200_000])('writes texts and bytes of length %i in shortest form', (length) => {
    for (const value of ['x'.repeat(length), '\u00fc'.repeat(length / 2), new Uint8Array(length)]) {
      const bytes = encodeCbor(value);
      expect(hexEncode(bytes.subarray(0, 10))).toBe(hexEncode(reference(value).subarray(0, 10)));
      expect(decodeCbor(bytes)).toEqual(value);
    }
  });

  it.each([
    ['a negative number', -1],
    ['a fraction', 1.5],
    ['an unsafe integer', 2 ** 53],
    ['not a number', Number.NaN],
    ['a lone surrogate', '\ud800'],
    ['a boolean', true as unknown as CborValue],
    ['undefined', undefined as unknown as CborValue],
    ['an object', { a: 1 } as unknown as CborValue],
    ['something of these in an array', [1, [2, -3]]],
    ['more than the bound', new Uint8Array(MAX_CBOR_BYTES)],
  ])('refuses %s', (_, value) => {
    expect(() => encodeCbor(value)).toThrow(invalid);
  });

  it('writes minus zero as zero', () => {
    expect(hexEncode(encodeCbor(-0))).toBe('00');
  });

  it('nests up to its bound', () => {
    const nest = (depth: number): CborValue => (depth === 0 ? 1 : [nest(depth - 1)]);
    expect(decodeCbor(encodeCbor(nest(MAX_CBOR_DEPTH)))).toEqual(nest(MAX_CBOR_DEPTH));
    expect(() => encodeCbor(nest(MAX_CBOR_DEPTH + 1))).toThrow(invalid);
    expect(() => decodeCbor(reference(nest(MAX_CBOR_DEPTH + 1)))).toThrow(invalid);
  });
});

describe('decoding refuses', () => {
  it.each([
    ['nothing', ''],
    ['a value that is followed by another', '0000'],
    ['an integer longer than needed', '1817'],
    ['an integer longer than needed, two bytes', '190017'],
    ['an integer longer than needed, four bytes', '1a000000ff'],
    ['an integer longer than needed, eight bytes', '1b00000000ffffffff'],
    ['an integer above 2^53-1', '1b0020000000000000'],
    ['the largest integer', '1bffffffffffffffff'],
    ['a negative integer', '20'],
    ['a text length longer than needed', '780161'],
    ['a byte length longer than needed', '580101'],
    ['an array length longer than needed', '980101'],
    ['an indefinite array', '9f01ff'],
    ['an indefinite text', '7f6161ff'],
    ['an indefinite byte string', '5f4101ff'],
    ['a break alone', 'ff'],
    ['a reserved length', '1c'],
    ['a map', 'a10102'],
    ['an empty map', 'a0'],
    ['a tag', 'c100'],
    ['a tagged byte array', 'd84041ff'],
    ['a bignum', 'c249010000000000000000'],
    ['false', 'f4'],
    ['true', 'f5'],
    ['undefined', 'f7'],
    ['a simple value', 'e0'],
    ['a half float', 'f93c00'],
    ['a float that is an integer', 'fb3ff0000000000000'],
    ['text that is not UTF-8', '61ff'],
    ['text with an overlong form', '62c080'],
    ['text with a surrogate', '63eda080'],
    ['text that is cut off', '62c3'],
    ['text that ends early', '6461'],
    ['bytes that end early', '4401'],
    ['an array that ends early', '8201'],
    ['an array that says it is huge', '9affffffff01'],
    ['a text that says it is huge', '7b7fffffffffffffff61'],
    ['a head that ends early', '19ff'],
    ['a tag within an array', '8101c100'],
  ])('%s', (_, hex) => {
    expect(() => decodeCbor(hexDecode(hex))).toThrow(invalid);
  });

  it('every truncation and every changed byte that is not another value', () => {
    const value: CborValue = ['label', 1000, Uint8Array.of(1, 2, 3), [null, 'x'.repeat(30)], 2 ** 40];
    const bytes = encodeCbor(value);
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeCbor(bytes.subarray(0, end))).toThrow(invalid);
    }
    for (let i = 0; i < bytes.length; i++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = bytes.with(i, byte);
        let decoded: CborValue;
        try {
          decoded = decodeCbor(changed);
        } catch (error) {
          expect(error).toEqual(invalid);
          continue;
        }
        expect(hexEncode(encodeCbor(decoded))).toBe(hexEncode(changed));
      }
    }
  });

  it('more bytes than the bound', () => {
    expect(() => decodeCbor(new Uint8Array(MAX_CBOR_BYTES + 1))).toThrow(invalid);
  });

  it('without touching the bytes it was given', () => {
    const bytes = encodeCbor(['a', Uint8Array.of(1)]);
    decodeCbor(bytes);
    expect(Object.keys(bytes)).toHaveLength(bytes.length);
  });
});
