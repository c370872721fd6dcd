/**
 * Mutations of valid inputs: what a parser should be most afraid of is what looks almost right. A mutation is a plain
 * value, so that fast-check can shrink a failing one to the single change that matters.
 */
import fc from 'fast-check';
import { concatBytes, utf8Encode } from '../../proofs/bytes.ts';

export interface Mutation {
  readonly kind: 'flip' | 'delete' | 'double' | 'insert' | 'replace' | 'swap' | 'cut' | 'move';
  /** Where, as a part of the length: 0 ≤ at < 1. */
  readonly at: number;
  readonly length: number;
  readonly bit: number;
  readonly bytes: Uint8Array;
}

/** Bytes that mean something to one format or another. */
const TOKENS = [
  ...[
    '\n',
    '\n\n',
    ' ',
    '\t',
    '\r\n',
    '\0',
    '+',
    '=',
    '==',
    '0',
    '-',
    '—',
    '— ',
    '.p/',
    'x000/',
    '/',
    '#',
    '"',
    '\\u0000',
  ],
  ...[
    '9007199254740992',
    '18446744073709551616',
    '-1',
    '1e3',
    'none',
    'all',
    'any',
    'old ',
    'extra ',
    'index ',
    '__proto__',
  ],
  ...['é', '\u00a0', '\u2028', '\ufeff', '\u{1f511}', '{', '}', '[', ']', ',', ':', 'null', '""', '{"a":1,"a":1}'],
].map(utf8Encode);
const WIRE = [
  [0xff],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0x00],
  [0x7f],
  [0x80],
  [0x1b, ...new Array(8).fill(0xff)],
  [0xf6],
  [0x9f],
  [0xa0],
];

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('flip', 'delete', 'double', 'insert', 'replace', 'swap', 'cut', 'move'),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
  bit: fc.nat(7),
  bytes: fc.oneof(
    fc.constantFrom(...TOKENS, ...WIRE.map((bytes) => Uint8Array.from(bytes))),
    fc.uint8Array({ minLength: 1, maxLength: 12 }),
  ),
});

/** One to four mutations of one of the seeds. */
export function mutated(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(seeds.length - 1), fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([i, mutations]) => mutations.reduce(mutate, seeds[i] ?? new Uint8Array(0)));
}

export function mutate(input: Uint8Array, { kind, at, length, bit, bytes }: Mutation): Uint8Array {
  const start = Math.floor(at * (input.length + 1));
  const end = Math.min(input.length, start + length);
  const [before, part, after] = [input.subarray(0, start), input.subarray(start, end), input.subarray(end)];
  switch (kind) {
    case 'flip':
      return start < input.length ? input.with(start, (input[start] ?? 0) ^ (1 << bit)) : input;
    case 'delete':
      return concatBytes(before, after);
    case 'double':
      return concatBytes(before, part, part, after);
    case 'insert':
      return concatBytes(before, bytes, part, after);
    case 'replace':
      return concatBytes(before, bytes, after);
    case 'swap':
      return concatBytes(before, part.toReversed(), after);
    case 'cut':
      return before;
    case 'move':
      return concatBytes(part, before, after);
  }
}
