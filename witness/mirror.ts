/**
 * The mirror, put together (C2SP tlog-mirror): a witness's records and keys, and beside them a full copy of each log. It
 * cosigns only what it has durably stored. No HTTP server (mirror-server.ts) and no command line (mirror-main.ts).
 */
import { setMaxListeners } from 'node:events';
import pino, { type Logger } from 'pino';
import { Gauge, Registry } from 'prom-client';
import type { VerifierKey } from '../proofs/key.ts';
import { parseTilePath } from '../proofs/tile.ts';
import { addEntries } from './add-entries.ts';
import { addPending } from './add-pending.ts';
import { type CopyRows, memoryCopyRows } from './copy-rows.ts';
import type { Cosigner } from './cosigner.ts';
import { Deliveries } from './deliveries.ts';
import { messageOf, WitnessError } from './errors.ts';
import { type Evidence, type EvidenceStore, memoryEvidence } from './evidence.ts';
import { type FollowedLog, pollRepeatedly } from './follow.ts';
import { type HeadGuard, noGuard } from './guard.ts';
import { answer } from './handler.ts';
import type { Fetch } from './log-client.ts';
import { type KnownLog, LogBook } from './logs.ts';
import { memoryRows } from './memory-rows.ts';
import { createMetrics, type PollOutcome } from './metrics.ts';
import { type MirrorParts, UploadSlots } from './mirror-parts.ts';
import { type PullMemory, pull } from './mirror-pull.ts';
import { MirroredLog } from './mirrored-log.ts';
import { nativeVerifyOptions } from './native-ed25519.ts';
import { DEFAULT_RATE_LIMIT, LogLimits, type RateLimit } from './rate-limit.ts';
import { accepted, Refused, type Reply } from './reply.ts';
import type { OpenRows } from './rows.ts';
import { signSubtree } from './sign-subtree.ts';
import { WitnessState } from './state.ts';
import { makeTickets, randomSecret } from './tickets.ts';

export interface MirrorOptions {
  /** At least one, all under one name, which is that of no witness. */
  readonly cosigners: readonly Cosigner[];
  readonly logs: readonly KnownLog[];
  /** Witnesses whose lines on a log's published checkpoint are kept beside ours. */
  readonly witnesses: readonly VerifierKey[];
  /** The pending checkpoints. */
  readonly openRows: OpenRows;
  readonly guard: HeadGuard;
  readonly openCopy: (origin: string) => Promise<CopyRows>;
  readonly evidence: EvidenceStore;
  readonly ticketSecret: Uint8Array;
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly fetch: Fetch;
  readonly logger: Logger;
  readonly pollMs?: number;
  readonly timeoutMs?: number;
  readonly rateLimit?: RateLimit;
  /** How often a copy that failed is opened again. */
  readonly reopenMs?: number;
}

export interface Mirror {
  readonly name: string;
  readonly vkeys: readonly string[];
  readonly keys: readonly VerifierKey[];
  /** Bodies of POST requests to answers; that of add-entries may be a stream. They do not throw. */
  readonly addCheckpoint: (body: Uint8Array) => Promise<Reply>;
  readonly addEntries: (body: AsyncIterable<Uint8Array>) => Promise<Reply>;
  readonly signSubtree: (body: Uint8Array) => Promise<Reply>;
  readonly checkpoint: (originHash: string) => Promise<Reply>;
  /** Bytes of `tile/…` of a copy, checked; undefined where there is none. Throws WitnessError for a damaged copy. */
  readonly resource: (originHash: string, path: string) => Promise<Uint8Array | undefined>;
  readonly evidence: () => Promise<readonly Evidence[]>;
  readonly health: () => Promise<MirrorHealth>;
  readonly metricsText: () => Promise<string>;
  readonly metricsContentType: string;
  /** Starts to follow the logs that have a URL. Once. */
  readonly follow: () => void;
  readonly close: () => Promise<void>;
}

export interface MirrorHealth {
  readonly healthy: boolean;
  readonly problems: readonly string[];
  readonly logs: readonly {
    readonly origin: string;
    /** Sizes: of the mirror checkpoint, of the pending checkpoint, and how many entries are stored. */
    readonly size: number | null;
    readonly pending: number | null;
    readonly stored: number;
    readonly outcome: string | null;
    readonly error: string | null;
    readonly polled_at: string | null;
  }[];
}

