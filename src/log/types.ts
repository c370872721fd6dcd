/**
 * What a log is to the rest of the house: the types that the HTTP routes, the audit trail and the command line use.
 * `log.ts` is the conductor behind them; each stage of the flow is the file with that verb's name beside it.
 */
import type { Hash } from '../../proofs/hash.ts';
import type { Policy } from '../../proofs/policy.ts';
import type { TileCoordinates } from '../../proofs/tile.ts';
import type { Prepared } from '../events/types.ts';
import type { Damage } from './damage.ts';

/** The closed union of reasons for which a log refuses; the HTTP layer maps each to one status and problem type. */
export type LogErrorCode =
  | 'overloaded'
  | 'entry-too-large'
  | 'log-stopped'
  | 'log-closed'
  | 'clock-backwards'
  | 'clock-unsynchronised'
  | 'not-in-log'
  | 'size-not-signed'
  | 'unknown-head'
  | 'invalid-cosignatures'
  | 'ambiguous-event-id'
  | 'corrupt-data'
  | 'rolled-back'
  | 'guard-missing'
  | 'guard-corrupt'
  | 'wrong-origin'
  | 'no-valid-key';

export class LogError extends Error {
  readonly code: LogErrorCode;
  /** Indices, sizes and ids that name the thing. Never contents, never secrets. */
  readonly details: Readonly<Record<string, string | number>>;

  constructor(code: LogErrorCode, message: string, details: Readonly<Record<string, string | number>> = {}) {
    super(message);
    this.name = 'LogError';
    this.code = code;
    this.details = details;
  }
}

/** The answer to one submitted event. The index never changes and the entry survives a crash once this exists. */
export type SubmitResult =
  | {
      /** `duplicate`: the same producer sent the same content under this id before; this is the first answer again. */
      readonly status: 'accepted' | 'duplicate';
      readonly index: number;
      /** Microseconds since the Unix epoch, strictly increasing over the log. */
      readonly logTime: number;
      readonly leafHash: Hash;
    }
  | { readonly status: 'conflict'; readonly index: number };

/** One stored event, read back and checked against the tree before it is handed out. */
export interface StoredEvent {
  readonly index: number;
  /** The bytes that the tree hashes. */
  readonly entry: Uint8Array;
  readonly leafHash: Hash;
  readonly logTime: number;
  readonly producerId: string;
  readonly producerSeq: number | null;
  readonly card: Uint8Array;
  /** The producer's fields and the log's own field `log`. A field without `salt` and `value` was erased. */
  readonly fields: readonly StoredField[];
  /**
   * The log was restored from a mirror, which has no contents: `card` is empty and `fields` are none. The entry, its
   * proof and its receipt are as good as ever.
   */
  readonly contentsLost?: true;
}

/** An event right after its group became durable, with what was submitted still at hand. */
export interface DurableEvent {
  readonly index: number;
  readonly logTime: number;
  readonly leafHash: Hash;
  readonly event: Prepared;
}

export interface StoredField {
  readonly id: string;
  readonly commitment: Hash;
  readonly opening?: { readonly salt: Uint8Array; readonly value: string };
}

export type SigningState =
  | { readonly state: 'signing' }
  /** Submissions may go on; nothing is signed. `reason` says what happened and what to do. */
  | { readonly state: 'refusing'; readonly code: LogErrorCode; readonly reason: string };

export interface LogHealth {
  /** False when a fresh, quorum-cosigned checkpoint cannot be expected. */
  readonly healthy: boolean;
  /** One sentence each, for an on-call engineer: what happened, what it means, what to do. */
  readonly problems: readonly string[];
  /** Leaves that are durable and integrated. */
  readonly treeSize: number;
  readonly signedSize: number;
  readonly publishedSize: number;
  readonly queuedEvents: number;
  readonly signing: SigningState;
  /** False after a fatal storage error: submissions are refused until the log was reloaded from disk. */
  readonly accepting: boolean;
  readonly headSignedAtMs: number | null;
  readonly publishedAtMs: number | null;
  readonly scrub: ScrubHealth;
  /** Per witness of the policy: what it last cosigned. */
  readonly witnesses: readonly {
    readonly name: string;
    readonly cosignedSize: number | null;
    readonly cosignedAtMs: number | null;
    readonly lastError: string | null;
    /** What pushing heads to it came to; null for a witness without URL, which fetches them itself. */
    readonly push: { readonly requests: number; readonly failures: number; readonly latencyMs: number | null } | null;
  }[];
}

/** How far the background check of everything stored has come (scrub.ts). */
export interface ScrubHealth {
  /** Entries of the present pass that were examined, and how many it has. */
  readonly examined: number;
  readonly size: number;
  /** The newest pass that came to its end; null while none has. */
  readonly lastPass: { readonly endedAtMs: number; readonly size: number; readonly damageCount: number } | null;
  /** What is known to be damaged, one sentence each. None of it is served. */
  readonly damages: readonly string[];
  readonly damagedIndices: readonly number[];
}

/** That the leaf is in the tree of this root; checked. */
export interface ProvenInclusion {
  readonly leafHash: Hash;
  readonly root: Hash;
  readonly proof: readonly Hash[];
}

