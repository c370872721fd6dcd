/**
 * What happens at start: the tree's state is read, its right edge is rebuilt from tiles and entries and compared with
 * the stored root, and the newest entries are compared with the tree, because LevelDB's write-ahead log can lose
 * records from its middle without a word. Anything that does not fit stops the log with the index at fault.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { HASH_BYTES, type Hash, type Hasher } from '../../proofs/hash.ts';
import { rangeAt, rangeRoot } from '../../proofs/range.ts';
import { decodeTile, FULL_TILE_BYTES, TILE_WIDTH } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import type { Store } from '../store/contract.ts';
import { readAllItems, readItems } from './entries.ts';
import { EMPTY_STATE, type TreeState } from './integrate.ts';
import { type ChunkKind, chunkFirstIndex, chunkHolding, chunkKey, STATE_KEY, tileKey } from './rows.ts';
import { decodeState, type StoredState } from './state-row.ts';
import { surveyStored } from './survey-tree.ts';
import { middlesOf } from './tile-shortcut.ts';
import { TreeReader } from './tree-reader.ts';
import { LogError } from './types.ts';

/** A larger log is not read as a whole at start only to say what is wrong with it. */
const MAX_SURVEYED_ENTRIES = 4_000_000;
/** Rows weighed at once. */
const WEIGHED_ROWS = 64;
/** Of what is wrong, said in one message. */
const MAX_NAMED = 3;

/** Throws LogError `corrupt-data` naming what is missing or altered. */
export async function loadState(store: Store, hasher: Hasher): Promise<TreeState> {
  const row = await store.get(STATE_KEY);
  if (row === undefined) {
    const [entry] = await store.range(chunkHolding('entries', 2 ** 40));
    if (entry !== undefined)
      throw new LogError('corrupt-data', 'the database has entries but its tree state is missing');
    return EMPTY_STATE;
  }
  const stored = decodeState(row);
  const { range, lastLogTime } = stored;
  const edges = await rebuildEdges(store, range.size, hasher);
  const middles = edges.map((edge) => middlesOf(edge, hasher));
  const state: TreeState = {
    ...{ range, edges, middles, lastLogTime },
    chunkStarts: await readChunkStarts(store, range.size),
  };
  // The rebuilt edges and the stored peaks must describe one tree: every peak is a fold of edge hashes.
  const rebuilt = await rangeAt(range.size, new TreeReader(store, hasher).hashReader(state));
  if (!equalBytes(rangeRoot(rebuilt, hasher), rangeRoot(range, hasher)))
    throw await notOfThisRoot(store, stored, hasher);
  return state;
}

/** The tree does not hold together; says which of its entries or tiles is to blame, as far as that takes seconds. */
async function notOfThisRoot(store: Store, { range, marks }: StoredState, hasher: Hasher): Promise<LogError> {
  const { size } = range;
  const general = `the entries and tiles on disk do not lead to the stored root of size ${size}`;
  if (size > MAX_SURVEYED_ENTRIES)
    return new LogError('corrupt-data', `${general}; \`countersign fsck\` names them`, { size });
  const { damages } = (await surveyStored(store, size, hasher)).judge(range.hashes, marks);
  const named = damages.map(({ found }) => found).slice(0, MAX_NAMED);
  const more =
    damages.length > named.length ? [`${damages.length - named.length} more: \`countersign fsck\` names them`] : [];
  return new LogError('corrupt-data', [general, ...named, ...more].join('; '), { size, index: damages[0]?.index ?? 0 });
}

/**
 * How many of the newest entries `bytes` of rows can have held, and rather more: rows are weighed from the end of the tree
 * backwards, those of the kind that makes up most of an entry's and a hash for each leaf.
 */
export async function newestWithin(store: Store, size: number, bytes: number, kind: ChunkKind): Promise<number> {
  let first = size;
  for (let weighed = 0; weighed < bytes && first > 0; ) {
    const rows = await store.range({
      gte: chunkKey(kind, 0),
      lt: chunkKey(kind, first),
      reverse: true,
      limit: WEIGHED_ROWS,
    });
    // What is missing there is found by whoever reads on from here.
    if (rows.length === 0) break;
    for (const { key, value } of rows) {
      weighed += value.length + HASH_BYTES * (first - chunkFirstIndex(key));
      first = chunkFirstIndex(key);
      if (weighed >= bytes) break;
    }
  }
  return size - first;
}

/** Compares the newest `count` entries with the tree, oldest first. Throws `corrupt-data` with the first bad index. */
export async function checkNewestEntries(store: Store, state: TreeState, count: number, hasher: Hasher): Promise<void> {
  const { size } = state.range;
  const from = Math.max(0, size - count);
  const read = new TreeReader(store, hasher).hashReader(state);
  let index = from;
  for await (const page of readItems(store, 'entries', from, size)) {
    const expected = await read(page.map((_, i) => ({ level: 0, index: index + i })));
    for (const [i, entry] of page.entries()) checkEntry(index + i, entry, expected[i], hasher);
    index += page.length;
  }
}

export function checkEntry(index: number, entry: Uint8Array, expected: Hash | undefined, hasher: Hasher): Hash {
  const hash = hasher.leaf(entry);
  if (expected !== undefined && equalBytes(hash, expected)) return hash;
  throw new LogError('corrupt-data', `entry ${index} was altered on disk: its hash is not the one in the tree`, {
    index,
  });
}

async function rebuildEdges(store: Store, size: number, hasher: Hasher): Promise<readonly (readonly Hash[])[]> {
  const edges: (readonly Hash[])[] = [];
  const leavesInTiles = size - (size % TILE_WIDTH);
  const entries = await readAllItems(store, 'entries', leavesInTiles, size);
  edges.push(entries.map((entry) => hasher.leaf(entry)));
  for (let level = 1; TILE_WIDTH ** level <= size; level++) {
    const complete = Math.floor(size / TILE_WIDTH ** level);
    const first = complete - (complete % TILE_WIDTH);
    const tiles = Array.from({ length: complete - first }, (_, i) => first + i);
    const rows = await store.getMany(tiles.map((index) => tileKey(level - 1, index)));
    edges.push(tiles.map((index, i) => tileRoot(rows[i], level - 1, index, hasher)));
  }
  return edges;
}

function tileRoot(bytes: Uint8Array | undefined, level: number, index: number, hasher: Hasher): Hash {
  if (bytes?.length === FULL_TILE_BYTES) return rootOfHashes(decodeTile(bytes), hasher);
  const first = index * TILE_WIDTH ** (level + 1);
  const what = `tile ${level}/${index}, from leaf ${first} on, is missing`;
  throw new LogError('corrupt-data', what, { level, index: first });
}

/** Of the chunks whose entries are in no full tile. */
async function readChunkStarts(store: Store, size: number): Promise<readonly number[]> {
  const bounds = { gte: chunkKey('entries', size - (size % TILE_WIDTH)), lt: chunkKey('entries', size) };
  const rows = await store.range({ ...bounds, limit: TILE_WIDTH });
  return rows.map(({ key }) => chunkFirstIndex(key));
}
