/**
 * Event ids that lead nowhere: rows beside those that the events themselves account for. Whoever sends an event under such
 * an id would be told that it is there already.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Hasher } from '../../proofs/hash.ts';
import type { Store } from '../store/contract.ts';
import { deriveTerms } from '../trail/derive-terms.ts';
import { type Damage, damage } from './damage.ts';
import { readWindow } from './read-damaged.ts';
import { openEvent } from './read-events.ts';
import { ALL_IDS, decodeIdRow, idKey, keyAfter } from './rows.ts';
import { LogError } from './types.ts';

const PAGE_ROWS = 1000;

export interface StrayIdOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly size: number;
  /** Rows that led from an event's own id to its index. */
  readonly knownCount: number;
  /** Entries that are not good: about their ids nothing can be said. */
  readonly bad: ReadonlySet<number>;
}

export interface StrayIds {
  readonly damages: readonly Damage[];
  /** Their keys. */
  readonly keys: readonly Uint8Array[];
}

/** One damage for each stray row. Looks at single rows only if there are more of them than events account for. */
export async function findStrayIds(options: StrayIdOptions): Promise<StrayIds> {
  const { store, size, knownCount, bad } = options;
  let count = 0;
  for await (const rows of idRows(store)) count += rows.length;
  if (count === knownCount) return { damages: [], keys: [] };
  const damages: Damage[] = [];
  const keys: Uint8Array[] = [];
  const stray = (key: Uint8Array, index: number | null, found: string): void => {
    keys.push(key);
    damages.push(damage('id-stray', index, found));
  };
  for await (const rows of idRows(store)) {
    for (const { key, value } of rows) {
      const index = indexOf(value);
      if (index === undefined || index >= size) {
        const what = index === undefined ? 'is malformed' : `says ${index}, beyond the tree`;
        stray(key, index ?? null, `a row of an event id ${what}`);
      } else if (!bad.has(index) && (await isOfAnother(options, index, key))) {
        stray(key, index, `a row of an event id says ${index}, which is an event with another id`);
      }
    }
  }
  return { damages, keys };
}

async function* idRows(store: Store): AsyncGenerator<readonly { key: Uint8Array; value: Uint8Array }[]> {
  let { gte } = ALL_IDS;
  for (;;) {
    const rows = await store.range({ ...ALL_IDS, gte, limit: PAGE_ROWS });
    yield [...rows];
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS) return;
    gte = keyAfter(last.key);
  }
}

async function isOfAnother({ store, hasher }: StrayIdOptions, index: number, key: Uint8Array): Promise<boolean> {
  const [{ items: entries }, { items: contents }] = await Promise.all([
    readWindow(store, 'entries', index, index + 1),
    readWindow(store, 'disclosures', index, index + 1),
  ]);
  const [entry, item] = [entries[0], contents[0]];
  if (entry === undefined || item === undefined) return false;
  try {
    const event = openEvent(index, entry, hasher.leaf(entry), item, hasher);
    const derived = deriveTerms(event);
    return derived !== undefined && !equalBytes(idKey(derived.eventId, event.producerId), key);
  } catch {
    return false;
  }
}

function indexOf(row: Uint8Array): number | undefined {
  try {
    return decodeIdRow(row).index;
  } catch (error) {
    if (error instanceof LogError) return undefined;
    throw error;
  }
}
