/** The population of a bundle against the checkpoint, and the log times at the ends of its range. */
import { type BundleFiles, POPULATION_FILE } from './bundle.ts';
import type { Checkpoint } from './checkpoint.ts';
import { decodeEntry } from './entry.ts';
import { ProofError } from './errors.ts';
import type { Hasher } from './hash.ts';
import type { BundleManifest } from './manifest.ts';
import { type Population, parsePopulation } from './population.ts';
import { checkRange } from './range.ts';

export type PopulationClaimName = 'population' | 'range';

/** Where claims about a population go; a ClaimReport whose names include these. */
export interface PopulationClaims {
  pass(claim: PopulationClaimName, detail: string): void;
  incomplete(claim: PopulationClaimName, detail: string): void;
  attempt<T>(claim: PopulationClaimName, step: () => T): T | undefined;
}

export interface ClaimedPopulation {
  readonly report: PopulationClaims;
  readonly files: BundleFiles;
  readonly manifest: Claimed;
  readonly head: { readonly checked: { readonly checkpoint: Checkpoint } };
  readonly hasher: Hasher;
}

/** The population, once it could be read; whether it holds is in the report. */
export function judgePopulation({ report, files, manifest, head, hasher }: ClaimedPopulation): Population | undefined {
  const file = files.get(POPULATION_FILE);
  const population = file && report.attempt('population', () => parsePopulation(file));
  if (population === undefined) return undefined;
  report.attempt('population', () => {
    checkPopulation(population, manifest, head.checked.checkpoint, hasher);
    const { start, end } = manifest.range;
    if (population.count === 0) report.incomplete('population', 'the tree is empty: there is nothing to check');
    else
      report.pass('population', `the ${end - start} entries of [${start}, ${end}) are in the tree, whole and in order`);
  });
  report.attempt('range', () => {
    const open = checkBundleRange(population, manifest);
    if (open === undefined) report.pass('range', 'its neighbours lie outside of the time that was asked for');
    else report.incomplete('range', open);
  });
  return population;
}

type Claimed = Pick<BundleManifest, 'range' | 'size' | 'query'>;

/** The run that a population of this range has: the range and its neighbours in the tree. */
export function populationRun({ range, size }: Pick<Claimed, 'range' | 'size'>): { start: number; end: number } {
  return { start: Math.max(0, range.start - 1), end: Math.min(size, range.end + 1) };
}

/** Throws `range-mismatch` for another run than the manifest's, `bad-range-proof`. */
export function checkPopulation(population: Population, claimed: Claimed, head: Checkpoint, hasher: Hasher): void {
  const run = populationRun(claimed);
  if (population.start !== run.start || population.count !== run.end - run.start) {
    const message = `the population is [${population.start}, ${population.start + population.count}), not [${run.start}, ${run.end})`;
    throw new ProofError('range-mismatch', message, { start: run.start, end: run.end });
  }
  const leafHashes = [...population.entries()].map((entry) => hasher.leaf(entry));
  const { start, proof } = population;
  checkRange({ start, size: head.size, leafHashes, proof, root: head.root }, hasher);
}

/**
 * That the range holds exactly the entries of the time that was asked for: log time grows with the index, so that the
 * entries beside the range decide. Throws `range-mismatch`, or what an entry cannot be decoded for. Returns what cannot
 * be shown, if the tree ends before the time does.
 */
export function checkBundleRange(population: Population, { range, size, query }: Claimed): string | undefined {
  const { fromUs, toUs } = query;
  const mismatch = (index: number, what: string): ProofError =>
    new ProofError('range-mismatch', `entry ${index} ${what}`, { index });
  let index = population.start;
  let before = -1;
  for (const bytes of population.entries()) {
    const { logTime } = decodeEntry(bytes);
    if (logTime <= before) throw mismatch(index, 'is not later than the one before it');
    before = logTime;
    const inTime = (fromUs === undefined || logTime >= fromUs) && (toUs === undefined || logTime < toUs);
    const inRange = range.start <= index && index < range.end;
    if (inTime && !inRange) throw mismatch(index, 'belongs to the time that was asked for, and not to the range');
    if (!inTime && inRange) throw mismatch(index, 'belongs to the range, and not to the time that was asked for');
    index++;
  }
  if (range.end < size) return undefined;
  return toUs === undefined
    ? 'no end was set: events after the checkpoint are not in it'
    : 'the tree ends before the time that was asked for: later events of that time are not in it';
}
