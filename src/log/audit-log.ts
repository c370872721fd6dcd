/**
 * A log of audit events: what it adds to the tree (plan-events.ts), and how its events are read back and found.
 */
import { decodeEntry } from '../../proofs/entry.ts';
import type { Prepared } from '../events/types.ts';
import { SearchIndex } from '../trail/search-index.ts';
import { AuditContents, type ContentsCheck } from './check-contents.ts';
import type { LogCore } from './core.ts';
import { KnownKeys } from './known-keys.ts';
import { startLog } from './log.ts';
import type { LogKind } from './log-kind.ts';
import type { OpenLogOptions } from './options.ts';
import { planEvents } from './plan-events.ts';
import { type EntrySource, readEntry } from './read-entries.ts';
import { readEvents } from './read-events.ts';
import { entrySource } from './read-tree.ts';
import { ALL_IDS, decodeIdRow, idKey, idRange } from './rows.ts';
import type { DurableEvent, Log, SubmitResult } from './types.ts';

/** Producers that may share one event id before the answer is cut; far above what any query can use. */
const MAX_SAME_ID = 100;

/**
 * Opens an audit log. Throws LogError `corrupt-data` when the tree on disk does not hold together, StoreError
 * `store-locked` when another process has it, ProofError for a bad policy. A log whose database was set back opens,
 * serves what it has, refuses to sign and to take submissions, and says why in `health`.
 */
export async function openLog(options: OpenLogOptions): Promise<Log> {
  const listeners = new Set<(group: readonly DurableEvent[]) => void>();
  const { tree, submit, core } = await startLog(
    options,
    auditKind((group) => {
      for (const listener of listeners) listener(group);
    }),
  );
  return {
    ...tree,
    kind: 'audit',
    submit,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...readAudit(core),
  };
}

function auditKind(onGroup: (group: readonly DurableEvent[]) => void): LogKind<Prepared, SubmitResult, SearchIndex> {
  return {
    weighed: 'disclosures',
    load: async ({ store, hasher, nowUs, size, source, onFailure }) => {
      const search = await SearchIndex.load(store, size, hasher, onFailure);
      const ids = new KnownKeys(store, ALL_IDS, size);
      const planner = planEvents({
        ids,
        hasher,
        nowUs,
        readEntry: (index) => readEntry(source(), index),
        onDurable: (group, terms) => {
          search.append(terms);
          onGroup(group);
        },
      });
      const checkContents = (from: number): ContentsCheck => new AuditContents(store, hasher, from);
      const close = async (): Promise<void> => {
        await ids.close();
        await search.close();
      };
      return { planner, checkContents, own: search, close };
    },
  };
}

type AuditReads = Pick<Log, 'eventAt' | 'eventsAt' | 'findEvent' | 'search' | 'indexAtTime'>;

function readAudit(core: () => LogCore<Prepared, SubmitResult, SearchIndex>): AuditReads {
  const source = (): EntrySource => entrySource(core());
  const treeSize = (): number => core().durableState().range.size;
  return {
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
      if (clauses.length > 0) return core().own.search({ clauses, from, to, limit });
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
