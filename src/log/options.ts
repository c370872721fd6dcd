/**
 * What a log is opened with. Clock, network, disk and keys all arrive here; nothing in src/log reaches for its own.
 */
import type { SignerKey } from '../../proofs/key.ts';
import type { Store } from '../store/contract.ts';

/** Every bound of a log, with its unit. */
export interface LogLimits {
  /** Events waiting to be written; beyond it submissions are refused with `overloaded`. */
  readonly maxQueuedEvents: number;
  readonly maxQueuedBytes: number;
  /** Events after which a group takes no further submission. A submission is never split. */
  readonly maxGroupEvents: number;
  /** How often a grown tree is signed. */
  readonly signIntervalMs: number;
  /** How long a head is left standing for the witnesses before a newer one replaces it without a quorum. */
  readonly headPatienceMs: number;
  /** Time-out of one request to a witness. */
  readonly witnessTimeoutMs: number;
  /** An event that no published checkpoint covers after this long makes the log unhealthy. */
  readonly maxUnpublishedMs: number;
  /** How long `close` waits for what was promised. */
  readonly drainMs: number;
  /** Entries compared with the tree at start, at least; more where the database's write-ahead log held more. */
  readonly startCheckEntries: number;
  /** Entries that the scrubber reads again in a second at most; 0: it does not run. */
  readonly scrubEntriesPerSecond: number;
  /** From the beginning of one pass of the scrubber to that of the next. */
  readonly scrubIntervalMs: number;
  /** Before the first pass, and between two passes at least. */
  readonly scrubDelayMs: number;
}

export const DEFAULT_LIMITS: LogLimits = {
  maxQueuedEvents: 20_000,
  maxQueuedBytes: 64 * 1024 * 1024,
  maxGroupEvents: 1024,
  signIntervalMs: 200,
  headPatienceMs: 1_000,
  witnessTimeoutMs: 2_000,
  maxUnpublishedMs: 10_000,
  drainMs: 5_000,
  startCheckEntries: 16_384,
  scrubEntriesPerSecond: 2_000,
  scrubIntervalMs: 86_400_000,
  scrubDelayMs: 5_000,
};

export interface LogLogger {
  info(details: Readonly<Record<string, unknown>>, message: string): void;
  warn(details: Readonly<Record<string, unknown>>, message: string): void;
  error(details: Readonly<Record<string, unknown>>, message: string): void;
}

export const SILENT_LOGGER: LogLogger = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface OpenLogOptions {
  /** Path segment under which the log is served. */
  readonly name: string;
  readonly origin: string;
  /** Holds the database in `db/` and, outside of it, the guard file. */
  readonly directory: string;
  /**
   * The log's keys, named after the origin: Ed25519 (0x01) and, where wanted, ML-DSA-44 (0x06). The policy says at which
   * tree sizes each of them signs; more than one of a type only while keys are being changed.
   */
  readonly signers: readonly SignerKey[];
  readonly policyText: string;
  readonly openStore?: (directory: string) => Promise<Store>;
  /** Microseconds since the Unix epoch. */
  readonly nowUs?: () => number;
  readonly fetch?: typeof fetch;
  readonly logger?: LogLogger;
  readonly limits?: Partial<LogLimits>;
}