const DEFAULT_POLL_MS = 1_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_REOPEN_MS = 5_000;
const MISBEHAVIOUR: ReadonlySet<string> = new Set<PollOutcome>(['behind', 'two-roots', 'inconsistent']);

/** Reads everything back. Throws WitnessError when something of it cannot be trusted, and signs nothing then. */
export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const { cosigners, openRows, guard, evidence, clock, logger } = options;
  const [first] = cosigners;
  if (first === undefined) throw new WitnessError('key-missing', 'a mirror needs a key');
  // The mirror may stand in the policy itself; its own lines are not those of a witness.
  const witnesses = options.witnesses.filter(({ name }) => name !== first.key.name);
  const logs = new LogBook(options.logs);
  const state = await WitnessState.open({ openRows, guard });
  const mirrored = new Map<string, MirroredLog>();
  const closeAll = async (): Promise<void> => {
    for (const mirror of mirrored.values()) await mirror.close();
    await state.close();
  };
  try {
    for (const { origin } of logs.all()) mirrored.set(origin, await openOne(origin, options, state));
  } catch (error) {
    await closeAll();
    throw error;
  }
  const parts: MirrorParts = {
    ...{ logs, state, cosigners, evidence, clock, logger, mirrored, witnesses },
    verifyOptions: nativeVerifyOptions(),
    limits: new LogLimits(() => options.rateLimit ?? DEFAULT_RATE_LIMIT),
    deliveries: new Deliveries(),
    metrics: createMetrics(),
    tickets: makeTickets(options.ticketSecret),
    uploads: new UploadSlots(),
  };
  const registry = storedGauge(mirrored);
  const followers = new Followers(parts, options);
  const reopening = new Reopening(mirrored, options, state);
  return {
    name: first.key.name,
    vkeys: cosigners.map(({ key }) => key.vkey),
    keys: cosigners.map(({ key }) => key),
    addCheckpoint: (body) => addPending(parts, body),
    addEntries: (body) => addEntries(parts, body),
    signSubtree: (body) => signSubtree(parts, body),
    checkpoint: (originHash) => mirrorCheckpoint(parts, originHash),
    resource: async (originHash, path) =>
      parts.mirrored.get(originOf(parts, originHash))?.copy.resource(parseTilePath(path)),
    evidence: () => evidence.list(),
    health: () => healthOf(parts, followers.memories),
    metricsText: async () => (await parts.metrics.text()) + (await registry.metrics()),
    metricsContentType: parts.metrics.contentType,
    follow: () => followers.start(),
    close: async () => {
      await followers.stop();
      await reopening.stop();
      await closeAll();
    },
  };
}

/** A mirror in memory, which forgets everything: for conformance runs and tests of others. */
export function openMemoryMirror(options: {
  readonly cosigners: readonly Cosigner[];
  readonly logs: readonly KnownLog[];
  readonly clock?: () => number;
}): Promise<Mirror> {
  return openMirror({
    witnesses: [],
    openRows: memoryRows().open,
    guard: noGuard,
    openCopy: async () => memoryCopyRows(),
    evidence: memoryEvidence(),
    ticketSecret: randomSecret(),
    clock: Date.now,
    fetch: globalThis.fetch,
    logger: pino({ level: 'silent' }),
    ...options,
  });
}

async function openOne(origin: string, { openCopy }: MirrorOptions, state: WitnessState): Promise<MirroredLog> {
  const rows = await openCopy(origin);
  try {
    return await MirroredLog.open(origin, rows, await state.head(origin));
  } catch (error) {
    await rows.close();
    throw error;
  }
}

function mirrorCheckpoint(parts: MirrorParts, originHash: string): Promise<Reply> {
  return answer(parts, 'checkpoint', async () => {
    const note = await parts.mirrored.get(originOf(parts, originHash))?.served(parts);
    if (note === undefined) throw new Refused('never-cosigned', 'this mirror has cosigned no checkpoint of that log');
    return accepted(note);
  });
}

