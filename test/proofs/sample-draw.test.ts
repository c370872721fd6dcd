import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hexEncode } from '../../proofs/bytes.ts';
import { sha256 } from '../../proofs/hash.ts';
import { drawPlaces, nonceHash, sampleSeed, stratumSeed } from '../../proofs/sample-draw.ts';

const of = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const parts = { commitLeaf: of(1), headRoot: of(2), auditorNonce: of(3), operatorNonce: of(4) };
const seed = sampleSeed(parts);

// The values were computed by another program, in Python, with a plain shuffle over the whole list.
describe('known answers', () => {
  it('of the seed, of the seed with a drand round, of a nonce and of a stratum', () => {
    expect(hexEncode(seed)).toBe('8d2a601b8ba168a7063664a2bfadb3e2b879f15f31f10ebb1f0c311c91e3191d');
    expect(hexEncode(sampleSeed({ ...parts, beacon: of(5) }))).toBe(
      '2f6b3424186068ac28d655f49da60e56773bd3eb0046605ab431bc260945803f',
    );
    expect(hexEncode(nonceHash(of(3)))).toBe('1521294fb474f4ff73a2b1ab316fac89209bc1ea4d0fc91a2d2a463be8722380');
    expect(hexEncode(stratumSeed(seed, 'access'))).toBe(
      'beae495818e28368f0dc4186fc445f718b866e5a40bbe670a6ad69ac8e0f515f',
    );
  });

  it('of draws', () => {
    expect(drawPlaces(seed, 100, 10)).toEqual([39, 55, 45, 7, 14, 54, 75, 18, 51, 64]);
    expect(drawPlaces(seed, 1_000_003, 8)).toEqual([398856, 453364, 53256, 460247, 538265, 374789, 678843, 41142]);
    expect(drawPlaces(seed, 12, 12)).toEqual([3, 11, 5, 1, 6, 2, 9, 8, 0, 10, 4, 7]);
  });
});

describe('a draw', () => {
  it('has every place at most once, within the population, and begins with every shorter draw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(400), fc.nat(400), (bytes, a, b) => {
        const [population, count] = [Math.max(a, b), Math.min(a, b)];
        const all = drawPlaces(bytes, population, population);
        expect(new Set(all).size).toBe(population);
        expect(all.every((place) => place >= 0 && place < population)).toBe(true);
        expect(drawPlaces(bytes, population, count)).toEqual(all.slice(0, count));
      }),
    );
  });

  it('is the one of a plain shuffle that remembers every place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.integer({ min: 1, max: 60 }), (bytes, size) => {
        expect(drawPlaces(bytes, size, size)).toEqual(plainShuffle(bytes, size));
      }),
    );
  });

  it('prefers no place: over many seeds each comes as often as chance allows', () => {
    const population = 20;
    const rounds = 4_000;
    const counts = new Array<number>(population).fill(0);
    for (let i = 0; i < rounds; i++) {
      for (const place of drawPlaces(sha256(Uint8Array.of(i & 255, i >> 8)), population, 5)) {
        counts[place] = (counts[place] ?? 0) + 1;
      }
    }
    const expected = (rounds * 5) / population;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 19 degrees of freedom: 43.8 is exceeded once in a thousand times, and these seeds are fixed.
    expect(chiSquare).toBeLessThan(43.8);
  });

  it('takes populations up to the largest index, and refuses what cannot be drawn', () => {
    const largest = drawPlaces(seed, Number.MAX_SAFE_INTEGER, 3);
    expect(largest.every((place) => Number.isSafeInteger(place))).toBe(true);
    expect(drawPlaces(seed, 0, 0)).toEqual([]);
    for (const [population, count] of [
      [3, 4],
      [3, -1],
      [2 ** 53, 1],
      [1.5, 1],
    ] as const) {
      expect(() => drawPlaces(seed, population, count)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    }
  });

  it('follows from every part of the seed', () => {
    const seeds = [
      seed,
      ...Object.keys(parts).map((name) => sampleSeed({ ...parts, [name]: of(9) })),
      sampleSeed({ ...parts, beacon: of(0) }),
    ];
    expect(new Set(seeds.map(hexEncode)).size).toBe(seeds.length);
    expect(() => sampleSeed({ ...parts, auditorNonce: new Uint8Array(31) })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });
});

function plainShuffle(bytes: Uint8Array, size: number): number[] {
  const list = Array.from({ length: size }, (_, i) => i);
  const input = new Uint8Array(40);
  input.set(bytes);
  let counter = 0n;
  for (let i = 0; i < size; ) {
    const many = BigInt(size - i);
    new DataView(input.buffer).setBigUint64(32, counter++);
    const word = new DataView(sha256(input).buffer).getBigUint64(0);
    if (word >= 2n ** 64n - (2n ** 64n % many)) continue;
    const at = i + Number(word % many);
    [list[i], list[at]] = [list[at] ?? 0, list[i] ?? 0];
    i++;
  }
  return list;
}
