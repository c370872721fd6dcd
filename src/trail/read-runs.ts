/**
 * Reading what terms have in sealed blocks. Whether a term has a container in a block or stands in a page is not known
 * before; the pages say it. Where nothing is known both are read at once. What a search has seen of a term in the blocks
 * before tells which of them to read alone; where that was wrong both are read after all.
 */
import { utf8Encode } from '../../proofs/bytes.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { containerKey, type IndexCounts, keyNumber, pageKey } from '../log/rows.ts';
import type { PutRow, Store } from '../store/contract.ts';
import type { Run } from './checked-runs.ts';
import { findInPage, hashOf, listedIn, openPage, type PageEntry, type PagePlace, pageCount, placeOf } from './pages.ts';
import { type Container, damaged, type IndexLayout, openContainer } from './postings.ts';

/** Up to so many blocks, containers are looked up; of more, a term's are read as a range. */
const MAX_LOOKED_UP_BLOCKS = 16;

/** The sealed part of the index, and how far it had come when the question looked. */
export interface SealedIndex {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly layout: IndexLayout;
  readonly counts: IndexCounts;
}

/** Where a term is likely to be found: `container` in each block, `page` in none. */
export type Guess = 'container' | 'page' | 'unknown';

export interface WantedTerm {
  readonly term: string;
  readonly guess: Guess;
}

/** What to expect of the next blocks after such a run. */
export function guessFrom(run: Run, blockCount: number, { maxPaged }: IndexLayout): Guess {
  const frequent = run.filter(
    ([, container]) => container instanceof Uint32Array || container.length > maxPaged,
  ).length;
  if (frequent === 0) return 'page';
  return frequent === blockCount ? 'container' : 'unknown';
}

/** What each of the terms has in the sealed blocks [from, to). Throws LogError `corrupt-data`. */
export async function readRuns(
  index: SealedIndex,
  wanted: readonly WantedTerm[],
  from: number,
  to: number,
): Promise<readonly Run[]> {
  const guessed = await readAsGuessed(index, wanted, from, to);
  const missed = wanted.filter((_, i) => guessed[i] === undefined);
  if (missed.length === 0) return guessed.map((run) => run ?? []);
  const read = await readAsGuessed(
    index,
    missed.map(({ term }) => ({ term, guess: 'unknown' })),
    from,
    to,
  );
  let next = 0;
  return guessed.map((run) => run ?? read[next++] ?? []);
}

/** Undefined for a term that is not where it was guessed to be. */
async function readAsGuessed(
  index: SealedIndex,
  wanted: readonly WantedTerm[],
  from: number,
  to: number,
): Promise<readonly (Run | undefined)[]> {
  const places = placesIn(index, from, to);
  const ends = wanted.map(({ guess }) => (guess === 'page' ? Math.min(to, index.counts.paged) : to));
  const [containers, entries] = await Promise.all([
    readContainers(
      index,
      wanted.map(({ term }, i) => ({ term, from, to: ends[i] ?? to })),
    ),
    readEntries(
      index,
      wanted.map(({ term, guess }) => ({ term: utf8Encode(term), places: guess === 'container' ? [] : places })),
    ),
  ]);
  return wanted.map(({ guess }, i) => {
    const found = { containers: containers[i] ?? new Map(), entries: guess === 'container' ? undefined : entries[i] };
    return joinRun(index, found, places, guess, from, to);
  });
}

/** Where the pages of these blocks are, in the order of the blocks. */
function placesIn({ counts, layout }: SealedIndex, from: number, to: number): readonly PagePlace[] {
  const places: PagePlace[] = [];
  for (let block = Math.max(from, counts.paged); block < to; ) {
    const place = placeOf(block, counts, layout);
    if (place === undefined) break;
    places.push(place);
    block = place.firstBlock + place.blockCount;
  }
  return places;
}

interface Found {
  readonly containers: ReadonlyMap<number, Container>;
  /** One for each place, undefined where the term does not occur; or none, because they were not read. */
  readonly entries: readonly (PageEntry | undefined)[] | undefined;
}

