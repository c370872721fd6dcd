/**
 * Stage `scrub`: reads the whole log again in the background, at a bounded rate, and says what no longer fits: entries
 * against the tree, contents against entries, ids and search rows against contents. Damage that nobody asks for is
 * found before the last good copy of it is gone.
 *
 * A pass has half of the time until the next one is due and takes it: examining an event costs a tenth of a millisecond,
 * which whoever submits would wait for. It steps back while submissions wait, holds no lock, writes nothing, and ends
 * within one slice when the log closes.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Hash } from '../../proofs/hash.ts';
import { TILE_HEIGHT, TILE_WIDTH } from '../../proofs/tile.ts';
import { rootOfHashes } from '../../proofs/tree.ts';
import { StoreError } from '../store/contract.ts';
import { BLOCK_EVENTS } from '../trail/postings.ts';
import type { ContentsCheck } from './check-contents.ts';
import { type Damage, damage, runsOf } from './damage.ts';
import type { LogLimits, LogLogger } from './options.ts';
import { readWindow } from './read-damaged.ts';
import type { EntrySource } from './read-entries.ts';
import { TreeReader } from './tree-reader.ts';
import { LogError, type ScrubHealth } from './types.ts';

export interface ScrubOptions {
  readonly source: () => EntrySource;
  /** Made anew for each pass, which begins at this index, a multiple of BLOCK_EVENTS. */
  readonly contents: (from: number) => ContentsCheck;
  /** Whether submissions wait. */
  readonly isBusy: () => boolean;
  /** Entries that the database can have dropped something of at this start: they are looked at first. */
  readonly newestEntries: number;
  readonly limits: Pick<LogLimits, 'scrubEntriesPerSecond' | 'scrubIntervalMs' | 'scrubDelayMs'>;
  readonly nowMs: () => number;
  readonly logger: LogLogger;
  /** Told of each damage of a pass once. */
  readonly onDamage: (damages: readonly Damage[]) => void;
}

/** Entries opened between two turns of the event loop: a millisecond or so. */
const SLICE_ENTRIES = 16;
/** A small log is not examined more slowly than this. */
const MIN_ENTRIES_PER_SECOND = 20;
/** So many would fit into the interval, so that one that is put off is through in time all the same. */
const PASSES_IN_INTERVAL = 2;
/** While submissions wait, a window is put off for so long at most, so that the pass ends some day. */
const MAX_YIELD_MS = 1_000;
const YIELD_MS = 20;
/** Damaged indices that are told; there may be more. */
const MAX_TOLD = 1_000;

/** The entries [first, end), all in one tile. */
interface Window {
  readonly first: number;
  readonly end: number;
  /** Behind each entry. */
  readonly restMs: number;
}

