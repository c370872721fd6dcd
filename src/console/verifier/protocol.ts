/**
 * What the page and its worker say to each other. The page hands over one file at a time and gets the verdict with the
 * events to be shown; everything in these messages is plain data that structured cloning takes.
 */
import type { JsonObject, JsonValue } from '../../../proofs/canonical-json.ts';
import type { FileReport } from '../../../proofs/judge-file.ts';
import type { RuleInForce } from './related.ts';
import type { TreePath } from './tree-path.ts';

/** What the auditor pinned: nothing of it comes out of the evidence. */
export interface Pins {
  readonly policy: string;
  readonly pin?: Uint8Array;
  /** Seconds since the Unix epoch. */
  readonly at?: number;
}

export interface Request {
  readonly id: number;
  readonly pins: Pins;
  readonly name: string;
  readonly file: Blob;
  readonly receipt?: Blob | undefined;
}

export type Answer =
  | { readonly id: number; readonly kind: 'progress'; readonly done: number; readonly total: number | undefined }
  | { readonly id: number; readonly kind: 'judged'; readonly judged: Judged }
  /** The browser failed, not the evidence: no memory, or a file that went away. */
  | { readonly id: number; readonly kind: 'broken'; readonly message: string };

/** One file, judged. */
export interface Judged {
  readonly report: FileReport;
  readonly bytes: number;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
  readonly durationMs: number;
  /** Hex SHA-256 of the policy that it was judged by, and the time after which cosignatures did not count. */
  readonly policySha256: string;
  readonly at?: number;
  readonly events: EventChoice;
  /** The checkpoint, once the log's signature was checked. */
  readonly head?: DrawnHead;
}

/** The events that are shown, out of all that match. */
export interface EventChoice {
  /** Overrides of the rules first, then by index. */
  readonly shown: readonly ShownEvent[];
  readonly total: number;
  readonly overrides: number;
  readonly denied: number;
  readonly failed: number;
}

export interface ShownEvent {
  readonly index: number;
  /** Microseconds since the Unix epoch. */
  readonly logTimeUs: number;
  readonly producerId: string;
  readonly producerSeq: number | null;
  readonly isOverride: boolean;
  /** From the catalogue that the event was checked against, if the evidence has it and it is in the tree. */
  readonly title?: string;
  readonly rule?: RuleInForce;
  readonly event: JsonObject;
  readonly fields: readonly ShownField[];
  readonly cardHash: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly path?: TreePath;
}

export type ShownField =
  | { readonly id: string; readonly state: 'shown'; readonly value: JsonValue }
  | { readonly id: string; readonly state: 'withheld' | 'erased' };

export interface DrawnHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly witnesses: readonly DrawnWitness[];
  /** How many witnesses the policy asks for, in words. */
  readonly quorum: string;
}

/** A witness of the policy, also one that has not signed. */
export interface DrawnWitness {
  readonly name: string;
  /** Seconds since the Unix epoch; undefined if it did not sign, 0 if it gave no time. */
  readonly seconds: number | undefined;
  /** Signed after the time that was asked for, and so not counted. */
  readonly isLate: boolean;
  /** How many of its keys signed. */
  readonly keys: number;
}
