/**
 * What a mirror and a monitor fetch beyond what a witness does: checkpoints by their address, and entry bundles. Answers
 * are bounded and not trusted, as in log-client.ts.
 */

import type { Checkpoint } from '../proofs/checkpoint.ts';
import type { HashReader } from '../proofs/prove.ts';
import { proveSubtreeConsistency } from '../proofs/subtree.ts';
import {
  decodeEntryBundle,
  formatTilePath,
  MAX_BUNDLE_ENTRY_BYTES,
  TILE_WIDTH,
  type TileCoordinates,
} from '../proofs/tile.ts';
import type { Interval } from '../proofs/tree.ts';
import { WitnessError } from './errors.ts';
import { type ClientOptions, fetchTile, request } from './log-client.ts';
import { type EntryPackage, roundDown } from './mirror-wire.ts';
import { MAX_REQUEST_BYTES } from './request.ts';

const MAX_BUNDLE_BYTES = TILE_WIDTH * (MAX_BUNDLE_ENTRY_BYTES + 2);
const MAX_CACHED_TILES = 256;

export interface FetchedNote {
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
}

/** A checkpoint; `missing` is 404, `unchanged` when it is still the one with this entity tag. */
export async function fetchNote(
  options: ClientOptions,
  url: string,
  etag?: string,
): Promise<FetchedNote | 'unchanged' | 'missing'> {
  const headers = etag === undefined ? {} : { 'if-none-match': etag };
  const answer = await request(options, url, { headers }, MAX_REQUEST_BYTES);
  if (answer.status === 304 && etag !== undefined) return 'unchanged';
  if (answer.status === 404) return 'missing';
  if (answer.status !== 200) throw new WitnessError('log-answer-invalid', `${url}: status ${answer.status}`);
  return { bytes: answer.body, etag: answer.etag ?? undefined };
}

/** The first `width` entries of a bundle. A partial bundle that is gone is cut from the full one (C2SP tlog-tiles). */
export async function fetchEntries(
  options: ClientOptions,
  logUrl: string,
  index: number,
  width: number,
): Promise<readonly Uint8Array[]> {
  const url = `${logUrl}/${formatTilePath({ level: 'entries', index, width })}`;
  const headers = { 'accept-encoding': 'gzip, identity' };
  let answer = await request(options, url, { headers }, MAX_BUNDLE_BYTES);
  if (answer.status === 404 && width < TILE_WIDTH) {
    const full = `${logUrl}/${formatTilePath({ level: 'entries', index, width: TILE_WIDTH })}`;
    answer = await request(options, full, { headers }, MAX_BUNDLE_BYTES);
  }
  if (answer.status !== 200) throw new WitnessError('log-answer-invalid', `${url}: status ${answer.status}`);
  const entries = decodeEntryBundle(answer.body);
  if (entries.length < width) throw new WitnessError('log-answer-invalid', `${url}: only ${entries.length} entries`);
  return entries.slice(0, width);
}

/** Fetches tiles of one log, and remembers the last few: the tiles of neighbouring proofs are mostly the same. */
export function cachedTiles(options: ClientOptions, logUrl: string): (tile: TileCoordinates) => Promise<Uint8Array> {
  const tiles = new Map<string, Promise<Uint8Array>>();
  return (tile) => {
    const path = formatTilePath(tile);
    const known = tiles.get(path);
    if (known !== undefined) return known;
    const fetched = fetchTile(options, logUrl, tile);
    tiles.set(path, fetched);
    fetched.catch(() => tiles.delete(path));
    if (tiles.size > MAX_CACHED_TILES) {
      const oldest = tiles.keys().next();
      if (oldest.done !== true) tiles.delete(oldest.value);
    }
    return fetched;
  };
}

/** The entries of one package of a log, and the proof that they belong to this head, made from tiles. Nothing is checked. */
export async function fetchPackage(
  client: ClientOptions,
  url: string,
  head: Checkpoint,
  { start, end }: Interval,
  read: HashReader,
): Promise<EntryPackage> {
  const rounded = roundDown(start);
  const [entries, proof] = await Promise.all([
    fetchEntries(client, url, rounded / TILE_WIDTH, end - rounded),
    proveSubtreeConsistency(rounded, end, head.size, read),
  ]);
  return { start, end, entries: entries.slice(start - rounded), proof };
}

/** The first items, as many as there are at most. */
export function firstOf<T>(items: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    if (first.length === count) break;
    first.push(item);
  }
  return first;
}