export class Scrubber {
  readonly #options: ScrubOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #position = 0;
  #passSize = 0;
  #last: ScrubHealth['lastPass'] = null;
  /** Of the pass that is under way, and of the one before it. */
  #damages: Damage[] = [];
  #damagesBefore: readonly Damage[] = [];

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  /** A rate of 0 turns it off. */
  start(): void {
    if (this.#options.limits.scrubEntriesPerSecond === 0) return;
    this.#running = this.#run(this.#options.source().state.range.size);
  }

  health(): ScrubHealth {
    const known = runsOf([...this.#damagesBefore, ...this.#damages]);
    const indices = new Set<number>();
    for (const { index, lastIndex } of known) {
      for (let i = index ?? 0; index !== null && i <= (lastIndex ?? index) && indices.size < MAX_TOLD; i++)
        indices.add(i);
    }
    return {
      examined: this.#position,
      size: this.#passSize,
      lastPass: this.#last,
      damages: known.map(({ found }) => found).slice(0, MAX_TOLD),
      damagedIndices: [...indices].sort((a, b) => a - b),
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(sizeAtStart: number): Promise<void> {
    const { limits, nowMs, newestEntries } = this.#options;
    await this.#sleep(limits.scrubDelayMs);
    // First what the write-ahead log of the database can have dropped at this start, as fast as is allowed.
    const oldest = Math.max(0, sizeAtStart - newestEntries);
    await this.#attempt(() => this.#pass(oldest, sizeAtStart, limits.scrubEntriesPerSecond));
    while (!this.#closing.signal.aborted) {
      const startedAtMs = nowMs();
      const { size } = this.#options.source().state.range;
      await this.#attempt(() => this.#pass(0, size, this.#evenRate(size)));
      await this.#sleep(Math.max(limits.scrubDelayMs, limits.scrubIntervalMs - (nowMs() - startedAtMs)));
    }
  }

  async #attempt(pass: () => Promise<void>): Promise<void> {
    try {
      await pass();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.error(
        { reason },
        'the scrubber could not finish a pass over the log; it begins again later',
      );
    }
  }

  async #pass(oldest: number, size: number, entriesPerSecond: number): Promise<void> {
    const { source, nowMs } = this.#options;
    const { store, hasher, state } = source();
    // Not the reader that serves: what that one has in memory was good once, and here the disk is looked at.
    const reader = new TreeReader(store, hasher);
    const from: EntrySource = { store, reader, hasher, state };
    const start = oldest - (oldest % BLOCK_EVENTS);
    const restMs = 1000 / entriesPerSecond;
    const contents = this.#options.contents(start);
    this.#damagesBefore = [...this.#damagesBefore, ...this.#damages].slice(-MAX_TOLD);
    this.#damages = [];
    this.#passSize = size;
    for (let first = start; first < size; first += TILE_WIDTH) {
      this.#position = first;
      await this.#yield();
      if (this.#closing.signal.aborted) return;
      await this.#window(from, contents, { first, end: Math.min(size, first + TILE_WIDTH), restMs });
    }
    if (this.#closing.signal.aborted) return;
    this.#tell(await contents.end(size));
    this.#position = size;
    if (start > 0) return;
    this.#last = { endedAtMs: nowMs(), size, damageCount: this.#damages.length };
    this.#damagesBefore = this.#damages;
    this.#damages = [];
  }

  #evenRate(size: number): number {
    const { scrubEntriesPerSecond, scrubIntervalMs } = this.#options.limits;
    const evenly = size / (scrubIntervalMs / 1000 / PASSES_IN_INTERVAL);
    return Math.min(scrubEntriesPerSecond, Math.max(MIN_ENTRIES_PER_SECOND, evenly));
  }

  async #window(source: EntrySource, contents: ContentsCheck, { first, end, restMs }: Window): Promise<void> {
    const { items, faults } = await readWindow(source.store, 'entries', first, end);
    const damages = [...faults].map(([index, fault]) => damage('entry-missing', index, `entry ${index}: ${fault}`));
    const hashes = items.map((entry) => (entry === undefined ? undefined : source.hasher.leaf(entry)));
    const { bad, found } = await judgeWindow(source, first, hashes);
    damages.push(...found);
    for (let at = 0; at < items.length; at += SLICE_ENTRIES) {
      const slice = items
        .slice(at, at + SLICE_ENTRIES)
        .map((entry, i) => (bad.has(first + at + i) ? undefined : entry));
      damages.push(...(await contents.window(first + at, slice)));
      // A rest after each slice, not a longer one after many: whoever reads meanwhile waits for one slice at most.
      await this.#sleep(restMs * slice.length);
      if (this.#closing.signal.aborted) return;
    }
    this.#tell(damages);
  }

  #tell(damages: readonly Damage[]): void {
    const isKnown = ({ kind, index }: Damage): boolean =>
      [...this.#damagesBefore, ...this.#damages].some((one) => one.kind === kind && one.index === index);
    const fresh = damages.filter((one) => !isKnown(one));
    if (this.#damages.length < MAX_TOLD) this.#damages.push(...damages);
    if (fresh.length === 0) return;
    for (const { kind, index, lastIndex, found } of runsOf(fresh)) {
      this.#options.logger.error({ kind, index, lastIndex }, `stored data is damaged, and is not served: ${found}`);
    }
    this.#options.onDamage(runsOf(fresh));
  }

  /** Keeps out of the way of submissions. */
  async #yield(): Promise<void> {
    for (let waitedMs = 0; this.#options.isBusy() && waitedMs < MAX_YIELD_MS; waitedMs += YIELD_MS) {
      await this.#sleep(YIELD_MS);
    }
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      signal.addEventListener('abort', done);
    });
  }
}

interface JudgedWindow {
  readonly found: readonly Damage[];
  /** Entries about whose contents nothing can be said. */
  readonly bad: ReadonlySet<number>;
}

/** The leaf hashes of one window against the tree; where its tile is damaged, against the hash over it. */
async function judgeWindow(
  { reader, state, hasher }: EntrySource,
  first: number,
  hashes: readonly (Hash | undefined)[],
): Promise<JudgedWindow> {
  const read = reader.hashReader(state);
  const found: Damage[] = [];
  const bad = new Set<number>();
  try {
    const expected = await read(hashes.map((_, i) => ({ level: 0, index: first + i })));
    for (const [i, hash] of hashes.entries()) {
      const wanted = expected[i];
      if (hash === undefined || (wanted !== undefined && equalBytes(hash, wanted))) continue;
      bad.add(first + i);
      found.push(
        damage('entry-altered', first + i, `entry ${first + i} was altered: its hash is not the one in the tree`),
      );
    }
    return { found, bad };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const tile = error instanceof LogError ? Number(error.details['index'] ?? first) : first;
    found.push(damage('tile-altered', tile, error.message));
  }
  const whole = hashes.flatMap((hash) => hash ?? []);
  const [above] = await read([{ level: TILE_HEIGHT, index: first / TILE_WIDTH }]).catch((error: unknown) => {
    if (isDamage(error)) return [];
    throw error;
  });
  const isGood = above !== undefined && whole.length === TILE_WIDTH && equalBytes(rootOfHashes(whole, hasher), above);
  if (isGood) return { found, bad };
  const last = first + hashes.length - 1;
  for (let index = first; index <= last; index++) bad.add(index);
  if (above !== undefined && whole.length === hashes.length) {
    found.push(
      damage('entry-unlocated', first, `entries ${first} to ${last} and their tile are not those of the tree`, last),
    );
  }
  return { found, bad };
}

function isDamage(error: unknown): error is Error {
  if (error instanceof LogError) return error.code === 'corrupt-data';
  return error instanceof StoreError && error.code !== 'store-closed';
}
