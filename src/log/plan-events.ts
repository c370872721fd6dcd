/**
 * How a group of prepared events enters an audit log: ids are compared with those taken before, new events get an index
 * and a log time, and beside the tree they bring their contents, their ids and their search terms. Planned purely; a
 * crash before the batch is durable leaves no trace.
 */
import { encodeCbor } from '../../proofs/cbor.ts';
import { decodeEntry } from '../../proofs/entry.ts';
import type { Hasher } from '../../proofs/hash.ts';
import type { Prepared } from '../events/types.ts';
import type { PutRow } from '../store/contract.ts';
import { type GroupTerms, groupTerms, type IndexedEvent, tailRow } from '../trail/postings.ts';
import { findOccurrences, type Occurrence, type PendingIds } from './deduplicate.ts';
import type { Planner } from './group-plan.ts';
import { chunkRows, type Integrated, integrate, type Leaf, type TreeState } from './integrate.ts';
import type { KnownKeys } from './known-keys.ts';
import { checkClock } from './log-time.ts';
import { encodeIdRow, idKey } from './rows.ts';
import { type Sequenced, sequence } from './sequence.ts';
import { LogError, type SubmitResult } from './types.ts';

export interface EventPlannerOptions {
  /** The id rows there are, and a word about those to come. */
  readonly ids: Pick<KnownKeys, 'getMany' | 'add'>;
  readonly hasher: Hasher;
  readonly nowUs: () => number;
  /** The entry of a taken index, read back from the log. */
  readonly readEntry: (index: number) => Promise<Uint8Array>;
  /** Told of what became durable, before the answers leave. The terms are given away: nobody else needs them. */
  readonly onDurable: (group: readonly Sequenced[], terms: readonly GroupTerms[]) => void;
}

export function planEvents(options: EventPlannerOptions): Planner<Prepared, SubmitResult> {
  const { ids, hasher, nowUs, onDurable } = options;
  const pendingIds: PendingIds = new Map();
  return {
    byteCount: (event) => event.byteCount,
    sourceOf: (event) => event.producerId,
    plan: async (events, before) => {
      const { all, names, keys } = await findOccurrences(ids, pendingIds, events);
      const fresh: Prepared[] = [];
      const freshNames: string[] = [];
      const freshKeys: Uint8Array[] = [];
      /** Where each event stands among the fresh ones; not at all if it is none. */
      const places: (number | undefined)[] = [];
      for (const [position, event] of events.entries()) {
        places.push(all[position]?.kind === 'new' ? fresh.length : undefined);
        if (all[position]?.kind !== 'new') continue;
        fresh.push(event);
        freshNames.push(names[position] ?? '');
        freshKeys.push(keys[position] ?? idKey(event.eventId, event.producerId));
      }
      const now = nowUs();
      if (fresh.length > 0) checkClock(now, before.lastLogTime);
      const group = sequence(fresh, { size: before.range.size, lastLogTime: before.lastLogTime }, now, hasher);
      ids.add(freshKeys);
      for (const [i, { index, event }] of group.entries()) {
        pendingIds.set(freshNames[i] ?? '', { index, contentMac: event.contentMac });
      }
      const { state, rows, terms } = integrateEvents(before, group, freshKeys, hasher);
      return {
        ...{ state, rows },
        addsLeaves: group.length > 0,
        onDurable: () => {
          onDurable(group, terms);
          for (const name of freshNames) pendingIds.delete(name);
        },
        resultAt: (position) => resultAt(options, all, (at) => group[places[at] ?? group.length], position),
      };
    },
  };
}

export interface IntegratedEvents extends Integrated {
  /** Of the group, for the index in memory once its rows are durable. */
  readonly terms: readonly GroupTerms[];
}

/** The tree with these events, and all rows that they bring; `idKeys` are those of their id rows. */
export function integrateEvents(
  before: TreeState,
  group: readonly Sequenced[],
  idKeys: readonly Uint8Array[],
  hasher: Hasher,
): IntegratedEvents {
  const leaves = group.map(leafOf);
  const { state, rows } = integrate(before, leaves, hasher);
  const contents = chunkRows('disclosures', leaves, (chunk) => encodeCbor(chunk.map(({ event }) => event.contents)));
  const ids = group.map(({ event, index }, i): PutRow => {
    const key = idKeys[i] ?? idKey(event.eventId, event.producerId);
    return { key, value: encodeIdRow(index, event.contentMac) };
  });
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
  sequencedAt: (position: number) => Sequenced | undefined,
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
  const entry = sequencedAt(origin);
  if (entry === undefined) throw new LogError('log-stopped', 'an event was neither new nor known');
  if (occurrence?.kind !== 'repeats') return answer('accepted', entry);
  return occurrence.sameContent ? answer('duplicate', entry) : { status: 'conflict', index: entry.index };
}

function answer(status: 'accepted' | 'duplicate', { index, logTime, leafHash }: Sequenced): SubmitResult {
  return { status, index, logTime, leafHash };
}
