/**
 * Sealing: the rows of a full block, in which its terms are looked up from then on. They come in batches, and are made in
 * slices with a turn for others in between: submissions go on meanwhile. The block is full, so that nothing changes it.
 */
import type { PutRow } from '../store/contract.ts';
import { Batch, type IndexForm, Slice, turn } from './index-pace.ts';
import { compareTerms, hashOfText, PageWriter } from './pages.ts';
import { type BlockTerms, containerRow } from './postings.ts';

/** Offsets of a container that take as long to write as the entry of a rare term. */
const OFFSETS_PER_ENTRY = 64;
/** Terms of a block: 64 an event, and no event has so many. Behind a hash of 32 bits it is still an exact number. */
const MAX_TERMS = 2 ** 20;

export async function* sealedRows(
  { hasher, layout, pace }: IndexForm,
  block: number,
  terms: BlockTerms,
): AsyncGenerator<readonly PutRow[]> {
  const batch = new Batch(pace);
  const slice = new Slice(pace);
  const names = [...terms.keys()];
  const lists = [...terms.values()];
  if (names.length > MAX_TERMS) throw new RangeError(`a block with ${names.length} terms`);
  // Of each page the terms as numbers, hash and place, because these are sorted many times faster than texts.
  const pages: number[][] = Array.from({ length: layout.blockPages }, () => []);
  for (const [i, term] of names.entries()) {
    const hash = hashOfText(term);
    const offsets = lists[i] ?? [];
    pages[hash % layout.blockPages]?.push(hash * MAX_TERMS + i);
    if (offsets.length > layout.maxPaged) batch.add(containerRow(term, block, offsets, hasher));
    if (batch.isFull) yield batch.take();
    if (slice.spend(1 + Math.floor(offsets.length / OFFSETS_PER_ENTRY))) await turn();
  }
  const writer = new PageWriter(hasher);
  for (const [page, keys] of pages.entries()) {
    for (const i of inOrder(keys, names)) {
      const offsets = lists[i] ?? [];
      if (offsets.length > layout.maxPaged) writer.addText(names[i] ?? '', 1, []);
      else writer.addText(names[i] ?? '', 0, offsets);
    }
    batch.add(writer.takeRow('blockPage', page, block));
    if (batch.isFull) yield batch.take();
    if (slice.spend(1 + keys.length)) await turn();
  }
  if (!batch.isEmpty) yield batch.take();
}

/** The places of the terms, in the order of a page. */
function inOrder(keys: readonly number[], names: readonly string[]): readonly number[] {
  const places: number[] = [];
  let last = -1;
  let isTied = false;
  for (const key of Float64Array.from(keys).sort()) {
    const hash = Math.floor(key / MAX_TERMS);
    isTied ||= hash === last;
    last = hash;
    places.push(key - hash * MAX_TERMS);
  }
  return isTied ? places.sort((a, b) => compareTerms(names[a] ?? '', names[b] ?? '')) : places;
}
