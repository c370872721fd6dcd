/**
 * Idempotency, for ever: one (producer, event id) is one entry. The same content again gets the first answer, other
 * content under the same id is a conflict. Ids of groups that are still being written count as taken.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Prepared } from '../events/types.ts';
import type { Store } from '../store/contract.ts';
import { decodeIdRow, idKey } from './rows.ts';
import { LogError } from './types.ts';

/** An event whose id was taken before this group; `index` answers which. */
export interface Taken {
  readonly index: number;
  readonly sameContent: boolean;
}

/**
 * Per event of a group: it is new, was taken before, or repeats the event at `position` of the same group. Where the row of its id
 * is damaged it cannot be told: then it is refused, alone, and nothing is stored twice.
 */
export type Occurrence =
  | { readonly kind: 'new' }
  | ({ readonly kind: 'taken' } & Taken)
  | { readonly kind: 'damaged'; readonly error: LogError }
  | { readonly kind: 'repeats'; readonly position: number; readonly sameContent: boolean };

/** Ids in groups that were planned and are not durable yet. */
export type PendingIds = Map<string, { readonly index: number; readonly contentMac: Uint8Array }>;

/** What was found out about a group, event by event. */
export interface Occurrences {
  readonly all: readonly Occurrence[];
  /** Each event's name among the pending ids. */
  readonly names: readonly string[];
  /** The key of each event's id row. */
  readonly keys: readonly Uint8Array[];
}

/**
 * The pending ids are looked at before the stored ones: a group that becomes durable in between is then in the store's
 * answer, and none can slip through. Only the one writer adds pending ids.
 */
export async function findOccurrences(
  ids: Pick<Store, 'getMany'>,
  pending: PendingIds,
  events: readonly Prepared[],
): Promise<Occurrences> {
  const names = events.map(({ eventId, producerId }) => `${eventId}\0${producerId}`);
  const keys = events.map(({ eventId, producerId }) => idKey(eventId, producerId));
  const inFlight = names.map((name) => pending.get(name));
  const rows = await ids.getMany(keys);
  const firstPosition = new Map<string, number>();
  const all = events.map((event, position): Occurrence => {
    const row = rows[position];
    const taken = inFlight[position] ?? (row === undefined ? undefined : readIdRow(row));
    if (taken instanceof LogError) return { kind: 'damaged', error: taken };
    if (taken !== undefined) {
      return { kind: 'taken', index: taken.index, sameContent: equalBytes(taken.contentMac, event.contentMac) };
    }
    const name = names[position] ?? '';
    const earlier = firstPosition.get(name);
    const original = earlier === undefined ? undefined : events[earlier];
    if (earlier === undefined || original === undefined) {
      firstPosition.set(name, position);
      return NEW;
    }
    return { kind: 'repeats', position: earlier, sameContent: equalBytes(original.contentMac, event.contentMac) };
  });
  return { all, names, keys };
}

const NEW: Occurrence = { kind: 'new' };

function readIdRow(row: Uint8Array): ReturnType<typeof decodeIdRow> | LogError {
  try {
    return decodeIdRow(row);
  } catch (error) {
    if (error instanceof LogError) return error;
    throw error;
  }
}
