/**
 * The witness, put together: logs it knows, what it vouched for, keys, evidence; the request handlers over them and
 * the followers that poll. No HTTP server (server.ts) and no command line (main.ts); time, disk and network come in.
 */
import { setMaxListeners } from 'node:events';
import pino, { type Logger } from 'pino';
import type { VerifierKey } from '../proofs/key.ts';
import { addCheckpoint } from './add-checkpoint.ts';
import type { Cosigner } from './cosigner.ts';
import { Deliveries } from './deliveries.ts';
import { WitnessError } from './errors.ts';
import { type Evidence, type EvidenceStore, memoryEvidence } from './evidence.ts';
import { type FollowedLog, type FollowMemory, followLog } from './follow.ts';
import { type HeadGuard, noGuard } from './guard.ts';
import type { Fetch } from './log-client.ts';
import { followLogLists, loadListedLogs } from './log-lists.ts';
import { type KnownLog, LogBook } from './logs.ts';
import { memoryRows } from './memory-rows.ts';
import { createMetrics, type PollOutcome, type WitnessMetrics } from './metrics.ts';
import { monitoredCheckpoint } from './monitoring.ts';
import { nativeVerifyOptions } from './native-ed25519.ts';
import type { WitnessParts } from './parts.ts';
import { DEFAULT_RATE_LIMIT, LogLimits, type RateLimit, rateOfDay } from './rate-limit.ts';
import type { Reply } from './reply.ts';
import type { OpenRows } from './rows.ts';
import { signSubtree } from './sign-subtree.ts';
import { WitnessState } from './state.ts';

export interface WitnessOptions {
  /** At least one, all under one name. */
  readonly cosigners: readonly Cosigner[];
  readonly logs: readonly KnownLog[];
  readonly openRows: OpenRows;
  readonly guard: HeadGuard;
  readonly evidence: EvidenceStore;
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly fetch: Fetch;
  readonly logger: Logger;
  readonly pollMs?: number;
  readonly timeoutMs?: number;
  readonly rateLimit?: RateLimit;
  readonly logListUrls?: readonly string[];
  readonly logListIntervalMs?: number;
}

export interface Witness {
  readonly name: string;
  readonly vkeys: readonly string[];
  readonly keys: readonly VerifierKey[];
  /** Bodies of POST requests, in full, to answers. They do not throw. */
  readonly addCheckpoint: (body: Uint8Array) => Promise<Reply>;
  readonly signSubtree: (body: Uint8Array) => Promise<Reply>;
  readonly monitoredCheckpoint: (originHash: string) => Promise<Reply>;
  readonly evidence: () => Promise<readonly Evidence[]>;
  readonly health: () => Promise<WitnessHealth>;
  readonly metrics: WitnessMetrics;
  /** Starts to poll the logs that have a URL, and the log lists. Once. */
  readonly follow: () => void;
  /** Stops polling, lets requests finish, closes the database. */
  readonly close: () => Promise<void>;
}

export interface WitnessHealth {
  /** Whether this witness can sign. A log that misbehaves is a problem that it reports, not its own ill health. */
  readonly healthy: boolean;
  readonly problems: readonly string[];
  readonly logs: readonly {
    readonly origin: string;
    readonly size: number | null;
    readonly outcome: string | null;
    readonly error: string | null;
    readonly polled_at: string | null;
  }[];
}

const DEFAULT_POLL_MS = 1_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_LOG_LIST_INTERVAL_MS = 60 * 60 * 1_000;
/** A public witness knows thousands of logs; a health report names the first of them. */
const MAX_HEALTH_LOGS = 100;
const MISBEHAVIOUR: ReadonlySet<string> = new Set<PollOutcome>(['behind', 'two-roots', 'inconsistent']);