/** What a log is, whatever its entries hold: a tree that grows, heads of it, and proofs. */
export interface TreeLog {
  readonly name: string;
  readonly origin: string;
  readonly policy: Policy;
  /** The policy file's text, as a verifier pins it. */
  readonly policyText: string;

  /** True once a published checkpoint covers the index, false after the timeout. */
  waitForPublished(index: number, timeoutMs: number): Promise<boolean>;
  /** The newest checkpoint that the policy's quorum has cosigned, as a signed note. */
  checkpoint(): string | undefined;
  publishedSize(): number;
  /** The newest signed head, cosigned or not. */
  head(): string | undefined;
  signedSize(): number;
  /** Leaves integrated and durable; ≥ signedSize ≥ publishedSize. */
  treeSize(): number;
  /**
   * Takes a checkpoint with cosignature lines for a head that this log signed; keeps only what verifies. Throws
   * LogError `unknown-head` or `invalid-cosignatures`. A head signed by this log that is newer than anything it
   * knows makes the log refuse to sign (`rolled-back`), because its database was set back.
   */
  addCosignatures(note: Uint8Array): Promise<{ readonly accepted: number }>;
  /** Bytes of a tile of the newest signed head, checked against the tree; undefined if it does not exist (404). */
  tile(coordinates: TileCoordinates): Promise<Uint8Array | undefined>;
  entryBundle(index: number, width: number): Promise<Uint8Array | undefined>;
  /** Proofs between any sizes up to the signed one, each checked before it is returned. */
  inclusionProof(index: number, size: number): Promise<readonly Hash[]>;
  /** The same with what it leads from and to, read once. */
  provenInclusion(index: number, size: number): Promise<ProvenInclusion>;
  consistencyProof(from: number, to: number): Promise<readonly Hash[]>;
  /** Root of any size up to the tree's. */
  rootAt(size: number): Promise<Hash>;
  leafHashAt(index: number): Promise<Hash>;
  /** `.tlog-proof` of the entry against the published checkpoint, or undefined if that does not cover it yet. */
  receipt(index: number): Promise<string | undefined>;
  /**
   * Calls the listener with damage that the scrubber finds in what is stored, each once, what is known already first.
   * Returns how to end it.
   */
  subscribeDamage(listener: (damages: readonly Damage[]) => void): () => void;
  health(): LogHealth;
  /** Finishes what was promised within a bounded time and closes the database. */
  close(): Promise<void>;
}

/** A log of audit events. */
export interface Log extends TreeLog {
  readonly kind: 'audit';

  /**
   * Sequences, integrates and fsyncs the events, all of one call in the same order. Throws LogError `overloaded`
   * (details.retryAfterSeconds), `log-stopped`, `log-closed` or `clock-backwards`; then nothing of the call was stored.
   */
  submit(events: readonly Prepared[]): Promise<readonly SubmitResult[]>;
  /**
   * Calls the listener with each group right after it became durable, in the order of the log and before the answers
   * leave; it must be quick and not throw. Returns how to end it. What was durable before is read with `eventsAt`.
   */
  subscribe(listener: (group: readonly DurableEvent[]) => void): () => void;
  eventAt(index: number): Promise<StoredEvent | undefined>;
  eventsAt(indices: readonly number[]): Promise<readonly StoredEvent[]>;
  /** Indices of the events with this id; more than one when several producers used the same id. */
  findEvent(eventId: string, producerId?: string): Promise<readonly number[]>;
  /**
   * First indices ≥ `from` and < `size` that carry all of these search terms (none: every index), ascending.
   * `complete` is false when the work bound was reached first; continue at `next`.
   */
  search(query: {
    readonly terms: readonly string[];
    /** Further conditions, each a list of terms of which the event carries at least one. */
    readonly anyOf?: readonly (readonly string[])[];
    readonly from: number;
    readonly size: number;
    readonly limit: number;
  }): Promise<{ readonly indices: readonly number[]; readonly complete: boolean; readonly next: number }>;
  /** First index whose log time is ≥ the given microseconds (the tree size if none). */
  indexAtTime(logTimeUs: number): Promise<number>;
}

/** The answer to one entry of a raw log. */
export interface AddResult {
  /** `duplicate`: the log suppresses duplicates and has these bytes already, at this index. */
  readonly status: 'accepted' | 'duplicate';
  readonly index: number;
  readonly leafHash: Hash;
}

/** A log of opaque bytes: each entry is hashed, kept and proven as it is, and never looked into. */
export interface RawLog extends TreeLog {
  readonly kind: 'raw';
  /** Whether the same bytes get the same index, for ever. */
  readonly deduplicates: boolean;

  /**
   * Integrates and fsyncs the entries, all of one call in the same order. Throws LogError as `Log.submit` does, and
   * `entry-too-large`; then nothing of the call was stored.
   */
  add(entries: readonly Uint8Array[]): Promise<readonly AddResult[]>;
  /** The bytes of an entry, checked against the tree; undefined beyond it. */
  entryAt(index: number): Promise<Uint8Array | undefined>;
}

/** A log of either kind. `kind` tells them apart. */
export type AnyLog = Log | RawLog;
