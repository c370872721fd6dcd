/**
 * Making the search index say again what the events say; for `repair`. About events whose terms cannot be derived it keeps
 * what it says, as far as that can be read: it is the only one that knows.
 */
import type { Hasher } from '../../proofs/hash.ts';
import { containerKey, tailKey } from '../log/rows.ts';
import type { Row, Store } from '../store/contract.ts';
import {
  type BlockToCheck,
  checkIndexBlock,
  formOf,
  has,
  type IndexSource,
  readContainers,
  readPages,
  readTail,
} from './check-index.ts';
import { compareTerms, hashOfText, listedIn, type PageEntry, type PagePlace, PageWriter, pageCount } from './pages.ts';
import { type BlockTerms, containerRow, type IndexLayout, LAYOUT, offsetsOf, tailRows } from './postings.ts';

/** The blocks whose rows have to be made together with those of this one: its span's, once that is merged. */
export async function blocksBeside(
  store: Store,
  block: number,
  layout: IndexLayout = LAYOUT,
): Promise<readonly number[]> {
  const form = await formOf(store, block, layout);
  if (typeof form === 'string') return [block];
  return Array.from({ length: form.blockCount }, (_, i) => form.firstBlock + i);
}

/** The rows to be written, all in one batch. The blocks are those of `blocksBeside`. */
export async function mendedRows(
  store: Store,
  hasher: Hasher,
  blocks: readonly BlockToCheck[],
  layout: IndexLayout = LAYOUT,
): Promise<readonly Row[]> {
  const source = { store, hasher, layout };
  const rows: Row[] = [];
  const badPages = new Set<number>();
  let place: PagePlace | undefined;
  for (const wanted of blocks) {
    const checked = await checkIndexBlock(store, hasher, wanted, layout);
    if (checked.form === 'tail') rows.push(...(await mendTail(source, wanted)));
    else if (checked.form === 'containers') rows.push(...(await mendContainers(source, wanted, checked.badTerms)));
    else place = checked.form;
    for (const page of checked.badPages) badPages.add(page);
  }
  if (place !== undefined) rows.push(...(await mendPages(source, blocks, place, [...badPages])));
  return rows;
}

/** What the events say, and what is said about those that say nothing. */
function joined({ terms, derived, count }: BlockToCheck, term: string, said: readonly number[]): readonly number[] {
  const kept = said.filter((offset) => offset < count && !has(derived, offset));
  return [...(terms.get(term) ?? []), ...kept].sort((a, b) => a - b);
}

async function mendTail(source: IndexSource, wanted: BlockToCheck): Promise<readonly Row[]> {
  const { store, hasher, layout } = source;
  const { block, terms, count } = wanted;
  const first = block * layout.blockEvents;
  const said: BlockTerms = await readTail(source, wanted);
  const byEvent: string[][] = Array.from({ length: count }, () => []);
  for (const term of new Set([...terms.keys(), ...said.keys()])) {
    for (const offset of joined(wanted, term, said.get(term) ?? [])) byEvent[offset]?.push(term);
  }
  const bounds = { gte: tailKey(first), lt: tailKey(first + layout.blockEvents), limit: layout.blockEvents };
  const old = await store.range(bounds);
  const events = byEvent.map((own, offset) => ({ index: first + offset, terms: own }));
  return [...old.map(({ key }): Row => ({ key, delete: true })), ...tailRows(events, hasher, layout)];
}

async function mendContainers(
  source: IndexSource,
  wanted: BlockToCheck,
  badTerms: readonly string[],
): Promise<readonly Row[]> {
  const found = await readContainers(source, badTerms, wanted.block);
  return badTerms.map((term, i) => {
    const said = found[i] === undefined ? [] : offsetsOf(found[i]);
    return containerRow(term, wanted.block, joined(wanted, term, said), source.hasher);
  });
}

async function mendPages(
  source: IndexSource,
  blocks: readonly BlockToCheck[],
  place: PagePlace,
  pages: readonly number[],
): Promise<readonly Row[]> {
  const { hasher, layout } = source;
  const count = pageCount(place.kind, layout);
  const termsOf = new Map(pages.map((page) => [page, new Set<string>()]));
  for (const { terms } of blocks) for (const term of terms.keys()) termsOf.get(hashOfText(term) % count)?.add(term);
  const writer = new PageWriter(hasher);
  const rows: Row[] = [];
  for (const [page, terms] of termsOf) {
    const [said] = await readPages(source, place, [page]);
    for (const term of said?.keys() ?? []) terms.add(term);
    const entries: [string, PageEntry][] = [];
    for (const term of terms) {
      const { entry, containers } = await mendTerm(source, blocks, place, term, said);
      entries.push([term, entry]);
      rows.push(...containers);
    }
    entries.sort(([a], [b]) => compareTerms(a, b));
    for (const [term, { own, offsets }] of entries) writer.addText(term, own, offsets);
    rows.push(writer.takeRow(place.kind, page, place.number));
  }
  return rows;
}

/** The entry of a term, and the rows of its containers: those that it has, and the end of those that it no longer has. */
async function mendTerm(
  source: IndexSource,
  blocks: readonly BlockToCheck[],
  { firstBlock }: PagePlace,
  term: string,
  said: ReadonlyMap<string, PageEntry> | undefined,
): Promise<{ readonly entry: PageEntry; readonly containers: readonly Row[] }> {
  const { hasher, layout } = source;
  const containers: Row[] = [];
  const offsets: number[] = [];
  let own = 0;
  for (const wanted of blocks) {
    const i = wanted.block - firstBlock;
    // Of a page that cannot be read nobody knows which of its terms have containers.
    const listed = said === undefined ? undefined : listedIn(said.get(term), i, layout);
    const [container] = listed === undefined ? await readContainers(source, [term], wanted.block) : [];
    const all = joined(wanted, term, listed ?? (container === undefined ? [] : offsetsOf(container)));
    if (all.length > layout.maxPaged) {
      own |= 1 << i;
      containers.push(containerRow(term, wanted.block, all, hasher));
    } else {
      for (const offset of all) offsets.push(i * layout.blockEvents + offset);
      if (listed === undefined) containers.push({ key: containerKey(term, wanted.block), delete: true });
    }
  }
  return { entry: { own, offsets }, containers };
}
