/**
 * Holds what is stored beside the entries of an audit log against them: contents must open the entry's commitments, the id
 * row must lead back to the index, and the search index must say what the contents say. A window of entries at a time.
 */
import type { Hasher } from '../../proofs/hash.ts';
import type { Store } from '../store/contract.ts';
import { checkIndexBlock } from '../trail/check-index.ts';
import { deriveTerms } from '../trail/derive-terms.ts';
import { readCounts } from '../trail/index-counts.ts';
import {
  addOffsets,
  addTerms,
  type BlockTerms,
  emptySet,
  type IndexLayout,
  LAYOUT,
  type OffsetSet,
} from '../trail/postings.ts';
import { type Damage, damage } from './damage.ts';
import { readRow, readWindow } from './read-damaged.ts';
import { openEvent } from './read-events.ts';
import { decodeIdRow, decodeLeafRow, idKey, leafKey } from './rows.ts';
import { LogError, type StoredEvent } from './types.ts';

type Maybe<T> = T | undefined;

export interface ContentsCheck {
  /** The next window: its entries, undefined where one is missing or altered. */
  window(from: number, entries: readonly Maybe<Uint8Array>[]): Promise<readonly Damage[]>;
  /** What is still open when the last window was handed in. */
  end(size: number): Promise<readonly Damage[]>;
  /** Event ids that led back to their index. */
  readonly idCount: number;
}

/** Windows come in the order of the log, from index `from` on, a multiple of BLOCK_EVENTS; none reaches into another block. */
export class AuditContents implements ContentsCheck {
  readonly #store: Store;
  readonly #hasher: Hasher;
  readonly #layout: IndexLayout;
  #block: OpenBlock;
  #toldOfCounts = false;
  idCount = 0;

  constructor(store: Store, hasher: Hasher, from: number = 0, layout: IndexLayout = LAYOUT) {
    this.#store = store;
    this.#hasher = hasher;
    this.#layout = layout;
    this.#block = openBlock(from / layout.blockEvents);
  }

  async window(from: number, entries: readonly Maybe<Uint8Array>[]): Promise<readonly Damage[]> {
    const { items, faults } = await readWindow(this.#store, 'disclosures', from, from + entries.length);
    const damages: Damage[] = [];
    const ids: { readonly index: number; readonly key: Uint8Array }[] = [];
    for (const [i, entry] of entries.entries()) {
      const index = from + i;
      const fault = faults.get(index);
      if (fault !== undefined) damages.push(damage('contents-missing', index, `contents of event ${index}: ${fault}`));
      const item = items[i];
      if (entry === undefined || item === undefined) continue;
      const event = openOrDamage(index, entry, item, this.#hasher);
      if ('kind' in event) {
        damages.push(event);
        continue;
      }
      const derived = deriveTerms(event);
      if (derived === undefined) continue;
      ids.push({ index, key: idKey(derived.eventId, event.producerId) });
      const offset = index % this.#layout.blockEvents;
      addTerms(this.#block.terms, offset, derived.terms);
      addOffsets(this.#block.derived, [offset]);
    }
    damages.push(...(await this.#checkIds(ids)));
    const end = from + entries.length;
    if (end % this.#layout.blockEvents === 0) damages.push(...(await this.#checkIndex(end)));
    return damages;
  }

  async end(size: number): Promise<readonly Damage[]> {
    return size % this.#layout.blockEvents === 0 ? [] : this.#checkIndex(size);
  }

  async #checkIds(ids: readonly { readonly index: number; readonly key: Uint8Array }[]): Promise<readonly Damage[]> {
    const rows = await this.#store
      .getMany(ids.map(({ key }) => key))
      .catch(() => Promise.all(ids.map(({ key }) => readRow(this.#store, key))));
    return ids.flatMap(({ index }, i) => {
      const row = rows[i];
      const found = row === undefined ? undefined : indexOf(() => decodeIdRow(row).index);
      if (found === index) {
        this.idCount += 1;
        return [];
      }
      if (row === undefined) return [damage('id-missing', index, `the row of the event id of ${index} is missing`)];
      const what = found === undefined ? 'is malformed' : `says ${found}`;
      return [damage('id-wrong', index, `the row of the event id of ${index} ${what}`)];
    });
  }

  async #checkIndex(end: number): Promise<readonly Damage[]> {
    const { terms, derived, number } = this.#block;
    const first = number * this.#layout.blockEvents;
    this.#block = openBlock(number + 1);
    const wanted = { ...{ block: number, terms, derived }, count: end - first };
    const { badOffsets, lacksPages } = await checkIndexBlock(this.#store, this.#hasher, wanted, this.#layout);
    const damages = badOffsets.map((offset) =>
      damage(
        'search-wrong',
        first + offset,
        `the search index says something else about event ${first + offset} than the event`,
      ),
    );
    if (lacksPages && damages.length === 0) {
      const what = `a row of the search index for events from ${first} on cannot be read; none of these is in it`;
      damages.push(damage('search-wrong', first, what));
    }
    return [...damages, ...(await this.#checkCounts(first))];
  }

  /** The row is about the whole index, and is told of once. */
  async #checkCounts(index: number): Promise<readonly Damage[]> {
    const { isDamaged } = await readCounts(this.#store, this.#layout);
    if (!isDamaged || this.#toldOfCounts) return [];
    this.#toldOfCounts = true;
    return [
      damage('search-wrong', index, 'the row that says how far the search index is sealed is missing or damaged'),
    ];
  }
}

/** Beside the entries of a raw log there are the rows that find them by their bytes, where it suppresses duplicates. */
export class RawContents implements ContentsCheck {
  readonly #store: Store;
  readonly #hasher: Hasher;
  idCount = 0;

  constructor(store: Store, hasher: Hasher) {
    this.#store = store;
    this.#hasher = hasher;
  }

  async window(from: number, entries: readonly Maybe<Uint8Array>[]): Promise<readonly Damage[]> {
    const damages: Damage[] = [];
    for (const [i, entry] of entries.entries()) {
      if (entry === undefined) continue;
      const index = from + i;
      const row = await readRow(this.#store, leafKey(this.#hasher.leaf(entry)));
      // Bytes that were added while duplicates were allowed have no row; a row of theirs names the first of them.
      const found = row === undefined ? index : indexOf(() => decodeLeafRow(row));
      if (found !== undefined && found <= index) this.idCount += row === undefined || found !== index ? 0 : 1;
      else
        damages.push(
          damage('id-wrong', index, `the row that finds entry ${index} by its bytes says ${found ?? 'nothing'}`),
        );
    }
    return damages;
  }

  async end(): Promise<readonly Damage[]> {
    return [];
  }
}

interface OpenBlock {
  readonly number: number;
  readonly terms: BlockTerms;
  readonly derived: OffsetSet;
}

function openBlock(number: number): OpenBlock {
  return { number, terms: new Map(), derived: emptySet() };
}

function openOrDamage(index: number, entry: Uint8Array, item: Uint8Array, hasher: Hasher): StoredEvent | Damage {
  try {
    return openEvent(index, entry, hasher.leaf(entry), item, hasher);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return damage('contents-altered', index, `contents of event ${index}: ${reason}`);
  }
}

function indexOf(read: () => number): Maybe<number> {
  try {
    return read();
  } catch (error) {
    if (error instanceof LogError) return undefined;
    throw error;
  }
}
