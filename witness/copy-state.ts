/**
 * The state of a copy and how it grows: pure planning of the rows that an append writes, and the reading back at a
 * start. LevelDB can lose records from the middle of its write-ahead log without a word, and returns altered values as
 * if nothing had happened; so at a start the right edge is rebuilt from the rows and the newest entries are hashed again.
 */
import { concatBytes, equalBytes } from '../proofs/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../proofs/cbor.ts';
import type { Hash } from '../proofs/hash.ts';
import { appendLeaves, assertRange, type CompactRange, EMPTY_RANGE, rangeAt, rangeRoot } from '../proofs/range.ts';
import { decodeTile, encodeEntryBundle, TILE_HEIGHT, TILE_WIDTH } from '../proofs/tile.ts';
import { rootOfHashes } from '../proofs/tree.ts';
import { type CopyRows, entriesKey, STATE_KEY, tileKey } from './copy-rows.ts';
import { CopyTree, readStoredEntries } from './copy-tree.ts';
import { messageOf, WitnessError } from './errors.ts';
import { nativeHasher } from './native-hasher.ts';
import type { Row } from './rows.ts';

/** Values are never changed: an append that fails leaves no trace. */
export interface CopyState {
  readonly range: CompactRange;
  /** Per tile level, the hashes of the rightmost tile while it is not full. */
  readonly edges: readonly (readonly Hash[])[];
}

const FORMAT = 'countersign/copy/v1';
/** Bytes of entries in one row, unless a single entry is larger. */
const MAX_ROW_BYTES = 1024 * 1024;
/** More entries than a write-ahead log of 8 MiB can have lost, at 150 bytes each and their tiles. */
const START_CHECK_ENTRIES = 65_536;

export function extendCopy(
  before: CopyState,
  entries: readonly Uint8Array[],
  leafHashes: readonly Hash[],
): { readonly state: CopyState; readonly rows: readonly Row[] } {
  const rows = entryRows(before.range.size, entries);
  const edges = before.edges.map((edge) => [...edge]);
  const range = appendLeaves(before.range, leafHashes, nativeHasher, (level, index, hash) => {
    if (level % TILE_HEIGHT !== 0) return;
    const tileLevel = level / TILE_HEIGHT;
    edges[tileLevel] ??= [];
    const edge = edges[tileLevel];
    edge.push(hash);
    if (edge.length < TILE_WIDTH) return;
    rows.push({ key: tileKey(tileLevel, Math.floor(index / TILE_WIDTH)), value: concatBytes(...edge) });
    edges[tileLevel] = [];
  });
  rows.push({ key: STATE_KEY, value: encodeCbor([FORMAT, range.size, range.hashes]) });
  return { state: { range, edges }, rows };
}

/** Throws `state-corrupt`. An empty database is an empty copy. */
export async function loadCopy(rows: CopyRows): Promise<CopyState> {
  const value = await rows.get(STATE_KEY);
  if (value === undefined) {
    const [stray] = await rows.range({ gte: entriesKey(0), lt: Uint8Array.of(0x14), limit: 1 });
    if (stray !== undefined) throw corrupt('the copy has entries and no state');
    return { range: EMPTY_RANGE, edges: [] };
  }
  const range = decodeState(value);
  const state = { range, edges: await rebuildEdges(rows, range.size) };
  const tree = new CopyTree(rows, () => state);
  const rebuilt = await rangeAt(range.size, (nodes) => tree.nodes(nodes));
  if (!equalBytes(rangeRoot(rebuilt, nativeHasher), rangeRoot(range, nativeHasher))) {
    throw corrupt(`the tiles of the copy do not lead to its root of size ${range.size}`);
  }
  const firstBundle = Math.floor(Math.max(0, range.size - START_CHECK_ENTRIES) / TILE_WIDTH);
  for (let index = firstBundle; index * TILE_WIDTH < range.size; index++) {
    await tree.entries(index, Math.min(TILE_WIDTH, range.size - index * TILE_WIDTH));
  }
  return state;
}

/** Rows that end at multiples of 256, so that a bundle is read without a neighbour. */
function entryRows(firstIndex: number, entries: readonly Uint8Array[]): Row[] {
  const rows: Row[] = [];
  let start = 0;
  while (start < entries.length) {
    const limit = Math.min(entries.length, start + TILE_WIDTH - ((firstIndex + start) % TILE_WIDTH));
    let end = start + 1;
    let bytes = entries[start]?.length ?? 0;
    while (end < limit && bytes + (entries[end]?.length ?? 0) <= MAX_ROW_BYTES) bytes += entries[end++]?.length ?? 0;
    rows.push({ key: entriesKey(firstIndex + start), value: encodeEntryBundle(entries.slice(start, end)) });
    start = end;
  }
  return rows;
}

function decodeState(value: Uint8Array): CompactRange {
  let decoded: CborValue;
  try {
    decoded = decodeCbor(value);
  } catch (error) {
    throw corrupt(`the state of the copy is not readable: ${messageOf(error)}`);
  }
  const [format, size, peaks]: readonly CborValue[] = Array.isArray(decoded) ? decoded : [];
  if (format !== FORMAT || typeof size !== 'number' || !Array.isArray(peaks)) {
    throw corrupt('the state of the copy is not readable');
  }
  const hashes = peaks.map((hash: CborValue) => {
    if (!(hash instanceof Uint8Array)) throw corrupt('the state of the copy is not readable');
    return hash;
  });
  try {
    return assertRange({ size, hashes });
  } catch (error) {
    throw corrupt(`the state of the copy does not hold together: ${messageOf(error)}`);
  }
}

async function rebuildEdges(rows: CopyRows, size: number): Promise<readonly (readonly Hash[])[]> {
  const inTiles = size - (size % TILE_WIDTH);
  const entries = await readStoredEntries(rows, inTiles, size - inTiles);
  const edges: (readonly Hash[])[] = [entries.map((entry) => nativeHasher.leaf(entry))];
  for (let level = 1; TILE_WIDTH ** level <= size; level++) {
    const complete = Math.floor(size / TILE_WIDTH ** level);
    const edge: Hash[] = [];
    for (let index = complete - (complete % TILE_WIDTH); index < complete; index++) {
      const tile = await rows.get(tileKey(level - 1, index));
      if (tile === undefined) throw corrupt(`tile ${level - 1}/${index} of the copy is missing`);
      edge.push(rootOfHashes(decodeTile(tile), nativeHasher));
    }
    edges.push(edge);
  }
  return edges;
}

function corrupt(message: string): WitnessError {
  return new WitnessError(
    'state-corrupt',
    `${message}. Nothing is signed over it. Restore the copy, or remove its directory: it is then made again from the log`,
  );
}