/** Reads back what this witness vouched for. Throws WitnessError when it cannot be trusted, and signs nothing then. */
export async function openWitness(options: WitnessOptions): Promise<Witness> {
  const { cosigners, openRows, guard, evidence, clock, logger } = options;
  const [first] = cosigners;
  if (first === undefined) throw new WitnessError('key-missing', 'a witness needs a key');
  const logs = new LogBook(options.logs);
  const state = await WitnessState.open({ openRows, guard });
  try {
    await loadListedLogs(state, logs);
  } catch (error) {
    await state.close();
    throw error;
  }
  const limits = new LogLimits((origin) => limitOf(logs.get(origin), options.rateLimit));
  const verifyOptions = nativeVerifyOptions();
  const metrics = createMetrics();
  const deliveries = new Deliveries();
  const parts = { logs, state, cosigners, evidence, clock, verifyOptions, limits, deliveries, metrics, logger };
  const followers = new Followers(parts, options);
  return {
    name: first.key.name,
    vkeys: cosigners.map(({ key }) => key.vkey),
    keys: cosigners.map(({ key }) => key),
    addCheckpoint: (body) => addCheckpoint(parts, body),
    signSubtree: (body) => signSubtree(parts, body),
    monitoredCheckpoint: (originHash) => monitoredCheckpoint(parts, originHash),
    evidence: () => evidence.list(),
    health: () => healthOf(parts, followers.memories),
    metrics,
    follow: () => followers.start(),
    close: async () => {
      await followers.stop();
      await state.close();
    },
  };
}

/** A witness in memory, which forgets everything: for conformance runs and tests of others. */
export function openMemoryWitness(
  options: Partial<WitnessOptions> & Pick<WitnessOptions, 'cosigners' | 'logs'>,
): Promise<Witness> {
  return openWitness({
    openRows: memoryRows().open,
    guard: noGuard,
    evidence: memoryEvidence(),
    clock: Date.now,
    fetch: globalThis.fetch,
    logger: pino({ level: 'silent' }),
    ...options,
  });
}

/** The polling loops: one per log with a URL, one for the log lists. */
class Followers {
  readonly memories = new Map<string, FollowMemory>();
  readonly #parts: WitnessParts;
  readonly #options: WitnessOptions;
  readonly #abort = new AbortController();
  #loops: readonly Promise<void>[] = [];

  constructor(parts: WitnessParts, options: WitnessOptions) {
    this.#parts = parts;
    this.#options = options;
    // Each loop and each request under way listens for the end; there are as many as there are logs.
    setMaxListeners(0, this.#abort.signal);
  }

  start(): void {
    const { fetch, timeoutMs = DEFAULT_TIMEOUT_MS, pollMs = DEFAULT_POLL_MS, logListUrls = [] } = this.#options;
    const client = { fetch, timeoutMs, signal: this.#abort.signal };
    const loops = this.#parts.logs
      .all()
      .filter(hasUrl)
      .map((log) => {
        const memory: FollowMemory = {};
        this.memories.set(log.origin, memory);
        return followLog(this.#parts, log, { client, pollMs }, memory);
      });
    const intervalMs = this.#options.logListIntervalMs ?? DEFAULT_LOG_LIST_INTERVAL_MS;
    if (logListUrls.length > 0) loops.push(followLogLists(this.#parts, { client, urls: logListUrls, intervalMs }));
    this.#loops = loops;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#loops);
  }
}

function hasUrl(log: KnownLog): log is FollowedLog {
  return log.url !== undefined;
}

function limitOf(log: KnownLog | undefined, configured: RateLimit = DEFAULT_RATE_LIMIT): RateLimit {
  return log?.queriesPerDay === undefined ? configured : rateOfDay(log.queriesPerDay);
}

async function healthOf(parts: WitnessParts, memories: ReadonlyMap<string, FollowMemory>): Promise<WitnessHealth> {
  const { state, logs } = parts;
  const problems: string[] = [];
  if (state.failure !== undefined) problems.push(`nothing can be signed: ${state.failure}`);
  const shown = logs.all().slice(0, MAX_HEALTH_LOGS);
  const report = shown.map(async ({ origin }) => {
    const memory = memories.get(origin);
    const size = state.failure === undefined ? (await state.head(origin))?.checkpoint.size : undefined;
    return {
      origin,
      size: size ?? null,
      outcome: memory?.outcome ?? null,
      error: memory?.error ?? null,
      polled_at: memory?.polledAtMs === undefined ? null : new Date(memory.polledAtMs).toISOString(),
    };
  });
  const reported = await Promise.all(report);
  for (const { origin, outcome } of reported) {
    if (outcome !== null && MISBEHAVIOUR.has(outcome))
      problems.push(`the log "${origin}": ${outcome}; see the evidence`);
  }
  return { healthy: state.failure === undefined, problems, logs: reported };
}
