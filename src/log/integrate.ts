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

export function integrate(before: TreeState, group: readonly Sequenced[], hasher: Hasher): Integrated {
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
    const disclosures = chunk.map((one) => encodeDisclosure(one.event));
    rows.push({ key: chunkKey('disclosures', first), value: encodeCbor(disclosures) });
  }
  for (const { event, index } of group) {
    rows.push({ key: idKey(event.eventId, event.producerId), value: encodeIdRow(index, event.contentMac) });
  }
  rows.push(...tailRows(indexed(group), hasher));
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

function chunks(group: readonly Sequenced[]): readonly (readonly Sequenced[])[] {
  const out: Sequenced[][] = [];
  let current: Sequenced[] = [];
  let bytes = 0;
  for (const one of group) {
    if (current.length === CHUNK_EVENTS || (current.length > 0 && bytes + one.event.byteCount > CHUNK_BYTES)) {
      out.push(current);
      current = [];
      bytes = 0;
    }
    current.push(one);
    bytes += one.event.byteCount;
  }
  if (current.length > 0) out.push(current);
  return out;
}
