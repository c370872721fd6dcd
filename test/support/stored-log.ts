/** A published log of realistic events in memory, closed, to be damaged and examined: for the tests of fsck and repair. */

import { prepareEvent } from '../../src/events/prepare.ts';
import type { Prepared } from '../../src/events/types.ts';
import { type FsckOptions, type FsckReport, fsck } from '../../src/log/fsck.ts';
import { type ChunkKind, chunkKey } from '../../src/log/rows.ts';
import { type MemoryStore, openMemoryStore, type SortedRows } from '../../src/store/memory.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { bytesOf, DESIGN_EVENT, testContext } from './prepare.ts';
import { ORIGIN, openTestLog, publishAll, testKeys, until, withDirectory } from './test-log.ts';

/** Two full tiles and a half, in groups of 50, whose chunks also end at multiples of 32. */
export const COUNT = 660;
/** First byte of the keys, as rows.ts lays them out. */
export const KIND = { state: 1, tile: 2, entries: 3, id: 5, head: 6, published: 7, tail: 8 } as const;

export interface Stored {
  readonly rows: SortedRows;
  readonly directory: string;
  readonly store: MemoryStore;
  readonly options: FsckOptions;
  readonly check: () => Promise<FsckReport>;
}

export const eventOf = (id: string): Prepared =>
  prepareEvent(bytesOf({ ...DESIGN_EVENT, event_id: id }), testContext());

export async function withLog(
  use: (stored: Stored) => Promise<void>,
  count = COUNT,
  make: (index: number) => Prepared = (index) => eventOf(`e${index}`),
): Promise<void> {
  await withDirectory(async (directory) => {
    const store = openMemoryStore();
    const { log, keys } = await openTestLog(directory, { openStore: async () => store });
    for (let from = 0; from < count; from += 50) {
      const width = Math.min(50, count - from);
      await log.submit(Array.from({ length: width }, (_, i) => make(from + i)));
    }
    await until(() => log.signedSize() === count);
    await publishAll(log, keys);
    await until(() => log.publishedSize() === count);
    await log.close();
    const options: FsckOptions = {
      store: store.reopen(),
      hasher: nativeHasher,
      directory,
      origin: ORIGIN,
      kind: 'audit',
      policyText: testKeys().policyText,
      onProgress: () => undefined,
    };
    await use({ rows: store.rows, directory, store: store.reopen(), options, check: () => fsck(options) });
  });
}

export const rowsOf = ({ list }: SortedRows, kind: number): { key: Uint8Array; value: Uint8Array }[] =>
  list.filter(({ key }) => key[0] === kind);

/** The one row of this kind at this place, or an Error. */
export function rowAt(rows: SortedRows, kind: number, place: number): { key: Uint8Array; value: Uint8Array } {
  const row = rowsOf(rows, kind).at(place);
  if (row === undefined) throw new Error(`there is no row ${place} of kind ${kind}`);
  return row;
}

/** The chunk that begins with this index, or an Error. */
export function chunkFrom(rows: SortedRows, kind: ChunkKind, first: number): { key: Uint8Array; value: Uint8Array } {
  const row = rows.find(chunkKey(kind, first));
  if (row === undefined) throw new Error(`no chunk of ${kind} begins at ${first}`);
  return row;
}

export function flip(row: { value: Uint8Array }, at: number): void {
  row.value[at] = (row.value[at] ?? 0) ^ 1;
}

export function remove(rows: SortedRows, row: { key: Uint8Array }): void {
  rows.apply({ key: row.key, delete: true });
}
