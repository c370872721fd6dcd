/**
 * What the witness has vouched for: one head per log, in memory and in the database, moved in one place only.
 *
 * `advance` is the commit point. It compares, writes and fsyncs; a signature over a head is made after it returned
 * and never before. A crash before it: the head was never vouched for. A crash after it: the head is held, unsigned;
 * whoever asks again at the same size gets the signature.
 *
 * After a failed write nobody knows what is on the disk, so nothing more is signed until the database was closed,
 * opened and read again (LevelDB then rewrites what it recovered into new, fsynced files).
 */
import { equalBytes } from '../proofs/bytes.ts';
import type { NoteSignature } from '../proofs/note.ts';
import { messageOf, WitnessError } from './errors.ts';
import { checkGuard, type HeadGuard } from './guard.ts';
import { decodeHead, encodeHead, HEAD_ROW, type HeadRecord, headKey } from './head-record.ts';
import type { OpenRows, Row, RowStore } from './rows.ts';

const MAX_HEADS = 100_000;
/** Requests for one log that wait for their turn; the next one is told to come back. */
const MAX_WAITING_PER_LOG = 64;

export interface StateOptions {
  readonly openRows: OpenRows;
  readonly guard: HeadGuard;
}

interface Opened {
  readonly rows: RowStore;
  readonly heads: Map<string, HeadRecord>;
}

export class WitnessState {
  readonly #options: StateOptions;
  readonly #turns = new Map<string, { last: Promise<unknown>; waiting: number }>();
  readonly #lazyWrites = new Set<Promise<void>>();
  #opened: Opened | undefined;
  /** After a failure: the database that was given up, to be closed before it is opened again. */
  #abandoned: RowStore | undefined;
  #reopening: Promise<Opened> | undefined;
  #failure: string | undefined;
  #closed = false;

  private constructor(options: StateOptions, opened: Opened) {
    this.#options = options;
    this.#opened = opened;
  }

  /** Throws `store-locked`, `store-failed`, `state-corrupt`, or `state-lost` when the database was set back. */
  static async open(options: StateOptions): Promise<WitnessState> {
    return new WitnessState(options, await load(options));
  }

  /** Why nothing can be signed at present, or undefined. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Runs the work alone among all work for this origin; other origins go on. Throws `overloaded`, `closed`. */
  async exclusively<T>(origin: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new WitnessError('closed', 'the witness is stopping');
    const turn = this.#turns.get(origin) ?? { last: Promise.resolve(), waiting: 0 };
    if (turn.waiting >= MAX_WAITING_PER_LOG) throw new WitnessError('overloaded', 'too many requests for this log');
    turn.waiting++;
    this.#turns.set(origin, turn);
    const mine = turn.last.then(work);
    turn.last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      turn.waiting--;
      if (turn.waiting === 0) this.#turns.delete(origin);
    }
  }

  /** The head held for this origin. Throws `store-failed` while the database cannot be read back. */
  async head(origin: string): Promise<HeadRecord | undefined> {
    return (await this.#ready()).heads.get(origin);
  }

  /**
   * Moves an origin from the head that the caller judged against to the next one, durably. Compare-and-swap: throws
   * `state-moved` when another head is held by now, `store-failed` when the write cannot be promised.
   */
  async advance(from: HeadRecord | undefined, next: HeadRecord): Promise<void> {
    const opened = await this.#ready();
    const { origin } = next.checkpoint;
    const held = opened.heads.get(origin);
    if (held !== from) throw new WitnessError('state-moved', 'another head was recorded meanwhile');
    if (held !== undefined && !extendsOrEquals(held, next)) {
      throw new WitnessError('state-moved', 'the next head would go back');
    }
    await this.#write(opened, [{ key: headKey(origin), value: encodeHead(next) }], 'synced');
    opened.heads.set(origin, next);
    this.#options.guard.note(next.checkpoint);
  }

  /**
   * Keeps our lines beside a head that is held. They can be made again, so nobody waits for the disk; the next
   * fsync takes them along.
   */
  keepCosignatures(held: HeadRecord, cosignatures: readonly NoteSignature[]): HeadRecord {
    const record = { ...held, cosignatures };
    const opened = this.#opened;
    const { origin } = held.checkpoint;
    if (opened === undefined || opened.heads.get(origin) !== held) return record;
    opened.heads.set(origin, record);
    const row = { key: headKey(origin), value: encodeHead(record) };
    const write = this.#write(opened, [row], 'lazy')
      .catch(() => undefined) // the failure is remembered by #write
      .finally(() => this.#lazyWrites.delete(write));
    this.#lazyWrites.add(write);
    return record;
  }

  /** Rows of other kinds, for whoever keeps something beside the heads. */
  async putRows(rows: readonly Row[]): Promise<void> {
    await this.#write(await this.#ready(), rows, 'synced');
  }

  async listRows(kind: number, limit: number): Promise<readonly Row[]> {
    return (await this.#ready()).rows.list(kind, limit);
  }

  /** Lets what was begun finish, then closes the database. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#turns.values()].map(({ last }) => last));
    await Promise.all(this.#lazyWrites);
    await this.#options.guard.settle();
    await (this.#opened?.rows ?? this.#abandoned)?.close();
    this.#opened = undefined;
    this.#abandoned = undefined;
  }

  async #write(opened: Opened, rows: readonly Row[], durability: 'synced' | 'lazy'): Promise<void> {
    try {
      await opened.rows.write(rows, durability);
    } catch (error) {
      if (!(error instanceof WitnessError) || error.code !== 'overloaded') this.#fail(opened, error);
      throw error;
    }
    // The database was given up while this was written: what it holds is read again before anything is signed.
    if (this.#opened !== opened) throw new WitnessError('store-failed', 'the database failed meanwhile');
  }

  #fail(opened: Opened, error: unknown): void {
    if (this.#opened !== opened) return;
    this.#failure = messageOf(error);
    this.#opened = undefined;
    this.#abandoned = opened.rows;
  }

  async #ready(): Promise<Opened> {
    if (this.#opened !== undefined) return this.#opened;
    this.#reopening ??= this.#reopen();
    return this.#reopening;
  }

  async #reopen(): Promise<Opened> {
    try {
      await this.#abandoned?.close().catch(() => undefined);
      this.#abandoned = undefined;
      await this.#options.guard.settle();
      this.#opened = await load(this.#options);
      this.#failure = undefined;
      return this.#opened;
    } catch (error) {
      this.#failure = messageOf(error);
      throw error instanceof WitnessError ? error : new WitnessError('store-failed', messageOf(error), error);
    } finally {
      this.#reopening = undefined;
    }
  }
}

async function load({ openRows, guard }: StateOptions): Promise<Opened> {
  const rows = await openRows();
  try {
    const heads = new Map<string, HeadRecord>();
    for (const { key, value } of await rows.list(HEAD_ROW, MAX_HEADS)) {
      const record = decodeHead(key, value);
      heads.set(record.checkpoint.origin, record);
    }
    checkGuard(await guard.load(), (origin) => heads.get(origin)?.checkpoint);
    return { rows, heads };
  } catch (error) {
    await rows.close();
    throw error;
  }
}

/** The last line of defence, below all protocol checks: a record never shrinks and never changes its root. */
function extendsOrEquals(held: HeadRecord, next: HeadRecord): boolean {
  if (next.checkpoint.size !== held.checkpoint.size) return next.checkpoint.size > held.checkpoint.size;
  return equalBytes(next.checkpoint.root, held.checkpoint.root);
}
