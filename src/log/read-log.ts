/** The reading half of a log: tiles, proofs, receipts, events and search, each against one durable state. */

import { decodeEntry } from '../../proofs/entry.ts';
import { rangeRoot } from '../../proofs/range.ts';
import { encodeEntryBundle, tileWidthAt } from '../../proofs/tile.ts';
import type { LogCore } from './core.ts';
import { readAllItems } from './entries.ts';
import { checkEntry } from './load.ts';
import { consistency, inclusion, leafAt, type ProofSource, receipt, rootAt } from './prove.ts';
import { type EventSource, readEntry, readEvents } from './read-events.ts';
import { decodeIdRow, idKey, idRange } from './rows.ts';
import { type Log, LogError } from './types.ts';

/** Producers that may share one event id before the answer is cut; far above what any query can use. */
const MAX_SAME_ID = 100;

type ReadHalf = Pick<
  Log,
  | 'checkpoint'
  | 'publishedSize'
  | 'head'
  | 'signedSize'
  | 'treeSize'
  | 'tile'
  | 'entryBundle'
  | 'inclusionProof'
  | 'consistencyProof'
  | 'rootAt'
  | 'leafHashAt'
  | 'receipt'
  | 'eventAt'
  | 'eventsAt'
  | 'findEvent'
  | 'search'
  | 'indexAtTime'
>;

export function readLog(core: () => LogCore): ReadHalf {
  const source = (): ProofSource & EventSource => {
    const { store, reader, hasher, durableState } = core();
    return { store, reader, hasher, state: durableState() };
  };
  const treeSize = (): number => core().durableState().range.size;
  const signedSize = (): number => core().heads.head?.checkpoint.size ?? 0;
  const publishedSize = (): number => core().publisher.published?.size ?? 0;
  const checkSigned = (size: number): void => {
    if (size > signedSize()) throw new LogError('size-not-signed', `no head of size ${size} has been signed`, { size });
  };

  return {
    checkpoint: () => core().publisher.published?.note,
    publishedSize,
    head: () => core().heads.head?.note,
    signedSize,
    treeSize,
    tile: async ({ level, index, width }) => {
      if (width > tileWidthAt(level, index, signedSize())) return undefined;
      const { reader, state } = source();
      return reader.tile(state, level, index, width);
    },
    entryBundle: async (index, width) => {
      if (width > tileWidthAt(0, index, signedSize())) return undefined;
      const from = source();
      const first = index * 256;
      const entries = await readAllItems(from.store, 'entries', first, first + width);
      const nodes = entries.map((_, i) => ({ level: 0, index: first + i }));
      const expected = await from.reader.hashReader(from.state)(nodes);
      for (const [i, entry] of entries.entries()) checkEntry(first + i, entry, expected[i], from.hasher);
      return encodeEntryBundle(entries);
    },
    inclusionProof: async (index, size) => {
      checkSigned(size);
      if (index >= size) throw new LogError('not-in-log', `index ${index} is not below size ${size}`, { index, size });
      return inclusion(source(), index, size);
    },
    consistencyProof: async (from, to) => {
      checkSigned(to);
      if (from > to) throw new LogError('not-in-log', `size ${from} is larger than size ${to}`, { from, to });
      return consistency(source(), from, to);
    },
    rootAt: async (size) => {
      const from = source();
      if (size > from.state.range.size) throw new LogError('not-in-log', `the tree has no size ${size} yet`, { size });
      return size === from.state.range.size ? rangeRoot(from.state.range, from.hasher) : rootAt(from, size);
    },
    leafHashAt: async (index) => {
      if (index >= treeSize()) throw new LogError('not-in-log', `index ${index} is beyond the tree`, { index });
      return leafAt(source(), index);
    },
    receipt: async (index) => {
      const { published } = core().publisher;
      if (published === undefined || index >= published.size) return undefined;
      return receipt(source(), index, published, await readEntry(source(), index));
    },
    eventAt: async (index) => (index >= treeSize() ? undefined : (await readEvents(source(), [index]))[0]),
    eventsAt: (indices) => readEvents(source(), indices),
    findEvent: async (eventId, producerId) => {
      const { store } = source();
      if (producerId !== undefined) {
        const row = await store.get(idKey(eventId, producerId));
        return row === undefined ? [] : [decodeIdRow(row).index];
      }
      const rows = await store.range(idRange(eventId, MAX_SAME_ID));
      return rows.map(({ value }) => decodeIdRow(value).index).sort((a, b) => a - b);
    },
    search: async ({ terms, anyOf = [], from, size, limit }) => {
      const to = Math.min(size, treeSize());
      const clauses = [...terms.map((term) => [term]), ...anyOf];
      if (clauses.length > 0) return core().search.search({ clauses, from, to, limit });
      const count = Math.max(0, Math.min(limit, to - from));
      const indices = Array.from({ length: count }, (_, i) => from + i);
      return { indices, complete: true, next: from + count };
    },
    indexAtTime: async (logTimeUs) => {
      const from = source();
      let low = 0;
      let high = from.state.range.size;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const { logTime } = decodeEntry(await readEntry(from, middle));
        if (logTime < logTimeUs) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  };
}
