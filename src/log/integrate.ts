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
import { type ChunkKind, chunkKey, STATE_KEY, shortcutKey, tileKey } from './rows.ts';
import { encodeState } from './state-row.ts';
import { encodeShortcut, MIDDLE_LEVEL } from './tile-shortcut.ts';

/** The tree as the log holds it in memory. Values are never changed: a plan that fails leaves no trace. */
export interface TreeState {
  readonly range: CompactRange;
  /** Per tile level, the hashes of the rightmost tile while it is not full. */
  readonly edges: readonly (readonly Hash[])[];
  /** Per tile level, the nodes over each 16 hashes of that tile (tile-shortcut.ts). */
  readonly middles: readonly (readonly Hash[])[];
  /** First indices of the stored chunks whose entries are in no full tile yet. */
  readonly chunkStarts: readonly number[];
  /** Microseconds; the clock may not fall behind it. */
  readonly lastLogTime: number;
}

export const EMPTY_STATE: TreeState = { range: EMPTY_RANGE, edges: [], middles: [], chunkStarts: [], lastLogTime: 0 };

/**
 * Events in one stored row at most: enough to be cheap to write, few enough to be cheap to read for one event. Rows begin
 * at each multiple of it, so that none reaches from one tile into the next.
 */
const CHUNK_EVENTS = 32;
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
  const starts = [...before.chunkStarts, ...chunks(leaves).map(([first]) => first?.index ?? 0)];
  const edges = before.edges.map((edge) => [...edge]);
  const middles = before.middles.map((nodes) => [...nodes]);
  const range = appendLeaves(
    before.range,
    leaves.map((one) => one.leafHash),
    hasher,
    (level, index, hash) => {
      const tileLevel = Math.floor(level / TILE_HEIGHT);
      edges[tileLevel] ??= [];
      middles[tileLevel] ??= [];
      const edge = edges[tileLevel];
      const nodes = middles[tileLevel];
      if (level % TILE_HEIGHT === 0) edge.push(hash);
      if (level % TILE_HEIGHT !== MIDDLE_LEVEL) return;
      nodes.push(hash);
      if (edge.length < TILE_WIDTH) return;
      const tile = Math.floor((index * 2 ** MIDDLE_LEVEL) / TILE_WIDTH);
      const own = tileLevel === 0 ? startsIn(starts, tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH) : undefined;
      rows.push({ key: tileKey(tileLevel, tile), value: concatBytes(...edge) });
      rows.push({ key: shortcutKey(tileLevel, tile), value: encodeShortcut(nodes, own) });
      edges[tileLevel] = [];
      middles[tileLevel] = [];
    },
  );
  const chunkStarts = startsIn(starts, range.size - (range.size % TILE_WIDTH), range.size);
  const lastLogTime = leaves.at(-1)?.logTime ?? before.lastLogTime;
  const state: TreeState = { range, edges, middles, chunkStarts, lastLogTime };
  const entries = chunkRows('entries', leaves, (chunk) => encodeEntryBundle(chunk.map((one) => one.entry)));
  return {
    state,
    rows: [...rows, ...entries, { key: STATE_KEY, value: encodeState(range, state.lastLogTime, edges[0] ?? []) }],
  };
}

/** Rows of one kind for consecutive leaves, several to a row; for the same leaves the same ones in every kind. */
export function chunkRows<T extends Pick<Leaf, 'index' | 'byteCount'>>(
  kind: ChunkKind,
  leaves: readonly T[],
  encode: (chunk: readonly T[]) => Uint8Array,
): readonly PutRow[] {
  return chunks(leaves).map((chunk) => ({ key: chunkKey(kind, chunk[0]?.index ?? 0), value: encode(chunk) }));
}

function startsIn(starts: readonly number[], from: number, to: number): readonly number[] {
  return starts.filter((start) => start >= from && start < to);
}

function chunks<T extends Pick<Leaf, 'index' | 'byteCount'>>(leaves: readonly T[]): readonly (readonly T[])[] {
  const out: T[][] = [];
  let current: T[] = [];
  let bytes = 0;
  for (const one of leaves) {
    if (current.length > 0 && (one.index % CHUNK_EVENTS === 0 || bytes + one.byteCount > CHUNK_BYTES)) {
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
