/**
 * Stage `integrate`: appends a sequenced group to the tree. Pure: the state before comes in, the state after and the
 * rows to write come out, and nothing changes until the batch is durable. A crash before that leaves the old state.
 */
import { concatBytes } from '../../proofs/bytes.ts';
import { encodeCbor } from '../../proofs/cbor.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { appendLeaves, type CompactRange, EMPTY_RANGE } from '../../proofs/range.ts';
import { encodeEntryBundle, TILE_HEIGHT, TILE_WIDTH } from '../../proofs/tile.ts';
import type { PutRow } from '../store/contract.ts';
import { type IndexedEvent, tailRows } from '../trail/postings.ts';
import { encodeDisclosure } from './disclosure.ts';
import { chunkKey, encodeIdRow, idKey, STATE_KEY, tileKey } from './rows.ts';
import type { Sequenced } from './sequence.ts';

/** The tree as the log holds it in memory. Values are never changed: a plan that fails leaves no trace. */
export interface TreeState {
  readonly range: CompactRange;
  /** Per tile level, the hashes of the rightmost tile while it is not full. */
  readonly edges: readonly (readonly Hash[])[];
  readonly lastLogTime: number;
}

export const EMPTY_STATE: TreeState = { range: EMPTY_RANGE, edges: [], lastLogTime: 0 };

/** Events in one stored row: large enough to be cheap to write, small enough to be cheap to read for one event. */
const CHUNK_EVENTS = 64;
const CHUNK_BYTES = 256 * 1024;

export const STATE_FORMAT = 'countersign/state/v1';

export interface Integrated {
  readonly state: TreeState;
  readonly rows: readonly PutRow[];
}

/** What integrating needs to know of an entry, whether it was just submitted or comes back from a mirror. */
export interface EntryToIntegrate {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly leafHash: Hash;
  readonly logTime: number;
  /** Its contents, see disclosure.ts. */
  readonly disclosure: Uint8Array;
  readonly byteCount: number;
}

export function integrate(before: TreeState, group: readonly Sequenced[], hasher: Hasher): Integrated {
  const entries = group.map(({ index, entry, leafHash, logTime, event }): EntryToIntegrate => {
    const { byteCount } = event;
    return { index, entry, leafHash, logTime, disclosure: encodeDisclosure(event), byteCount };
  });
  const { state, rows } = integrateEntries(before, entries, hasher);
  const ids = group.map(({ event, index }) => ({
    key: idKey(event.eventId, event.producerId),
    value: encodeIdRow(index, event.contentMac),
  }));
  return { state, rows: [...rows, ...ids, ...tailRows(indexed(group), hasher)] };
}

/** The tree and the entries with their contents; ids and search terms are for the caller, if there are any. */
export function integrateEntries(before: TreeState, group: readonly EntryToIntegrate[], hasher: Hasher): Integrated {
  const rows: PutRow[] = [];
  const edges = before.edges.map((edge) => [...edge]);
  const range = appendLeaves(
    before.range,
    group.map((one) => one.leafHash),
    hasher,
    (level, index, hash) => {
      if (level % TILE_HEIGHT !== 0) return;
      const tileLevel = level / TILE_HEIGHT;
      edges[tileLevel] ??= [];
      const edge = edges[tileLevel];
      edge.push(hash);
      if (edge.length < TILE_WIDTH) return;
      rows.push({ key: tileKey(tileLevel, Math.floor(index / TILE_WIDTH)), value: concatBytes(...edge) });
      edges[tileLevel] = [];
    },
  );
  const state: TreeState = { range, edges, lastLogTime: group.at(-1)?.logTime ?? before.lastLogTime };
  for (const chunk of chunks(group)) {
    const first = chunk[0]?.index ?? 0;
    rows.push({ key: chunkKey('entries', first), value: encodeEntryBundle(chunk.map((one) => one.entry)) });
    rows.push({ key: chunkKey('disclosures', first), value: encodeCbor(chunk.map((one) => one.disclosure)) });
  }
  rows.push({ key: STATE_KEY, value: encodeState(state) });
  return { state, rows };
}

/** What the search index takes of a group. */
export function indexed(group: readonly Sequenced[]): readonly IndexedEvent[] {
  return group.map(({ index, event }) => ({ index, terms: event.terms }));
}

/** The durable part of the state; the edges are rebuilt from tiles and entries at start, which checks them. */
export function encodeState(state: TreeState): Uint8Array {
  return encodeCbor([STATE_FORMAT, state.range.size, state.lastLogTime, state.range.hashes]);
}

function chunks(group: readonly EntryToIntegrate[]): readonly (readonly EntryToIntegrate[])[] {
  const out: EntryToIntegrate[][] = [];
  let current: EntryToIntegrate[] = [];
  let bytes = 0;
  for (const one of group) {
    if (current.length === CHUNK_EVENTS || (current.length > 0 && bytes + one.byteCount > CHUNK_BYTES)) {
      out.push(current);
      current = [];
      bytes = 0;
    }
    current.push(one);
    bytes += one.byteCount;
  }
  if (current.length > 0) out.push(current);
  return out;
}
