/**
 * Stage `integrate`: appends the leaves of a group to the tree. Pure: the state before comes in, the state after and the
 * rows to write come out, and nothing changes until the batch is durable. A crash before that leaves the old state.
 *
 * What an entry holds is nobody's business here: plan-events.ts and plan-bytes.ts make leaves, and the rows that theirs
 * bring beside the tree.
 */
import { concatBytes } from '../../proofs/bytes.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { appendLeaves, type CompactRange, EMPTY_RANGE } from '../../proofs/range.ts';
import { encodeEntryBundle, TILE_HEIGHT, TILE_WIDTH } from '../../proofs/tile.ts';
import type { PutRow } from '../store/contract.ts';
import { type ChunkKind, chunkKey, STATE_KEY, tileKey } from './rows.ts';
import { encodeState } from './state-row.ts';

/** The tree as the log holds it in memory. Values are never changed: a plan that fails leaves no trace. */
export interface TreeState {
  readonly range: CompactRange;
  /** Per tile level, the hashes of the rightmost tile while it is not full. */
  readonly edges: readonly (readonly Hash[])[];
  /** Microseconds; the clock may not fall behind it. */
  readonly lastLogTime: number;
}

export const EMPTY_STATE: TreeState = { range: EMPTY_RANGE, edges: [], lastLogTime: 0 };

/** Events in one stored row: large enough to be cheap to write, small enough to be cheap to read for one event. */
const CHUNK_EVENTS = 64;
const CHUNK_BYTES = 256 * 1024;

export interface Integrated {
  readonly state: TreeState;
  readonly rows: readonly PutRow[];
}

/** An entry on its way into the tree, whether it was just submitted or comes back from a mirror. */
export interface Leaf {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly leafHash: Hash;
  /** Microseconds: when the log took it; never before that of the leaf in front of it. */
  readonly logTime: number;
  /** Of the entry and of all that is stored beside it. */
  readonly byteCount: number;
}

/** The tree with these leaves, and its rows: state, full tiles, entries. */
export function integrate(before: TreeState, leaves: readonly Leaf[], hasher: Hasher): Integrated {
  const rows: PutRow[] = [];
  const edges = before.edges.map((edge) => [...edge]);
  const range = appendLeaves(
    before.range,
    leaves.map((one) => one.leafHash),
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
  const state: TreeState = { range, edges, lastLogTime: leaves.at(-1)?.logTime ?? before.lastLogTime };
  const entries = chunkRows('entries', leaves, (chunk) => encodeEntryBundle(chunk.map((one) => one.entry)));
  return {
    state,
    rows: [...rows, ...entries, { key: STATE_KEY, value: encodeState(range, state.lastLogTime, edges[0] ?? []) }],
  };
}

/** Rows of one kind for consecutive leaves, several to a row. */
export function chunkRows<T extends Pick<Leaf, 'index' | 'byteCount'>>(
  kind: ChunkKind,
  leaves: readonly T[],
  encode: (chunk: readonly T[]) => Uint8Array,
): readonly PutRow[] {
  return chunks(leaves).map((chunk) => ({ key: chunkKey(kind, chunk[0]?.index ?? 0), value: encode(chunk) }));
}

function chunks<T extends Pick<Leaf, 'byteCount'>>(leaves: readonly T[]): readonly (readonly T[])[] {
  const out: T[][] = [];
  let current: T[] = [];
  let bytes = 0;
  for (const one of leaves) {
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