function originOf({ logs }: MirrorParts, originHash: string): string {
  return logs.byHash(originHash)?.origin ?? '';
}

/** The polling loops, one per log with a URL. */
class Followers {
  readonly memories = new Map<string, PullMemory>();
  readonly #parts: MirrorParts;
  readonly #options: MirrorOptions;
  readonly #abort = new AbortController();
  #loops: readonly Promise<void>[] = [];

  constructor(parts: MirrorParts, options: MirrorOptions) {
    this.#parts = parts;
    this.#options = options;
    setMaxListeners(0, this.#abort.signal);
  }

  start(): void {
    const { fetch, timeoutMs = DEFAULT_TIMEOUT_MS, pollMs = DEFAULT_POLL_MS } = this.#options;
    const client = { fetch, timeoutMs, signal: this.#abort.signal };
    this.#loops = this.#parts.logs
      .all()
      .filter(hasUrl)
      .map((log) => {
        const memory: PullMemory = {};
        this.memories.set(log.origin, memory);
        return pollRepeatedly({ client, pollMs }, () => pull(this.#parts, log, client, memory));
      });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#loops);
  }
}

/**
 * Opens copies again that failed, and reads back what is really there: a disk that was full has room again, one that lies
 * is found out once more. Until then nothing is signed over such a copy.
 */
class Reopening {
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;

  constructor(mirrored: Map<string, MirroredLog>, options: MirrorOptions, state: WitnessState) {
    this.#timer = setInterval(() => {
      this.#running ??= reopenFailed(mirrored, options, state).finally(() => {
        this.#running = undefined;
      });
    }, options.reopenMs ?? DEFAULT_REOPEN_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}

async function reopenFailed(
  mirrored: Map<string, MirroredLog>,
  options: MirrorOptions,
  state: WitnessState,
): Promise<void> {
  for (const [origin, mirror] of mirrored) {
    const { failure } = mirror.copy;
    if (failure === undefined) continue;
    try {
      await mirror.close();
      mirrored.set(origin, await openOne(origin, options, state));
      options.logger.info({ origin, failure }, 'a copy that had failed was opened again and is whole');
    } catch (error) {
      options.logger.error({ origin, failure, error: messageOf(error) }, 'a copy that failed cannot be opened again');
    }
  }
}

function hasUrl(log: KnownLog): log is FollowedLog {
  return log.url !== undefined;
}

async function healthOf(
  { state, mirrored }: MirrorParts,
  memories: ReadonlyMap<string, PullMemory>,
): Promise<MirrorHealth> {
  const broken = state.failure === undefined ? [] : [`nothing can be recorded: ${state.failure}`];
  const suspicions: string[] = [];
  const logs: MirrorHealth['logs'][number][] = [];
  for (const [origin, mirror] of mirrored) {
    const memory = memories.get(origin);
    const { failure } = mirror.copy;
    if (failure !== undefined) broken.push(`the copy of "${origin}" is not signed any more: ${failure}`);
    if (memory?.outcome !== undefined && MISBEHAVIOUR.has(memory.outcome)) {
      suspicions.push(`the log "${origin}": ${memory.outcome}; see the evidence`);
    }
    logs.push({
      origin,
      size: mirror.mirrored?.checkpoint.size ?? null,
      pending: state.failure === undefined ? ((await state.head(origin))?.checkpoint.size ?? null) : null,
      stored: mirror.copy.size,
      outcome: memory?.outcome ?? null,
      error: memory?.error ?? null,
      polled_at: memory?.polledAtMs === undefined ? null : new Date(memory.polledAtMs).toISOString(),
    });
  }
  return { healthy: broken.length === 0, problems: [...broken, ...suspicions], logs };
}

function storedGauge(mirrored: ReadonlyMap<string, MirroredLog>): Registry {
  const registry = new Registry();
  new Gauge({
    name: 'countersign_mirror_stored_entries',
    help: 'Entries stored durably, by log',
    labelNames: ['origin'],
    registers: [registry],
    collect() {
      for (const [origin, { copy }] of mirrored) this.set({ origin }, copy.size);
    },
  });
  return registry;
}
