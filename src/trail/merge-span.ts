/**
 * Merging: the pages of the blocks of a span become the pages of the span. A page is read from each of the blocks, they are
 * gone through side by side, term by term, and as many entries come out, in a sixteenth of the rows that a search would read.
 * What is read stays; a crash leaves rows of the span that nobody looks at, and they are written again.
 */
import { pageKey } from '../log/rows.ts';
import type { PutRow, Store } from '../store/contract.ts';
import { Batch, type IndexForm, Slice, turn } from './index-pace.ts';
import { openPage, PageCursor, type PageEntry, PageWriter } from './pages.ts';

/** The rows of the span, in batches. Throws LogError `corrupt-data` where a page of its blocks is damaged. */
export async function* mergedRows(store: Store, form: IndexForm, span: number): AsyncGenerator<readonly PutRow[]> {
  const { layout, hasher, pace } = form;
  const { blockPages, spanPages, spanBlocks } = layout;
  const batch = new Batch(pace);
  const slice = new Slice(pace);
  // Page p of the blocks goes into p, p + blockPages, p + 2 · blockPages … of the span.
  const writers = Array.from({ length: spanPages / blockPages }, () => new PageWriter(hasher));
  for (let page = 0; page < blockPages; page++) {
    const keys = Array.from({ length: spanBlocks }, (_, i) => pageKey('blockPage', page, span * spanBlocks + i));
    const values = await store.getMany(keys);
    let left = keys.map((key, i) => ({ block: i, cursor: new PageCursor(openPage(key, values[i], hasher)) }));
    left = left.filter(({ cursor }) => cursor.next());
    while (left.length > 0) {
      const holders = leastOf(left);
      const { hash, term, own, offsets } = join(holders, layout.blockEvents);
      writers[Math.floor((hash % spanPages) / blockPages)]?.add(term, own, offsets);
      const ended = holders.filter(({ cursor }) => !cursor.next());
      if (ended.length > 0) left = left.filter((one) => !ended.includes(one));
      if (slice.spend(holders.length)) await turn();
    }
    for (const [i, writer] of writers.entries()) batch.add(writer.takeRow('spanPage', page + i * blockPages, span));
    if (batch.isFull) yield batch.take();
  }
  if (!batch.isEmpty) yield batch.take();
}

interface Position {
  /** Of the span's blocks, from 0 on. */
  readonly block: number;
  readonly cursor: PageCursor;
}

/** Where the first of the terms in their order is, in the order of the blocks. */
function leastOf(positions: readonly Position[]): readonly Position[] {
  const holders: Position[] = [];
  for (const one of positions) {
    const order = holders[0] === undefined ? 0 : one.cursor.compareWith(holders[0].cursor);
    if (order < 0) holders.length = 0;
    if (order <= 0) holders.push(one);
  }
  return holders;
}

interface Joined extends PageEntry {
  readonly hash: number;
  readonly term: Uint8Array;
}

function join(holders: readonly Position[], blockEvents: number): Joined {
  const offsets: number[] = [];
  let own = 0;
  for (const { block, cursor } of holders) {
    own |= cursor.own << block;
    for (const offset of cursor.offsets()) offsets.push(block * blockEvents + offset);
  }
  const cursor = holders[0]?.cursor;
  return { hash: cursor?.hash ?? 0, term: cursor?.term ?? new Uint8Array(), own, offsets };
}
