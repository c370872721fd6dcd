/**
 * The witness's database: binary keys and values, one writer, group commit. Writes that arrive while one batch is
 * being fsynced share the next, so that many origins cost one fsync together. LevelDB does not check what it reads
 * and drops records of a damaged write-ahead log without a word: state.ts and guard.ts check what comes back.
 */
import { Level } from 'level';
import { messageOf, WitnessError } from './errors.ts';

export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** `synced`: resolves after the fsync. `lazy`: resolves once written, durable with the next synced write at the latest. */
export type Durability = 'synced' | 'lazy';

export interface RowStore {
  /** All rows whose key begins with this byte. More than `limit` of them is an error, never a shorter answer. */
  list(kind: number, limit: number): Promise<readonly Row[]>;
  /** Puts the rows atomically. Throws `store-failed` when it cannot promise them, `overloaded` when too many wait. */
  write(rows: readonly Row[], durability: Durability): Promise<void>;
  close(): Promise<void>;
}

/** Opens the rows; called again, after a failure, to read back what is really there. */
export type OpenRows = () => Promise<RowStore>;

const MAX_WAITING_WRITES = 10_000;
const WRITE_BUFFER_BYTES = 4 * 1024 * 1024;

/** Opens (and creates) the database. Throws `store-locked` when another process has it, else `store-failed`. */
export async function openLevelRows(directory: string): Promise<RowStore> {
  const db = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  try {
    await db.open();
  } catch (error) {
    throw openError(error, directory);
  }
  const group = new GroupCommit(async (rows, sync) => {
    const batch = db.batch();
    for (const row of rows) batch.put(row.key, row.value);
    await batch.write({ sync });
  });
  return {
    list: async (kind, limit) => {
      const end = Uint8Array.of(kind + 1);
      const rows = await db.iterator({ gte: Uint8Array.of(kind), lt: end, limit: limit + 1 }).all();
      if (rows.length > limit) throw new WitnessError('store-failed', `more than ${limit} rows of kind ${kind}`);
      return rows.map(([key, value]) => ({ key, value }));
    },
    write: (rows, durability) => group.write(rows, durability === 'synced'),
    close: async () => {
      await group.settle();
      await db.close();
    },
  };
}

interface Waiting {
  readonly rows: readonly Row[];
  readonly sync: boolean;
  readonly resolve: () => void;
  readonly reject: (error: WitnessError) => void;
}

/** One batch at a time; whatever arrives meanwhile is the next batch. A failed batch fails everyone in it. */
export class GroupCommit {
  readonly #commit: (rows: readonly Row[], sync: boolean) => Promise<void>;
  #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;

  constructor(commit: (rows: readonly Row[], sync: boolean) => Promise<void>) {
    this.#commit = commit;
  }

  write(rows: readonly Row[], sync: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= MAX_WAITING_WRITES) {
        reject(new WitnessError('overloaded', 'too many writes are waiting for the disk'));
        return;
      }
      this.#waiting.push({ rows, sync, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when nothing is being written and nothing waits. */
  async settle(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#commit(
          group.flatMap(({ rows }) => rows),
          group.some(({ sync }) => sync),
        );
        for (const { resolve } of group) resolve();
      } catch (error) {
        const failure = new WitnessError('store-failed', `the database could not write: ${messageOf(error)}`, error);
        for (const { reject } of group) reject(failure);
      }
    }
    this.#draining = undefined;
  }
}

function openError(error: unknown, directory: string): WitnessError {
  const reasons = [error, error instanceof Error ? error.cause : undefined];
  const locked = reasons.some((one) => one instanceof Error && 'code' in one && one.code === 'LEVEL_LOCKED');
  if (locked) return new WitnessError('store-locked', `another witness has ${directory} open`, error);
  return new WitnessError('store-failed', `cannot open ${directory}: ${reasons.map(messageOf).join(': ')}`, error);
}
