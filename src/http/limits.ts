/**
 * Every bound of the HTTP layer, by name. `createApp` and `serveApp` take another value for each; these hold otherwise.
 * `log.json` publishes those that a client needs.
 */
import { MAX_EVENT_INPUT_BYTES } from '../events/limits.ts';

export interface HttpLimits {
  /** Body of one event; its canonical form has a tighter bound of its own (src/events/limits.ts). */
  readonly maxEventBytes: number;
  /** Body of an NDJSON batch, and of a CloudEvents batch. */
  readonly maxBatchBytes: number;
  readonly maxBatchLines: number;
  /** Longest batch whose answer carries receipts: each repeats the whole cosigned checkpoint. */
  readonly maxBatchReceipts: number;
  /** A checkpoint with cosignatures; 16 post-quantum ones need about 50 KB. */
  readonly maxCosignatureBytes: number;
  /** Bodies of administration requests. */
  readonly maxAdminBytes: number;
  /** All request bodies that are being read, together; above it requests are pushed back with 503. */
  readonly maxBufferedBytes: number;
  /** From the first byte of a body to its last. */
  readonly bodyTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxConnections: number;
  /** Longest `Prefer: wait=` that is honoured; longer wishes are cut to it. */
  readonly maxWaitSeconds: number;
  /** Requests that wait for a receipt at one time; further ones are answered at once, without it. */
  readonly maxWaitingRequests: number;
  readonly defaultPageEvents: number;
  readonly maxPageEvents: number;
  /** A page ends early, and says so, rather than grow beyond this. */
  readonly maxPageBytes: number;
  /** Exports at one time; each reads the whole log. */
  readonly maxExports: number;
  /** An export that its client takes nothing of for so long is cut off. */
  readonly exportStallMs: number;
  /** After a close was asked for: how long requests in flight may take. */
  readonly closeGraceMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxEventBytes: MAX_EVENT_INPUT_BYTES,
  maxBatchBytes: 8 * MIB,
  maxBatchLines: 10_000,
  maxBatchReceipts: 100,
  maxCosignatureBytes: 256 * KIB,
  maxAdminBytes: 64 * KIB,
  maxBufferedBytes: 256 * MIB,
  bodyTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 30_000,
  maxConnections: 10_000,
  maxWaitSeconds: 60,
  maxWaitingRequests: 5_000,
  defaultPageEvents: 100,
  maxPageEvents: 1_000,
  maxPageBytes: 8 * MIB,
  maxExports: 4,
  exportStallMs: 60_000,
  closeGraceMs: 10_000,
};
