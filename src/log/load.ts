/**
 * What happens at start: the tree's state is read, its right edge is rebuilt from tiles and entries and compared with
 * the stored root, and the newest entries are compared with the tree, because LevelDB's write-ahead log can lose
 * records from its middle without a word. Anything that does not fit stops the log with the index at fault.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { type CborValue, decodeCbor } from '../../proofs/cbor.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { assertRange, type CompactRange, rangeAt, rangeRoot } from '../../proofs/range.ts';
import { decodeTile, FULL_TILE_BYTES, TILE_WIDTH } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import type { Store } from '../store/contract.ts';
import { readAllItems, readItems } from './entries.ts';
import { EMPTY_STATE, STATE_FORMAT, type TreeState } from './integrate.ts';
import { chunkHolding, STATE_KEY, tileKey } from './rows.ts';
import { TreeReader } from './tree-reader.ts';
import { LogError } from './types.ts';

/** Throws LogError `corrupt-data` naming what is missing or altered. */
export async function loadState(store: Store, hasher: Hasher): Promise<TreeState> {
  const row = await store.get(STATE_KEY);
  if (row === undefined) {
    const [entry] = await store.range(chunkHolding('entries', 2 ** 40));
    if (entry !== undefined)
      throw new LogError('corrupt-data', 'the database has entries but its tree state is missing');
    return EMPTY_STATE;
  }
  const { range, lastLogTime } = decodeState(row);
  const state: TreeState = { range, edges: await rebuildEdges(store, range.size, hasher), lastLogTime };
  // The rebuilt edges and the stored peaks must describe one tree: every peak is a fold of edge hashes.
  const rebuilt = await rangeAt(range.size, new TreeReader(store, hasher).hashReader(state));
  if (!equalBytes(rangeRoot(rebuilt, hasher), rangeRoot(range, hasher))) {
    throw new LogError('corrupt-data', `the tiles on disk do not lead to the stored root of size ${range.size}`, {
      size: range.size,
    });
  }
  return state;
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

function decodeState(row: Uint8Array): { readonly range: CompactRange; readonly lastLogTime: number } {
  const malformed = (): LogError => new LogError('corrupt-data', 'the stored tree state is malformed');
  let value: CborValue;
  try {
    value = decodeCbor(row);
  } catch {
    throw malformed();
  }
  if (!Array.isArray(value)) throw malformed();
  const [format, size, lastLogTime, hashes]: readonly CborValue[] = value;
  if (
    format !== STATE_FORMAT ||
    typeof size !== 'number' ||
    typeof lastLogTime !== 'number' ||
    !Array.isArray(hashes)
  ) {
    throw malformed();
  }
  const peaks = hashes.map((hash: CborValue) => {
    if (!(hash instanceof Uint8Array)) throw malformed();
    return hash;
  });
  try {
    return { range: assertRange({ size, hashes: peaks }), lastLogTime };
  } catch {
    throw malformed();
  }
}

async function rebuildEdges(store: Store, size: number, hasher: Hasher): Promise<readonly (readonly Hash[])[]> {
  const edges: Hash[][] = [];
  const leavesInTiles = size - (size % TILE_WIDTH);
  const entries = await readAllItems(store, 'entries', leavesInTiles, size);
  edges.push(entries.map((entry) => hasher.leaf(entry)));
  for (let level = 1; TILE_WIDTH ** level <= size; level++) {
    const complete = Math.floor(size / TILE_WIDTH ** level);
    const edge: Hash[] = [];
    for (let index = complete - (complete % TILE_WIDTH); index < complete; index++) {
      edge.push(await readTileRoot(store, level - 1, index, hasher));
    }
    edges.push(edge);
  }
  return edges;
}

async function readTileRoot(store: Store, level: number, index: number, hasher: Hasher): Promise<Hash> {
  const bytes = await store.get(tileKey(level, index));
  if (bytes?.length !== FULL_TILE_BYTES) {
    const first = index * TILE_WIDTH ** (level + 1);
    throw new LogError('corrupt-data', `tile ${level}/${index}, from leaf ${first} on, is missing`, {
      level,
      index: first,
    });
  }
  return rootOfHashes(decodeTile(bytes), hasher);
}
