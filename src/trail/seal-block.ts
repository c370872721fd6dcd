/**
 * Sealing: the rows of a full block, in which its terms are looked up from then on. They come in batches, and are made in
 * slices with a turn for others in between: submissions go on meanwhile. The block is full, so that nothing changes it.
 */
import type { PutRow } from '../store/contract.ts';
import { Batch, type IndexForm, Slice, turn } from './index-pace.ts';
import { PageWriter, pageOfText, sortByTerm } from './pages.ts';
import { type BlockTerms, containerRow } from './postings.ts';

/** Offsets of a container that take as long to write as the entry of a rare term. */
const OFFSETS_PER_ENTRY = 64;

export async function* sealedRows(
  { hasher, layout, pace }: IndexForm,
  block: number,
  terms: BlockTerms,
): AsyncGenerator<readonly PutRow[]> {
  const batch = new Batch(pace);
  const slice = new Slice(pace);
  const pages: [string, readonly number[]][][] = Array.from({ length: layout.blockPages }, () => []);
  for (const entry of terms) {
    const [term, offsets] = entry;
    pages[pageOfText(term, layout.blockPages)]?.push(entry);
    if (offsets.length > layout.maxPaged) batch.add(containerRow(term, block, offsets, hasher));
    if (batch.isFull) yield batch.take();
    if (slice.spend(1 + Math.floor(offsets.length / OFFSETS_PER_ENTRY))) await turn();
  }
  const writer = new PageWriter(hasher);
  for (const [page, its] of pages.entries()) {
    for (const [term, offsets] of sortByTerm(its)) {
      if (offsets.length > layout.maxPaged) writer.addText(term, 1, []);
      else writer.addText(term, 0, offsets);
    }
    batch.add(writer.takeRow('blockPage', page, block));
    if (batch.isFull) yield batch.take();
    if (slice.spend(1 + its.length)) await turn();
  }
  if (!batch.isEmpty) yield batch.take();
}
