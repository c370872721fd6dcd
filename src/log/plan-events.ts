/**
 * How a group of prepared events enters an audit log: ids are compared with those taken before, new events get an index
 * and a log time, and beside the tree they bring their contents, their ids and their search terms. Planned purely; a
 * crash before the batch is durable leaves no trace.
 */
import { encodeCbor } from '../../proofs/cbor.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import type { Hasher } from '../../proofs/hash.ts';
import type { Prepared } from '../events/types.ts';
import type { PutRow, Store } from '../store/contract.ts';
import { type GroupTerms, groupTerms, type IndexedEvent, tailRow } from '../trail/postings.ts';
import { findOccurrences, type Occurrence, type PendingIds, pendingName } from './deduplicate.ts';
import type { Planner } from './group-plan.ts';
import { chunkRows, type Integrated, integrate, type Leaf, type TreeState } from './integrate.ts';
import { checkClock } from './log-time.ts';
import { encodeIdRow, idKey } from './rows.ts';
import { type Sequenced, sequence } from './sequence.ts';
import { LogError, type SubmitResult } from './types.ts';

export interface EventPlannerOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly nowUs: () => number;
  /** The entry of a taken index, read back from the log. */
  readonly readEntry: (index: number) => Promise<Uint8Array>;
  /** Told of what became durable, before the answers leave. The terms are given away: nobody else needs them. */
  readonly onDurable: (group: readonly Sequenced[], terms: readonly GroupTerms[]) => void;
}

export function planEvents(options: EventPlannerOptions): Planner<Prepared, SubmitResult> {
  const { store, hasher, nowUs, onDurable } = options;
  const pendingIds: PendingIds = new Map();
  return {
    byteCount: (event) => event.byteCount,
    sourceOf: (event) => event.producerId,
    plan: async (events, before) => {
      const occurrences = await findOccurrences(store, pendingIds, events);
      const positions = occurrences.flatMap((occurrence, position) => (occurrence.kind === 'new' ? [position] : []));
      const fresh = positions.flatMap((position) => events[position] ?? []);
      const now = nowUs();
      if (fresh.length > 0) checkClock(now, before.lastLogTime);
      const group = sequence(fresh, { size: before.range.size, lastLogTime: before.lastLogTime }, now, hasher);
      for (const { index, event } of group) {
        pendingIds.set(pendingName(event), { index, contentMac: event.contentMac });
      }
      const sequenced = new Map(group.map((one, i) => [positions[i] ?? 0, one] as const));
      const { state, rows, terms } = integrateEvents(before, group, hasher);
      return {
        ...{ state, rows },
        addsLeaves: group.length > 0,
        onDurable: () => {
          onDurable(group, terms);
          for (const { event } of group) pendingIds.delete(pendingName(event));
        },
        resultAt: (position) => resultAt(options, occurrences, sequenced, position),
      };
    },
  };
}

export interface IntegratedEvents extends Integrated {
  /** Of the group, for the index in memory once its rows are durable. */
  readonly terms: readonly GroupTerms[];
}

/** The tree with these events, and all rows that they bring. */
export function integrateEvents(before: TreeState, group: readonly Sequenced[], hasher: Hasher): IntegratedEvents {
  const leaves = group.map(leafOf);
  const { state, rows } = integrate(before, leaves, hasher);
  const contents = chunkRows('disclosures', leaves, (chunk) => encodeCbor(chunk.map(({ event }) => event.contents)));
  const ids = group.map(
    ({ event, index }): PutRow => ({
      key: idKey(event.eventId, event.producerId),
      value: encodeIdRow(index, event.contentMac),
    }),
  );
  const terms = groupTerms(indexed(group));
  return { state, rows: [...rows, ...contents, ...ids, ...terms.map((part) => tailRow(part, hasher))], terms };
}

/** What the search index takes of a group. */
export function indexed(group: readonly Sequenced[]): readonly IndexedEvent[] {
  return group.map(({ index, event }) => ({ index, terms: event.terms }));
}

function leafOf({ index, entry, leafHash, logTime, event }: Sequenced): Leaf & Pick<Sequenced, 'event'> {
  return { index, entry, leafHash, logTime, byteCount: event.byteCount, event };
}

function resultAt(
  { hasher, readEntry }: EventPlannerOptions,
  occurrences: readonly Occurrence[],
  sequenced: ReadonlyMap<number, Sequenced>,
  position: number,
): SubmitResult | Promise<SubmitResult> {
  const occurrence = occurrences[position];
  if (occurrence?.kind === 'taken') {
    const { index, sameContent } = occurrence;
    if (!sameContent) return { status: 'conflict', index };
    return readEntry(index).then((entry) => {
      return { status: 'duplicate', index, logTime: decodeEntry(entry).logTime, leafHash: hasher.leaf(entry) };
    });
  }
  if (occurrence?.kind === 'damaged') throw occurrence.error;
  const origin = occurrence?.kind === 'repeats' ? occurrence.position : position;
  const entry = sequenced.get(origin);
  if (entry === undefined) throw new LogError('log-stopped', 'an event was neither new nor known');
  if (occurrence?.kind !== 'repeats') return answer('accepted', entry);
  return occurrence.sameContent ? answer('duplicate', entry) : { status: 'conflict', index: entry.index };
}

function answer(status: 'accepted' | 'duplicate', { index, logTime, leafHash }: Sequenced): SubmitResult {
  return { status, index, logTime, leafHash };
}
