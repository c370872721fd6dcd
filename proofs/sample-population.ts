/**
 * From a population to its sample: which stratum an event is of, and which events a seed draws. Whoever makes a report and
 * whoever verifies one draw with this file.
 */
import type { CardField } from './card.ts';
import { ProofError } from './errors.ts';
import {
  type BundleFilterName,
  eventMember,
  type FilteredEvent,
  filterFieldIds,
  filterMember,
  memberFieldId,
} from './filter.ts';
import type { Hash, Hasher } from './hash.ts';
import { drawPlaces, stratumSeed } from './sample-draw.ts';
import type { SampleCommit } from './sample-entries.ts';
import type { DrawnStratum } from './sample-report.ts';
import { sampleSize, spreadSample } from './sample-size.ts';

/** The indices that the sample is drawn from, ascending: a whole range, or those of each stratum. */
export type Members =
  | { readonly kind: 'range'; readonly start: number; readonly end: number }
  /** By name; null where the population is not divided. */
  | { readonly kind: 'listed'; readonly byStratum: ReadonlyMap<string | null, readonly number[]> };

/** Whether every event of the range is of the population and of the same stratum, whatever it says. */
export function opensOnlyDrawn({ query, strata }: Pick<SampleCommit, 'query' | 'strata'>): boolean {
  return query.filters.size === 0 && query.occurred === undefined && strata === null;
}

/** The fields that have to be opened to see whether an event is of the population, and of which stratum. */
export function decidingFieldIds(
  { query, strata }: Pick<SampleCommit, 'query' | 'strata'>,
  card: readonly CardField[],
): readonly string[] {
  const path = strata === null ? undefined : filterMember(strata);
  const stratum = path === undefined ? undefined : memberFieldId(path, card);
  return [...new Set([...filterFieldIds(query, card), ...(stratum === undefined ? [] : [stratum])])];
}

/** The stratum of an event: its text for that member, '' if it has none; or the id of the field that hides it. */
export function stratumOf(
  strata: BundleFilterName | null,
  event: Pick<FilteredEvent, 'card' | 'fields'>,
): { readonly name: string | null } | { readonly hiddenIn: string } {
  const path = strata === null ? undefined : filterMember(strata);
  if (path === undefined) return { name: null };
  const seen = eventMember(path, event);
  if ('hiddenIn' in seen) return seen;
  return { name: typeof seen.value === 'string' ? seen.value : '' };
}

/** What the seed draws, strata sorted by name. Throws `invalid-argument` for strata that the commit did not ask for. */
export function drawSample(
  { design, strata }: Pick<SampleCommit, 'design' | 'strata'>,
  seed: Hash,
  members: Members,
  hasher?: Hasher,
): readonly DrawnStratum[] {
  if (members.kind === 'range') {
    const population = members.end - members.start;
    const drawn = drawPlaces(seed, population, sampleSize(design, population), hasher).map((at) => members.start + at);
    return [{ name: null, population, drawn }];
  }
  if (strata === null) {
    const indices = members.byStratum.get(null) ?? [];
    return [drawFrom(null, indices, sampleSize(design, indices.length), seed, hasher)];
  }
  const named = new Map(
    [...members.byStratum].map(([name, indices]): [string, readonly number[]] => {
      if (name === null) throw new ProofError('invalid-argument', 'a stratum has no name');
      return [name, indices];
    }),
  );
  const population = [...named.values()].reduce((sum, { length }) => sum + length, 0);
  if (population === 0) return [];
  const counts = new Map([...named].map(([name, { length }]) => [name, length]));
  return [...spreadSample(sampleSize(design, population), counts)].map(([name, { size }]) =>
    drawFrom(name, named.get(name) ?? [], size, stratumSeed(seed, name, hasher), hasher),
  );
}

function drawFrom(
  name: string | null,
  indices: readonly number[],
  size: number,
  seed: Hash,
  hasher: Hasher | undefined,
): DrawnStratum {
  const places = drawPlaces(seed, indices.length, size, hasher);
  return { name, population: indices.length, drawn: places.map((at) => indices[at] ?? 0) };
}
