/**
 * Holds the search index against what the events themselves say, a block of 16,384 at a time. A row that LevelDB dropped
 * without a word would be an incomplete answer that calls itself complete; here it is found, and the events are named.
 */
import { ProofError } from '../../proofs/errors.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { containerKey, pageKey, tailFirstIndex, tailKey } from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import { type Store, StoreError } from '../store/contract.ts';
import { readCounts } from './index-counts.ts';
import {
  hashOfText,
  listedIn,
  openPage,
  type PageEntry,
  type PagePlace,
  pageCount,
  placeOf,
  readPage,
} from './pages.ts';
import {
  addOffsets,
  addTailRow,
  type BlockTerms,
  type Container,
  emptySet,
  type IndexLayout,
  LAYOUT,
  type OffsetSet,
  offsetsOf,
  openContainer,
} from './postings.ts';

/** Rows read at once, and compared in one turn of the event loop. */
const READ_ROWS = 64;

/** Where the index is, and what it is made of. */
export interface IndexSource {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly layout: IndexLayout;
}

export interface BlockToCheck {
  readonly block: number;
  /** Per term the offsets that the events say, ascending. */
  readonly terms: BlockTerms;
  /** Offsets of events whose terms could be derived; about the others the index is believed. */
  readonly derived: OffsetSet;
  /** Events of the block that are in the tree. */
  readonly count: number;
}

/** In which rows a block is: those of the written groups; one a term; or pages, its own or those of its span. */
export type BlockForm = 'tail' | 'containers' | PagePlace;

export interface CheckedBlock {
  readonly form: BlockForm;
  /** Offsets of events that the index has wrongly or not at all. */
  readonly badOffsets: readonly number[];
  /** Of a block of containers: terms whose row is missing, unreadable or says something else. */
  readonly badTerms: readonly string[];
  /** Of a block in pages: those that are missing or unreadable, or wrong about one of their terms. */
  readonly badPages: readonly number[];
  /** A page is unreadable. It may be that none of the events is in it; told of the first block of a span. */
  readonly lacksPages: boolean;
}

export async function checkIndexBlock(
  store: Store,
  hasher: Hasher,
  wanted: BlockToCheck,
  layout: IndexLayout = LAYOUT,
): Promise<CheckedBlock> {
  const source = { store, hasher, layout };
  for (;;) {
    const form = await formOf(store, wanted.block, layout);
    const findings = new Findings(wanted);
    if (form === 'tail') await compareTail(source, wanted, findings);
    else if (form === 'containers') await compareContainers(source, wanted, [...wanted.terms.keys()], findings);
    else await comparePages(source, wanted, form, findings);
    // It may have been sealed or merged meanwhile: then rows that were looked for are gone, and are not missing.
    if (nameOf(form) === nameOf(await formOf(store, wanted.block, layout))) return { form, ...findings.result() };
  }
}

export async function formOf(store: Store, block: number, layout: IndexLayout): Promise<BlockForm> {
  const { counts } = await readCounts(store, layout);
  if (block >= counts.sealed) return 'tail';
  return placeOf(block, counts, layout) ?? 'containers';
}

function nameOf(form: BlockForm): string {
  return typeof form === 'string' ? form : form.kind;
}

class Findings {
  readonly #wanted: BlockToCheck;
  readonly #bad = emptySet();
  readonly #badTerms: string[] = [];
  readonly #badPages = new Set<number>();
  #lacksPages = false;

  constructor(wanted: BlockToCheck) {
    this.#wanted = wanted;
  }

