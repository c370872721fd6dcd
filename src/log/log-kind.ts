/**
 * What one kind of log does in its own way. Everything else in this folder works on leaves and rows and never asks:
 * audit-log.ts and raw-log.ts each hand one of these to the conductor (log.ts).
 */

import type { Hasher } from '../../proofs/hash.ts';
import type { Store } from '../store/contract.ts';
import type { ContentsCheck } from './check-contents.ts';
import type { Planner } from './group-plan.ts';
import type { EntrySource } from './read-entries.ts';
import type { ChunkKind } from './rows.ts';

export interface LogKind<Item, Result, Own> {
  /** The rows that make up most of what one entry takes in the database. */
  readonly weighed: ChunkKind;
  /** Called once for each life of the log, when the tree was loaded and checked. */
  load(parts: KindParts): Promise<LoadedKind<Item, Result, Own>>;
}

export interface KindParts {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly nowUs: () => number;
  /** Leaves that were durable when the log was loaded. */
  readonly size: number;
  /** The log as it stands at the time of the call. */
  readonly source: () => EntrySource;
  /** The store broke: nothing more is written in this life. */
  readonly onFailure: (error: unknown) => void;
}

export interface LoadedKind<Item, Result, Own> {
  readonly planner: Planner<Item, Result>;
  /** Examines what is stored beside the entries, from this index on, a multiple of BLOCK_EVENTS. */
  readonly checkContents: (from: number) => ContentsCheck;
  /** What reading this kind of log needs beside the tree. */
  readonly own: Own;
  close(): Promise<void>;
}
