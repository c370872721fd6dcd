/**
 * How large a sample has to be, exactly. A design is one of
 *
 *   { "size": 25 }                                                as many as that
 *   { "rate_bp": 500 }                                            5 % of the population, rounded up
 *   { "confidence": 95, "tolerable_bp": 500, "deviations": 1 }    attribute sampling
 *
 * Rates are in basis points (1/10,000). Attribute sampling asks for the smallest sample that, with at most so many
 * deviations in it, would come from a population of which the tolerable rate or more deviates with a probability of at
 * most 1 − confidence. The population is finite and nothing is drawn twice, so that probability is hypergeometric; it is
 * computed in whole numbers. A stratified sample is spread over its strata in proportion, with at least one of each.
 */
import type { JsonObject, JsonValue } from './canonical-json.ts';
import { ProofError } from './errors.ts';
import { isObject } from './fields.ts';
import { MAX_POPULATION } from './population.ts';

export type SampleDesign =
  | { readonly kind: 'size'; readonly size: number }
  | { readonly kind: 'rate'; readonly rateBp: number }
  | {
      readonly kind: 'attributes';
      readonly confidence: 95 | 99;
      readonly tolerableBp: number;
      readonly deviations: number;
    };

export const BASIS_POINTS = 10_000;
/** Below one in a thousand, a population of our bound has to be looked at almost whole. */
export const MIN_TOLERABLE_BP = 10;
export const MAX_DEVIATIONS = 3;

/** Of how many events of the population the sample consists; never more than there are. */
export function sampleSize(design: SampleDesign, population: number): number {
  switch (design.kind) {
    case 'size':
      return Math.min(design.size, population);
    case 'rate':
      return Math.ceil((population * design.rateBp) / BASIS_POINTS);
    case 'attributes':
      return attributeSampleSize(design, population);
  }
}

/** Smallest number of deviating events that is no longer tolerable. */
export function intolerableCount(population: number, tolerableBp: number): number {
  return Math.ceil((population * tolerableBp) / BASIS_POINTS);
}

/**
 * The probability that `size` of `population` events, of which `deviating` deviate, hold at most `deviations` of these:
 * the two whole numbers of a fraction.
 */
export function chanceOfAtMost(
  deviations: number,
  { population, deviating, size }: { readonly population: number; readonly deviating: number; readonly size: number },
): readonly [favourable: bigint, all: bigint] {
  // Drawing and deviating can change places, so that the shorter product is taken.
  const [few, many] = size < deviating ? [size, deviating] : [deviating, size];
  let favourable = 0n;
  for (let i = 0; i <= Math.min(deviations, few); i++)
    favourable += choose(many, i) * choose(population - many, few - i);
  return [favourable, choose(population, few)];
}

/** One stratum and what is drawn from it. */
export interface Share {
  readonly population: number;
  readonly size: number;
}

/**
 * Spreads a sample over strata (by name, in any order; none of them empty): whole shares of the proportion, what is left
 * over to the largest remainders, the first name first where these are equal, and one for every stratum that got none.
 */
export function spreadSample(size: number, strata: ReadonlyMap<string, number>): ReadonlyMap<string, Share> {
  const total = BigInt([...strata.values()].reduce((sum, count) => sum + count, 0));
  const shares = [...strata]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, population]) => {
      const product = BigInt(size) * BigInt(population);
      return { name, population, size: Number(product / total), remainder: product % total };
    });
  let left = size - shares.reduce((sum, share) => sum + share.size, 0);
  const byRemainder = [...shares].sort((a, b) =>
    a.remainder === b.remainder ? 0 : a.remainder > b.remainder ? -1 : 1,
  );
  for (const share of byRemainder) if (left-- > 0) share.size++;
  return new Map(
    shares.map((share) => [share.name, { population: share.population, size: Math.max(1, share.size) }] as const),
  );
}

/** Reads a design strictly. Throws `invalid-sample`. */
export function readDesign(json: JsonValue | undefined): SampleDesign {
  if (!isObject(json)) throw invalid('a design is an object');
  const names = Object.keys(json).sort().join();
  if (names === 'size') return { kind: 'size', size: whole(json['size'], 1, MAX_POPULATION) };
  if (names === 'rate_bp') return { kind: 'rate', rateBp: whole(json['rate_bp'], 1, BASIS_POINTS) };
  if (names !== 'confidence,deviations,tolerable_bp') throw invalid('a design has other members');
  const { confidence } = json;
  if (confidence !== 95 && confidence !== 99) throw invalid('confidence is 95 or 99');
  return {
    kind: 'attributes',
    confidence,
    tolerableBp: whole(json['tolerable_bp'], MIN_TOLERABLE_BP, BASIS_POINTS),
    deviations: whole(json['deviations'], 0, MAX_DEVIATIONS),
  };
}

export function designJson(design: SampleDesign): JsonObject {
  switch (design.kind) {
    case 'size':
      return { size: design.size };
    case 'rate':
      return { rate_bp: design.rateBp };
    case 'attributes':
      return { confidence: design.confidence, tolerable_bp: design.tolerableBp, deviations: design.deviations };
  }
}

export function describeDesign(design: SampleDesign): string {
  const percent = (bp: number): string => `${bp / 100} %`;
  switch (design.kind) {
    case 'size':
      return `${design.size} events`;
    case 'rate':
      return `${percent(design.rateBp)} of the population`;
    case 'attributes': {
      const { confidence, tolerableBp, deviations } = design;
      return `${confidence} % confidence, ${percent(tolerableBp)} tolerable, ${deviations} deviations expected`;
    }
  }
}

type Attributes = Extract<SampleDesign, { readonly kind: 'attributes' }>;

/** The chance only falls as the sample grows, so that the size is found by doubling and then by halves. */
function attributeSampleSize({ confidence, tolerableBp, deviations }: Attributes, population: number): number {
  const deviating = intolerableCount(population, tolerableBp);
  const isEnough = (size: number): boolean => {
    const [favourable, all] = chanceOfAtMost(deviations, { population, deviating, size });
    return favourable * 100n <= BigInt(100 - confidence) * all;
  };
  let enough = 1;
  while (enough < population && !isEnough(enough)) enough *= 2;
  // Not even all of it is enough where fewer deviate than are expected in the sample: then all of it is looked at.
  if (enough >= population) {
    if (!isEnough(population)) return population;
    enough = population;
  }
  let tooFew = Math.floor(enough / 2);
  while (enough - tooFew > 1) {
    const middle = Math.floor((enough + tooFew) / 2);
    if (isEnough(middle)) enough = middle;
    else tooFew = middle;
  }
  return Math.min(enough, population);
}

function choose(n: number, k: number): bigint {
  if (k < 0 || k > n) return 0n;
  const few = Math.min(k, n - k);
  let product = 1n;
  for (let i = 1; i <= few; i++) product = (product * BigInt(n - few + i)) / BigInt(i);
  return product;
}

function whole(json: JsonValue | undefined, min: number, max: number): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < min || json > max) {
    throw invalid(`a number is not a whole number from ${min} to ${max}`);
  }
  return json;
}

function invalid(what: string): ProofError {
  return new ProofError('invalid-sample', `sample: ${what}`);
}