function joinRun(
  { layout, counts }: SealedIndex,
  { containers, entries }: Found,
  places: readonly PagePlace[],
  guess: Guess,
  from: number,
  to: number,
): Run | undefined {
  const run: [number, Container][] = [];
  const take = (block: number): boolean => {
    const container = containers.get(block);
    if (container !== undefined) run.push([block, container]);
    return container !== undefined;
  };
  for (let block = from; block < Math.min(to, counts.paged); block++) take(block);
  for (const [i, { firstBlock, blockCount }] of places.entries()) {
    const entry = entries?.[i];
    if (entries !== undefined && entry === undefined) continue;
    const end = Math.min(to, firstBlock + blockCount);
    for (let block = Math.max(from, firstBlock); block < end; block++) {
      const listed = entry === undefined ? undefined : listedIn(entry, block - firstBlock, layout);
      if (listed !== undefined) {
        if (listed.length > 0) run.push([block, listed]);
      } else if (!take(block)) {
        if (guess === 'unknown') throw damaged();
        return undefined;
      }
    }
  }
  return run;
}

interface TermBlocks {
  readonly term: string;
  readonly from: number;
  readonly to: number;
}

/** Few blocks are looked up, all terms together; of many, a term is a range. */
async function readContainers(
  { store, hasher }: SealedIndex,
  wanted: readonly TermBlocks[],
): Promise<readonly ReadonlyMap<number, Container>[]> {
  const few = wanted.map(({ term, from, to }) => (to - from > MAX_LOOKED_UP_BLOCKS ? [] : keysOf(term, from, to)));
  const [lookedUp, ranges] = await Promise.all([
    readRows(store, few),
    Promise.all(
      wanted.map(({ term, from, to }): Promise<readonly PutRow[]> | readonly PutRow[] => {
        if (to - from <= MAX_LOOKED_UP_BLOCKS) return [];
        return store.range({ gte: containerKey(term, from), lt: containerKey(term, to), limit: to - from });
      }),
    ),
  ]);
  return wanted.map((_, i) => {
    const rows = [...(lookedUp[i] ?? []), ...(ranges[i] ?? [])];
    return new Map(rows.map((row) => [keyNumber(row.key), openContainer(row, hasher)]));
  });
}

function keysOf(term: string, from: number, to: number): readonly Uint8Array[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => containerKey(term, from + i));
}

/** The rows that there are. */
async function readRows(
  store: Store,
  keys: readonly (readonly Uint8Array[])[],
): Promise<readonly (readonly PutRow[])[]> {
  const values = await readValues(store, keys);
  return keys.map((own, i) =>
    own.flatMap((key, j) => {
      const value = values[i]?.[j];
      return value === undefined ? [] : [{ key, value }];
    }),
  );
}

/** What the pages say about each of the terms, place by place. */
async function readEntries(
  { store, hasher, layout }: SealedIndex,
  wanted: readonly { readonly term: Uint8Array; readonly places: readonly PagePlace[] }[],
): Promise<readonly (readonly (PageEntry | undefined)[])[]> {
  const keys = wanted.map(({ term, places }) =>
    places.map(({ kind, number }) => pageKey(kind, hashOf(term) % pageCount(kind, layout), number)),
  );
  const values = await readValues(store, keys);
  return wanted.map(({ term }, i) =>
    (keys[i] ?? []).map((key, j) => findInPage(openPage(key, values[i]?.[j], hasher), term)),
  );
}

/** One look-up for all of them. */
async function readValues(
  store: Store,
  keys: readonly (readonly Uint8Array[])[],
): Promise<readonly (readonly (Uint8Array | undefined)[])[]> {
  const all = keys.flat();
  const values = all.length === 0 ? [] : await store.getMany(all);
  let end = 0;
  return keys.map((own) => {
    end += own.length;
    return values.slice(end - own.length, end);
  });
}
