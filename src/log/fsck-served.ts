/**
 * `fsck` from outside: what a running log, or a mirror, serves over HTTP, held against its own checkpoint. Everything is
 * fetched as anybody can fetch it, and computed again: entries ─▶ leaf hashes ─▶ tiles ─▶ root, beside the tiles that are
 * served. What the server says of itself is not believed; the policy is the caller's.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { type CheckedCheckpoint, checkCheckpoint, type Policy } from '../../proofs/policy.ts';
import { encodeTile, hashesAtLevel, partialWidth, TILE_WIDTH, tileLevels } from '../../proofs/tile.ts';
import { type Damage, damage } from './damage.ts';
import { type CopyClient, fetchTileHashes, fetchUnproven } from './fetch-copy.ts';
import { RestoreError } from './restore-error.ts';
import { TreeSurvey } from './survey-tree.ts';

type Maybe<T> = T | undefined;

export interface FsckServedOptions {
  readonly client: CopyClient;
  /** `<prefix>/checkpoint`, `<prefix>/tile/…`. */
  readonly prefix: string;
  readonly note: string;
  readonly policy: Policy;
  readonly origin: string;
  readonly hasher: Hasher;
  readonly onProgress: (done: number, total: number) => void;
}

export interface FsckServedReport {
  readonly checked: CheckedCheckpoint;
  readonly damages: readonly Damage[];
  /** Why it was not examined to its end. Everything below `from` was compared with its tiles, and with nothing else. */
  readonly stopped: { readonly from: number; readonly why: string } | undefined;
}

/** Windows of 256 entries that are fetched at once, each with its tile. */
const WINDOW_COUNT = 8;
/** Tiles and bundles that are missing or malformed: a head over more entries than there are could go on for ever. */
const MAX_MISSING = 1000;

/** Throws ProofError for a checkpoint that the policy does not believe, or of another log; one without a quorum is reported. */
export async function fsckServed(options: FsckServedOptions): Promise<FsckServedReport> {
  const checked = checkCheckpoint(options.policy, options.note, { quorum: 'report' });
  const { size, root } = checked.checkpoint;
  if (checked.checkpoint.origin !== options.origin) throw new ProofError('wrong-origin', 'it is that of another log');
  const examined = new Examined(options, size);
  try {
    await examined.readAll();
  } catch (error) {
    if (!(error instanceof RestoreError)) throw error;
    return { checked, damages: examined.contradictions(), stopped: { from: examined.done, why: error.message } };
  }
  return { checked, damages: examined.judge(root), stopped: undefined };
}

/** What was fetched so far. */
class Examined {
  /** Entries that were fetched, without a gap. */
  done = 0;
  readonly #options: FsckServedOptions;
  readonly #size: number;
  readonly #survey: TreeSurvey;
  readonly #damages: Damage[] = [];
  /** First entries of windows whose tile says something else than they do. */
  readonly #unequal: number[] = [];

  constructor(options: FsckServedOptions, size: number) {
    this.#options = options;
    this.#size = size;
    this.#survey = new TreeSurvey(size, options.hasher);
  }

  /** Whatever is missing or malformed is a damage. Throws RestoreError `unreachable`, or `altered` when there is no end to it. */
  async readAll(): Promise<void> {
    const size = this.#size;
    while (this.done < size) {
      const starts = Array.from({ length: WINDOW_COUNT }, (_, i) => this.done + i * TILE_WIDTH).filter(
        (at) => at < size,
      );
      const windows = await Promise.all(starts.map((first) => this.#fetchWindow(first)));
      for (const window of windows) this.#addWindow(window);
      if (this.#damages.length > MAX_MISSING) {
        throw new RestoreError('altered', `more than ${MAX_MISSING} tiles and bundles are missing or malformed`);
      }
      this.#options.onProgress(this.done, size);
    }
    await this.#survey.addTiles(async (level, index) => {
      const hashes = await this.#tile(level, index, TILE_WIDTH);
      return hashes === undefined ? undefined : encodeTile(hashes);
    });
    for (const { level } of tileLevels(size).slice(1)) await this.#addEdge(level);
  }

