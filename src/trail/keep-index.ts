/**
 * Keeps the search index in few rows, behind the submissions and in small steps: full blocks are sealed, whole spans are
 * merged, and the rows that were replaced are deleted. It alone changes how far the index has come.
 *
 *   seal, merge    the new rows in any number of batches; then, in one batch, the counts: from then on they are looked at
 *   delete         what the counts have left behind, in slices
 *
 * A crash before the counts leaves rows that nobody looks at, and they are written again; a crash after them leaves rows that
 * nobody looks at any more, and the next start deletes them.
 */
import { COUNTS_KEY, encodeCounts, type IndexCounts, pageKey, tailFirstIndex, tailKey } from '../log/rows.ts';
import { LogError } from '../log/types.ts';
import { type Row, type Store, StoreError } from '../store/contract.ts';
import { type IndexForm, turn } from './index-pace.ts';
import { mergedRows } from './merge-span.ts';
import type { BlockTerms } from './postings.ts';
import { sealedRows } from './seal-block.ts';

/** Whole spans that may wait to be merged while blocks wait to be sealed; with more of them, merging goes first. */
const MAX_WAITING_SPANS = 2;

export interface KeeperOptions {
  readonly store: Store;
  readonly form: IndexForm;
  readonly counts: IndexCounts;
  /** The terms of this block if it is full. */
  readonly fullBlock: (block: number) => BlockTerms | undefined;
  /** Told in the turn in which the counts change. */
  readonly onSealed: (block: number) => void;
  /** Resolves when nobody reads any more by the counts of before. */
  readonly readersOfBefore: () => Promise<void>;
  /** The store failed: nothing more is written. */
  readonly onFailure: (error: unknown) => void;
}

/** Batches to be written, and what follows them. Jobs take turns between batches. */
interface Job {
  readonly batches: AsyncGenerator<readonly Row[]>;
  readonly commit: () => Promise<void>;
}

export class IndexKeeper {
  readonly #options: KeeperOptions;
  #counts: IndexCounts;
  #deletions: Job[];
  #sealing: Job | undefined;
  #merging: Job | undefined;
  /** A page cannot be read: its span stays as it is until the index was repaired. */
  #cannotMerge = false;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#counts = options.counts;
    const { sealed, paged, merged } = this.#counts;
    this.#deletions = sealed === 0 ? [] : [this.#deleteTail(sealed - 1)];
    // The first span that is merged is the first that has pages for all of its blocks.
    if ((merged - 1) * options.form.layout.spanBlocks >= paged) this.#deletions.push(this.#deletePages(merged - 1));
  }

  get counts(): IndexCounts {
    return this.#counts;
  }

  /** There may be something to do. */
  work(): void {
    if (this.#running !== undefined || this.#closed || this.#next() === undefined) return;
    this.#running = this.#run()
      .catch((error: unknown) => {
        this.#closed = true;
        this.#options.onFailure(error);
      })
      .finally(() => {
        this.#running = undefined;
        this.work();
      });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let job = this.#next(); job !== undefined && !this.#closed; job = this.#next()) {
      const batch = await this.#nextBatch(job);
      if (this.#closed) return;
      if (batch === undefined) await job.commit();
      else if (batch.length > 0) await this.#options.store.write(batch);
      await turn();
    }
  }

  /** Blocks that wait to be sealed take memory: they go first, unless that would put off merging for ever. */
  #next(): Job | undefined {
    const [deletion] = this.#deletions;
    if (deletion !== undefined) return deletion;
    const { layout } = this.#options.form;
    const { sealed, merged } = this.#counts;
    const waiting = this.#cannotMerge ? 0 : Math.floor(sealed / layout.spanBlocks) - merged;
    if (waiting <= MAX_WAITING_SPANS) {
      const terms = this.#sealing === undefined ? this.#options.fullBlock(sealed) : undefined;
      if (terms !== undefined) this.#sealing = this.#seal(sealed, terms);
      if (this.#sealing !== undefined) return this.#sealing;
    }
    if (waiting > 0) this.#merging ??= this.#merge(merged);
    return this.#merging;
  }

  async #nextBatch(job: Job): Promise<readonly Row[] | undefined> {
    try {
      const { value, done } = await job.batches.next();
      return done === true ? undefined : value;
    } catch (error) {
      if (job !== this.#merging || !isUnreadable(error)) throw error;
      // Searches that need the page are refused, and the scrubber names its events; the log goes on.
      this.#cannotMerge = true;
      this.#merging = undefined;
      return [];
    }
  }

  #seal(block: number, terms: BlockTerms): Job {
    return {
      batches: sealedRows(this.#options.form, block, terms),
      commit: async () => {
        await this.#advance({ ...this.#counts, sealed: block + 1 });
        this.#options.onSealed(block);
        this.#sealing = undefined;
        this.#deletions.push(this.#deleteTail(block));
      },
    };
  }

  #merge(span: number): Job {
    return {
      batches: mergedRows(this.#options.store, this.#options.form, span),
      commit: async () => {
        await this.#advance({ ...this.#counts, merged: span + 1 });
        this.#merging = undefined;
        this.#deletions.push(this.#deletePages(span));
      },
    };
  }

  /** The commit point: from here on other rows are looked at. */
  async #advance(counts: IndexCounts): Promise<void> {
    await this.#options.store.write([{ key: COUNTS_KEY, value: encodeCounts(counts) }]);
    this.#counts = counts;
  }

  #deleteTail(block: number): Job {
    const { store, form } = this.#options;
    return { batches: tailOf(store, form, block), commit: () => this.#endDeletion() };
  }

  #deletePages(span: number): Job {
    const { store, form, readersOfBefore } = this.#options;
    return { batches: pagesOf(store, form, span, readersOfBefore), commit: () => this.#endDeletion() };
  }

  async #endDeletion(): Promise<void> {
    this.#deletions.shift();
  }
}

function isUnreadable(error: unknown): boolean {
  if (error instanceof LogError) return error.code === 'corrupt-data';
  return error instanceof StoreError && error.code !== 'store-closed';
}

/** The tail rows of a sealed block, as deletions. */
async function* tailOf(store: Store, { layout, pace }: IndexForm, block: number): AsyncGenerator<readonly Row[]> {
  const end = (block + 1) * layout.blockEvents;
  let first = block * layout.blockEvents;
  while (first < end) {
    const rows = await store.range({ gte: tailKey(first), lt: tailKey(end), limit: pace.deletedRows });
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ key }) => ({ key, delete: true }));
    first = tailFirstIndex(last.key) + 1;
  }
}

/** The pages of a merged span's blocks, as deletions. They are written in their order: with the last of them all are gone. */
async function* pagesOf(
  store: Store,
  { layout, pace }: IndexForm,
  span: number,
  readersOfBefore: () => Promise<void>,
): AsyncGenerator<readonly Row[]> {
  const first = span * layout.spanBlocks;
  const last = first + layout.spanBlocks - 1;
  if ((await store.get(pageKey('blockPage', layout.blockPages - 1, last))) === undefined) return;
  await readersOfBefore();
  let rows: Row[] = [];
  for (let page = 0; page < layout.blockPages; page++) {
    for (let block = first; block <= last; block++) rows.push({ key: pageKey('blockPage', page, block), delete: true });
    if (rows.length < pace.deletedRows && page + 1 < layout.blockPages) continue;
    yield rows;
    rows = [];
  }
}
