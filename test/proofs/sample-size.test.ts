import { describe, expect, it } from 'vitest';
import {
  chanceOfAtMost,
  describeDesign,
  designJson,
  intolerableCount,
  readDesign,
  type SampleDesign,
  sampleSize,
  spreadSample,
} from '../../proofs/sample-size.ts';

const attributes = (confidence: 95 | 99, tolerableBp: number, deviations: number): SampleDesign => ({
  kind: 'attributes',
  ...{ confidence, tolerableBp, deviations },
});

describe('the size of an attribute sample', () => {
  // For 0, 1, 2 and 3 deviations; computed by another program as sums of fractions over every size from 1 on.
  it.each([
    [200, 95, 500, [51, 78, 101, 121]],
    [200, 95, 1000, [27, 42, 55, 67]],
    [200, 99, 500, [73, 100, 121, 139]],
    [200, 99, 1000, [40, 56, 70, 82]],
    [500, 95, 500, [56, 87, 114, 139]],
    [500, 99, 1000, [42, 61, 76, 91]],
    [1000, 95, 500, [57, 90, 119, 146]],
    [1000, 99, 500, [86, 123, 155, 185]],
    [5000, 95, 500, [59, 93, 123, 152]],
    [5000, 99, 1000, [44, 64, 81, 97]],
  ] as const)('of %i events, %i %% confidence, %i basis points', (population, confidence, tolerableBp, sizes) => {
    for (const [deviations, size] of sizes.entries()) {
      expect(sampleSize(attributes(confidence, tolerableBp, deviations), population)).toBe(size);
    }
  });

  // The binomial limit, which is what printed tables of attribute sampling show: 59 and 29 for 5 % and 10 % at 95 %.
  it.each([
    [95, 200, [149, 236, 313, 386]],
    [95, 500, [59, 93, 124, 153]],
    [95, 1000, [29, 46, 61, 76]],
    [99, 200, [228, 330, 418, 499]],
    [99, 500, [90, 130, 165, 198]],
    [99, 1000, [44, 64, 81, 97]],
  ] as const)('in a large population is that of printed tables: %i %%, %i basis points', (confidence, bp, sizes) => {
    for (const [deviations, size] of sizes.entries()) {
      expect(sampleSize(attributes(confidence, bp, deviations), 999_000)).toBe(size);
    }
  });

  it('is the smallest that is enough, for small populations of every size', () => {
    for (let population = 1; population <= 60; population++) {
      for (const design of [attributes(95, 500, 0), attributes(99, 1000, 1), attributes(95, 2500, 3)]) {
        expect(sampleSize(design, population), `${population} ${describeDesign(design)}`).toBe(
          smallestEnough(design, population),
        );
      }
    }
  });

  it('never exceeds the population, and is all of it where nothing less shows anything', () => {
    expect(sampleSize(attributes(95, 500, 0), 0)).toBe(0);
    expect(sampleSize(attributes(95, 500, 0), 1)).toBe(1);
    expect(sampleSize(attributes(99, 10, 3), 100)).toBe(100);
    expect(sampleSize({ kind: 'size', size: 50 }, 20)).toBe(20);
    expect(sampleSize({ kind: 'rate', rateBp: 500 }, 101)).toBe(6);
    expect(sampleSize({ kind: 'rate', rateBp: 10_000 }, 101)).toBe(101);
  });

  it('is found quickly in the largest population that a report can have', () => {
    const startedMs = performance.now();
    expect(sampleSize(attributes(99, 10, 3), 999_998)).toBeGreaterThan(9_000);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });
});

describe('the chance of few deviations', () => {
  it('is a fraction whose cases add up to one', () => {
    const draw = { population: 30, deviating: 7, size: 11 };
    const [all, one] = chanceOfAtMost(7, draw);
    expect(all).toBe(one);
    const [none, of] = chanceOfAtMost(0, draw);
    // C(23, 11) / C(30, 11)
    expect(Number(none) / Number(of)).toBeCloseTo(1_352_078 / 54_627_300, 12);
  });

  it('counts what is not tolerable upwards', () => {
    expect(intolerableCount(100, 500)).toBe(5);
    expect(intolerableCount(101, 500)).toBe(6);
  });
});

describe('strata', () => {
  it('get their proportion, what is left over by the largest remainder, and at least one each', () => {
    const spread = spreadSample(10, new Map(Object.entries({ a: 50, c: 30, b: 18, d: 2 })));
    expect([...spread]).toEqual([
      ['a', { population: 50, size: 5 }],
      ['b', { population: 18, size: 2 }],
      ['c', { population: 30, size: 3 }],
      ['d', { population: 2, size: 1 }],
    ]);
  });

  it('are never asked for more than they have', () => {
    for (let size = 1; size <= 40; size++) {
      const spread = [...spreadSample(size, new Map(Object.entries({ a: 1, b: 13, c: 26 }))).values()];
      expect(spread.every(({ population, size: own }) => own >= 1 && own <= population)).toBe(true);
      expect(spread.reduce((sum, { size: own }) => sum + own, 0)).toBeGreaterThanOrEqual(size);
    }
  });

  it('go by name where remainders are equal, whatever the order in which they come', () => {
    const names = (entries: [string, number][]): string => JSON.stringify([...spreadSample(1, new Map(entries))]);
    expect(
      names([
        ['b', 5],
        ['a', 5],
      ]),
    ).toBe(
      names([
        ['a', 5],
        ['b', 5],
      ]),
    );
  });
});

describe('a design', () => {
  it.each([attributes(99, 250, 2), { kind: 'size', size: 25 }, { kind: 'rate', rateBp: 500 }] satisfies SampleDesign[])(
    'is read as it was written: %o',
    (design) => expect(readDesign(designJson(design))).toEqual(design),
  );

  it.each([
    {},
    null,
    { size: 0 },
    { size: 1.5 },
    { size: 5, rate_bp: 5 },
    { rate_bp: 10_001 },
    { confidence: 90, tolerable_bp: 500, deviations: 0 },
    { confidence: 95, tolerable_bp: 9, deviations: 0 },
    { confidence: 95, tolerable_bp: 500, deviations: 4 },
    { confidence: 95, tolerable_bp: 500 },
  ])('of another form is refused: %o', (json) => {
    expect(() => readDesign(json)).toThrow(expect.objectContaining({ code: 'invalid-sample' }));
  });
});

function smallestEnough(design: SampleDesign, population: number): number {
  if (design.kind !== 'attributes') throw new TypeError('no attribute sample');
  const deviating = intolerableCount(population, design.tolerableBp);
  for (let size = 1; size <= population; size++) {
    const [favourable, all] = chanceOfAtMost(design.deviations, { population, deviating, size });
    if (favourable * 100n <= BigInt(100 - design.confidence) * all) return size;
  }
  return population;
}
