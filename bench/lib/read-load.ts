/**
 * Reads of a raw log that fillRawLog made, in a closed loop over keep-alive connections. What comes back is known
 * beforehand: one answer in so many is kept and checked after the run, so that a fast wrong answer fails it.
 */
import { Buffer } from 'node:buffer';
import { base64Decode } from '../../proofs/bytes.ts';
import { checkInclusion } from '../../proofs/check.ts';
import { verifyCheckpoint } from '../../proofs/checkpoint.ts';
import { parseVerifierKey } from '../../proofs/key.ts';
import { decodeEntryBundle, formatTilePath, TILE_WIDTH } from '../../proofs/tile.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';
import { Connection, requestBytes } from './connection.ts';
import { Latencies, type LatencySummary } from './latency.ts';
import { closedLoop, randomFrom } from './loops.ts';
import { rawEntry } from './raw-entries.ts';
import { FILL_RUN } from './raw-log.ts';

export interface ReadKind {
  readonly title: string;
  /** Path behind the log's URL, for a number in [0, 1). */
  readonly path: (log: FilledLog, random: number) => string;
  /** Throws Error if this cannot be the answer. */
  readonly check: (log: FilledLog, path: string, body: Buffer) => void;
}

export interface FilledLog {
  readonly url: string;
  readonly vkey: string;
  /** Leaves that fillRawLog made: their entries are known. */
  readonly leaves: number;
  /** Of a signed head, at least `leaves`. */
  readonly size: number;
  readonly root: Uint8Array;
}

export interface ReadResult {
  readonly title: string;
  readonly readsPerSecond: number;
  readonly latency: LatencySummary;
  readonly checked: number;
}

export interface ReadOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly seed: number;
}

/** Tiles and bundles that readers ask for: the newest ones, as mirrors and monitors do. */
const HOT_TILES = 200;
const CHECK_EVERY = 499;

export const READ_KINDS: readonly ReadKind[] = [
  { title: 'checkpoint', path: () => 'checkpoint', check: checkNote },
  { title: 'full tiles, the newest', path: (log, random) => tilePath(log, 0, random), check: checkTile },
  {
    title: 'bundles of 256 entries, the newest',
    path: (log, random) => tilePath(log, 'entries', random),
    check: checkBundle,
  },
  { title: 'inclusion proofs, any leaf', path: proofPath, check: checkProof },
];

export async function runReads(log: FilledLog, kind: ReadKind, options: ReadOptions): Promise<ReadResult> {
  const url = new URL(log.url);
  const connections = await Promise.all(Array.from({ length: options.connections }, () => Connection.open(url)));
  const random = randomFrom(options.seed);
  const latencies = new Latencies();
  const kept: (readonly [path: string, body: Buffer])[] = [];
  const requests = new Map<string, Buffer>();
  const requestOf = (path: string): Buffer => {
    const known = requests.get(path);
    if (known !== undefined) return known;
    const { bytes } = requestBytes('GET', `${url.pathname}/${path}`, {}, 0);
    if (requests.size < 2 * HOT_TILES) requests.set(path, bytes);
    return bytes;
  };
  let reads = 0;
  const endMs = performance.now() + 1000 * options.seconds;
  const sends = connections.map((connection) => async (dueMs: number): Promise<void> => {
    const path = kind.path(log, random());
    const { status, body } = await connection.request(requestOf(path));
    const nowMs = performance.now();
    if (status !== 200) throw new Error(`${path}: ${status} ${body.toString('utf8', 0, 200)}`);
    if (nowMs < endMs) latencies.add(nowMs - dueMs);
    if (reads++ % CHECK_EVERY === 0) kept.push([path, Buffer.from(body)]);
  });
  try {
    await closedLoop(sends, endMs);
  } finally {
    for (const connection of connections) connection.close();
  }
  for (const [path, body] of kept) kind.check(log, path, body);
  const { title } = kind;
  return {
    title,
    readsPerSecond: latencies.count / options.seconds,
    latency: latencies.summary(),
    checked: kept.length,
  };
}

/** One of the newest full tiles. */
function tilePath({ leaves }: FilledLog, level: 0 | 'entries', random: number): string {
  const full = Math.floor(leaves / TILE_WIDTH);
  const index = full - 1 - Math.floor(random * Math.min(full, HOT_TILES));
  return formatTilePath({ level, index, width: TILE_WIDTH });
}

function proofPath({ leaves, size }: FilledLog, random: number): string {
  return `proof/inclusion?index=${Math.floor(random * leaves)}&size=${size}`;
}

function checkNote({ vkey, leaves }: FilledLog, _path: string, body: Buffer): void {
  const key = parseVerifierKey(vkey);
  const { checkpoint } = verifyCheckpoint(body, [key], key.name);
  if (checkpoint.size < leaves) throw new Error(`a checkpoint of size ${checkpoint.size} among ${leaves} leaves`);
}

function checkTile(_log: FilledLog, path: string, body: Buffer): void {
  const expected = entriesOf(path).map((entry) => nativeHasher.leaf(entry));
  if (Buffer.compare(Buffer.concat(expected), body) !== 0) throw new Error(`${path} is not the tile of its leaves`);
}

function checkBundle(_log: FilledLog, path: string, body: Buffer): void {
  const entries = decodeEntryBundle(body);
  const same = entriesOf(path).every((entry, i) => Buffer.compare(entry, entries[i] ?? Buffer.alloc(0)) === 0);
  if (!same || entries.length !== TILE_WIDTH) throw new Error(`${path} does not hold its entries`);
}

function checkProof({ size, root }: FilledLog, path: string, body: Buffer): void {
  const index = Number(new URLSearchParams(path.slice(path.indexOf('?') + 1)).get('index'));
  const { proof }: { readonly proof?: readonly string[] } = JSON.parse(body.toString('utf8'));
  const leafHash = nativeHasher.leaf(rawEntry(FILL_RUN, index));
  checkInclusion({ index, size, leafHash, root, proof: (proof ?? []).map(base64Decode) }, nativeHasher);
}

/** `tile/0/x001/234` or `tile/entries/x001/234`: entries 1234 · 256 and so on. */
function entriesOf(path: string): readonly Buffer[] {
  const index = Number(path.split('/').slice(2).join('').replaceAll('x', ''));
  return Array.from({ length: TILE_WIDTH }, (_, i) => rawEntry(FILL_RUN, index * TILE_WIDTH + i));
}
