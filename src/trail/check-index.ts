/**
 * Holds the search index against what the events themselves say, a block of 16,384 at a time. A row that LevelDB dropped
 * without a word would be an incomplete answer that calls itself complete; here it is found, and the events are named.
 */
import type { Hasher } from '../../proofs/hash.ts';
import { containerKey, decodeBlockCount, SEALED_KEY, tailFirstIndex, tailKey } from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import { type Row, type Store, StoreError } from '../store/contract.ts';
import {
  addContainer,
  addOffsets,
  addTailRow,
  BLOCK_EVENTS,
  type BlockTerms,
  containerRow,
  emptySet,
  type OffsetSet,
  openContainer,
  tailRows,
} from './postings.ts';

/** Rows read at once, and compared in one turn of the event loop. */
const READ_ROWS = 64;

export interface BlockToCheck {
  readonly block: number;
  /** Per term the offsets that the events say, ascending. */
  readonly terms: BlockTerms;
  /** Offsets of events whose terms could be derived; about the others the index is believed. */
  readonly derived: OffsetSet;
  /** Events of the block that are in the tree. */
  readonly count: number;
}

export interface CheckedBlock {
  /** Offsets of events that the index has wrongly or not at all. */
  readonly badOffsets: readonly number[];
  /** Terms whose row is missing, unreadable or says something else. */
  readonly badTerms: readonly string[];
  /** Whether the block was rewritten by term; else its rows are those of the written groups. */
  readonly isSealed: boolean;
}

export async function checkIndexBlock(store: Store, hasher: Hasher, wanted: BlockToCheck): Promise<CheckedBlock> {
  for (;;) {
    const isSealed = (await sealedBlocks(store)) > wanted.block;
    const said = isSealed ? containers(store, hasher, wanted) : tail(store, hasher, wanted);
    const result = await compare(wanted, said);
    // The block may have been sealed meanwhile: then its tail rows are gone, and are not missing.
    if (isSealed || (await sealedBlocks(store)) <= wanted.block) return { ...result, isSealed };
  }
}

/**
 * The rows that make the index say what the events say; for `repair`. About events whose terms cannot be derived it keeps
 * what it says, as far as that can be read.
 */
export async function mergedRows(
  store: Store,
  hasher: Hasher,
  wanted: BlockToCheck,
  { badTerms, isSealed }: CheckedBlock,
): Promise<readonly Row[]> {
  const { block, terms, derived, count } = wanted;
  const first = block * BLOCK_EVENTS;
  const merged = (term: string, set: OffsetSet | undefined): readonly number[] => {
    const kept = Array.from({ length: count }, (_, offset) => offset).filter((offset) => {
      const bit = 1 << (offset & 31);
      return set !== undefined && ((derived[offset >>> 5] ?? 0) & bit) === 0 && ((set[offset >>> 5] ?? 0) & bit) !== 0;
    });
    return [...(terms.get(term) ?? []), ...kept].sort((a, b) => a - b);
  };
  if (isSealed) {
    const rows: Row[] = [];
    const bad = new Map(badTerms.map((term) => [term, terms.get(term) ?? []]));
    for await (const [term, set] of containers(store, hasher, { ...wanted, terms: bad })) {
      rows.push(containerRow(term, block, merged(term, set), hasher));
    }
    return rows;
  }
  const byEvent: string[][] = Array.from({ length: count }, () => []);
  for await (const [term, set] of tail(store, hasher, wanted)) {
    for (const offset of merged(term, set)) byEvent[offset]?.push(term);
  }
  const old = await store.range({ gte: tailKey(first), lt: tailKey(first + BLOCK_EVENTS), limit: BLOCK_EVENTS });
  const events = byEvent.map((own, offset) => ({ index: first + offset, terms: own }));
  return [...old.map(({ key }): Row => ({ key, delete: true })), ...tailRows(events, hasher)];
}

/** Blocks that the index calls sealed; none where that row is damaged. */
export async function sealedBlocks(store: Store): Promise<number> {
  try {
    return decodeBlockCount(await store.get(SEALED_KEY));
  } catch (error) {
    if (error instanceof LogError) return 0;
    throw error;
  }
}

type Said = AsyncGenerator<readonly [term: string, set: OffsetSet | undefined]>;

async function compare({ terms, derived, count }: BlockToCheck, said: Said): Promise<Omit<CheckedBlock, 'isSealed'>> {
  const bad = emptySet();
  const badTerms: string[] = [];
  const expected = emptySet();
  for await (const [term, set] of said) {
    expected.fill(0);
    addOffsets(expected, terms.get(term) ?? []);
    let differs = 0;
    for (let i = 0; i < expected.length; i++) {
      const difference =
        set === undefined ? (expected[i] ?? 0) : ((expected[i] ?? 0) ^ (set[i] ?? 0)) & (derived[i] ?? 0);
      bad[i] = (bad[i] ?? 0) | difference;
      differs |= difference;
    }
    if (differs !== 0) badTerms.push(term);
  }
  const badOffsets = Array.from({ length: count }, (_, offset) => offset).filter(
    (offset) => ((bad[offset >>> 5] ?? 0) >>> (offset & 31)) & 1,
  );
  return { badOffsets, badTerms };
}

async function* containers(store: Store, hasher: Hasher, { block, terms }: BlockToCheck): Said {
  const names = [...terms.keys()];
  const scratch = emptySet();
  for (let from = 0; from < names.length; from += READ_ROWS) {
    const page = names.slice(from, from + READ_ROWS);
    const keys = page.map((term) => containerKey(term, block));
    const rows = await readMany(store, keys);
    for (const [i, term] of page.entries()) {
      const key = keys[i];
      const value = rows[i];
      scratch.fill(0);
      yield [
        term,
        key !== undefined && value !== undefined && fill(scratch, { key, value }, hasher) ? scratch : undefined,
      ];
    }
  }
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

function fill(set: OffsetSet, row: { readonly key: Uint8Array; readonly value: Uint8Array }, hasher: Hasher): boolean {
  try {
    addContainer(set, openContainer(row, hasher));
    return true;
  } catch (error) {
    if (error instanceof LogError) return false;
    throw error;
  }
}

async function* tail(store: Store, hasher: Hasher, wanted: BlockToCheck): Said {
  const said: BlockTerms = new Map();
  const first = wanted.block * BLOCK_EVENTS;
  const end = first + wanted.count;
  for (let next = first; next < end; ) {
    const rows = await store.range({ gte: tailKey(next), lt: tailKey(end), limit: READ_ROWS });
    for (const row of rows) {
      next = tailFirstIndex(row.key) + 1;
      try {
        addTailRow(row, next - 1, said, hasher);
      } catch (error) {
        // A damaged row says nothing; what it should have said is then missing.
        if (!(error instanceof LogError) && !(error instanceof Error && error.name === 'ProofError')) throw error;
      }
    }
    if (rows.length < READ_ROWS) break;
  }
  const set = emptySet();
  for (const term of new Set([...wanted.terms.keys(), ...said.keys()])) {
    set.fill(0);
    addOffsets(set, said.get(term) ?? []);
    yield [term, set];
  }
}