  /** Everything was fetched: which of it is good is for the root to say. */
  judge(root: Hash): readonly Damage[] {
    const peaks = this.#size === 0 ? [] : this.#survey.peaksOf(root);
    if (peaks === undefined) {
      const found = `entries 0 to ${this.#size - 1} and their tiles do not lead to the root of the checkpoint`;
      return [...this.#damages, damage('entry-unlocated', 0, found, this.#size - 1)];
    }
    const named = this.#survey.judge(peaks, undefined).damages;
    // A tile that is missing was named when it was asked for, with its path.
    return [...this.#damages, ...named.filter((one) => !this.#damages.some((other) => isSame(one, other)))];
  }

  /** Without the rest of the tree nobody knows which side is good; that not both are is certain. */
  contradictions(): readonly Damage[] {
    const unequal = this.#unequal.map((first) => {
      const last = Math.min(this.#size, first + TILE_WIDTH) - 1;
      return damage('entry-unlocated', first, `entries ${first} to ${last} are not those of their tile`, last);
    });
    return [...this.#damages, ...unequal];
  }

  async #fetchWindow(first: number): Promise<Window> {
    const { client, prefix } = this.#options;
    const [index, width] = [first / TILE_WIDTH, Math.min(TILE_WIDTH, this.#size - first)];
    const [entries, tile] = await Promise.all([
      orFault(fetchUnproven(client, prefix, this.#size, index)),
      orFault(fetchTileHashes(client, prefix, { level: 0, index, width })),
    ]);
    return { first, width, entries, tile };
  }

  #addWindow({ first, width, entries, tile }: Window): void {
    const { hasher } = this.#options;
    const last = first + width - 1;
    const isRead = Array.isArray(entries);
    if (!isRead) this.#damages.push(damage('entry-missing', first, `entries ${first} to ${last}: ${entries}`, last));
    const hashes = Array.from({ length: width }, (_, i): Maybe<Hash> => {
      const entry = isRead ? entries[i] : undefined;
      return entry === undefined ? undefined : hasher.leaf(entry);
    });
    const stored = typeof tile === 'string' ? undefined : tile;
    if (typeof tile === 'string') this.#damages.push(tileMissing(first, last, tile));
    const isFull = width === TILE_WIDTH;
    this.#survey.addLeaves(first / TILE_WIDTH, hashes, isFull && stored !== undefined ? encodeTile(stored) : undefined);
    if (!isFull && stored !== undefined) this.#survey.addEdge(0, stored);
    const differs = hashes.some((hash, i) => {
      const other = stored?.[i];
      return hash !== undefined && other !== undefined && !equalBytes(hash, other);
    });
    if (differs) this.#unequal.push(first);
    this.done = last + 1;
  }

  async #addEdge(level: number): Promise<void> {
    const width = partialWidth(level, this.#size);
    if (width === 0) return;
    const hashes = await this.#tile(level, Math.floor(hashesAtLevel(level, this.#size) / TILE_WIDTH), width);
    if (hashes !== undefined) this.#survey.addEdge(level, hashes);
  }

  async #tile(level: number, index: number, width: number): Promise<Maybe<readonly Hash[]>> {
    const { client, prefix } = this.#options;
    const tile = await orFault(fetchTileHashes(client, prefix, { level, index, width }));
    if (typeof tile !== 'string') return tile;
    const first = index * TILE_WIDTH ** (level + 1);
    this.#damages.push(tileMissing(first, Math.min(this.#size, first + width * TILE_WIDTH ** level) - 1, tile));
    return undefined;
  }
}

interface Window {
  readonly first: number;
  readonly width: number;
  /** Or why there are none. */
  readonly entries: readonly Uint8Array[] | string;
  readonly tile: readonly Hash[] | string;
}

function tileMissing(first: number, last: number, why: string): Damage {
  return damage('tile-altered', first, why, last);
}

function isSame(one: Damage, other: Damage): boolean {
  return one.kind === other.kind && one.index === other.index && one.lastIndex === other.lastIndex;
}

/** What is served as missing or malformed is a finding; a server that does not answer is none. */
async function orFault<T>(work: Promise<T>): Promise<T | string> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RestoreError) || error.code === 'unreachable') throw error;
    return error.message;
  }
}