  result(): Omit<CheckedBlock, 'form'> {
    const badOffsets = Array.from({ length: this.#wanted.count }, (_, offset) => offset).filter((offset) =>
      has(this.#bad, offset),
    );
    const badPages = [...this.#badPages].sort((a, b) => a - b);
    return { badOffsets, badTerms: this.#badTerms, badPages, lacksPages: this.#lacksPages };
  }

  /** What the index says about a term, ascending; returns whether it is as the events say. */
  hold(term: string, said: readonly number[]): boolean {
    const expected = this.#wanted.terms.get(term) ?? [];
    let isGood = true;
    for (let i = 0, j = 0; i < expected.length || j < said.length; ) {
      const [a, b] = [expected[i] ?? Number.POSITIVE_INFINITY, said[j] ?? Number.POSITIVE_INFINITY];
      if (a <= b) i++;
      if (b <= a) j++;
      if (a === b || !has(this.#wanted.derived, Math.min(a, b))) continue;
      addOffsets(this.#bad, [Math.min(a, b)]);
      isGood = false;
    }
    if (!isGood) this.#badTerms.push(term);
    return isGood;
  }

  addPage(page: number): void {
    this.#badPages.add(page);
  }

  addUnreadable(page: number, { firstBlock }: PagePlace): void {
    this.#badPages.add(page);
    if (firstBlock === this.#wanted.block) this.#lacksPages = true;
  }
}

export function has(set: OffsetSet, offset: number): boolean {
  return (((set[offset >>> 5] ?? 0) >>> (offset & 31)) & 1) === 1;
}

/** Terms that all have containers, as far as the index knows. Returns those that are wrong. */
async function compareContainers(
  source: IndexSource,
  { block }: BlockToCheck,
  terms: readonly string[],
  findings: Findings,
): Promise<readonly string[]> {
  const bad: string[] = [];
  for (let from = 0; from < terms.length; from += READ_ROWS) {
    const some = terms.slice(from, from + READ_ROWS);
    const found = await readContainers(source, some, block);
    bad.push(...some.filter((term, i) => !findings.hold(term, found[i] === undefined ? [] : offsetsOf(found[i]))));
  }
  return bad;
}

/** Undefined where there is none, or none that can be read. */
export async function readContainers(
  { store, hasher }: IndexSource,
  terms: readonly string[],
  block: number,
): Promise<readonly (Container | undefined)[]> {
  const keys = terms.map((term) => containerKey(term, block));
  const values = await readMany(store, keys);
  return keys.map((key, i) => readable(() => openContainer({ key, value: values[i] ?? new Uint8Array() }, hasher)));
}

async function comparePages(
  source: IndexSource,
  wanted: BlockToCheck,
  place: PagePlace,
  findings: Findings,
): Promise<void> {
  const { layout } = source;
  const count = pageCount(place.kind, layout);
  const expected: string[][] = Array.from({ length: count }, () => []);
  for (const term of wanted.terms.keys()) expected[hashOfText(term) % count]?.push(term);
  const inContainers: string[] = [];
  const index = wanted.block - place.firstBlock;
  // The page of a span is read for each of its blocks: most of its terms do not occur in this one.
  const isInBlock = (entry: PageEntry): boolean => listedIn(entry, index, layout)?.length !== 0;
  for (let from = 0; from < count; from += READ_ROWS) {
    const numbers = Array.from({ length: Math.min(READ_ROWS, count - from) }, (_, i) => from + i);
    const pages = await readPages(source, place, numbers, isInBlock);
    for (const [i, page] of numbers.entries()) {
      const said = pages[i];
      if (said === undefined) findings.addUnreadable(page, place);
      for (const term of new Set([...(expected[page] ?? []), ...(said?.keys() ?? [])])) {
        const listed = listedIn(said?.get(term), index, layout);
        if (listed === undefined) inContainers.push(term);
        else if (!findings.hold(term, listed)) findings.addPage(page);
      }
    }
  }
  const bad = await compareContainers(source, wanted, inContainers, findings);
  for (const term of bad) findings.addPage(hashOfText(term) % count);
}

/** What the pages with these numbers say, all or such of it, by term; undefined for one that is missing or unreadable. */
export async function readPages(
  { store, hasher }: IndexSource,
  { kind, number }: PagePlace,
  pages: readonly number[],
  isSuch?: (entry: PageEntry) => boolean,
): Promise<readonly (ReadonlyMap<string, PageEntry> | undefined)[]> {
  const keys = pages.map((page) => pageKey(kind, page, number));
  const values = await readMany(store, keys);
  return keys.map((key, i) => readable(() => readPage(openPage(key, values[i], hasher), isSuch)));
}

/** One row that cannot be read must not hide the others. */
async function readMany(store: Store, keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
  try {
    return await store.getMany(keys);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code === 'store-closed') throw error;
    return Promise.all(keys.map((key) => store.get(key).catch(() => undefined)));
  }
}

function readable<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof LogError || error instanceof ProofError) return undefined;
    throw error;
  }
}

async function compareTail(source: IndexSource, wanted: BlockToCheck, findings: Findings): Promise<void> {
  const said = await readTail(source, wanted);
  for (const term of new Set([...wanted.terms.keys(), ...said.keys()])) findings.hold(term, said.get(term) ?? []);
}

/** What the rows of an open block say. A damaged one says nothing; what it should have said is then missing. */
export async function readTail(
  { store, hasher, layout }: IndexSource,
  { block, count }: BlockToCheck,
): Promise<BlockTerms> {
  const said: BlockTerms = new Map();
  const base = block * layout.blockEvents;
  for (let next = base; next < base + count; ) {
    const rows = await store.range({ gte: tailKey(next), lt: tailKey(base + count), limit: READ_ROWS });
    for (const row of rows) {
      next = tailFirstIndex(row.key) + 1;
      const first = next - 1 - base;
      readable(() => addTailRow(row, first, said, hasher));
    }
    if (rows.length < READ_ROWS) break;
  }
  return said;
}
