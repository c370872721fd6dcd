/**
 * The load generator: events to `POST /<log>/events` over keep-alive connections, and every acknowledgement kept.
 *
 * Closed loop: each connection sends its next request when the last one was answered; that finds the throughput. Open
 * loop: requests are due at times that nobody's slowness moves (exponential gaps, from a seed), and latency counts from
 * the time at which a request was due, so that waiting in line is not left out.
 *
 * Latency is per entry: each event of a batch waits as long as its request.
 */
import type { Buffer } from 'node:buffer';
import type { Acknowledgements } from './acknowledgements.ts';
import { Connection, requestBytes } from './connection.ts';
import { EVENT_BYTES, type EventSource } from './events.ts';
import { Latencies, type LatencySummary } from './latency.ts';

export interface LoadTarget {
  /** Of the log, without a slash at the end. */
  readonly logUrl: string;
  readonly token: string;
}

export interface LoadOptions {
  readonly connections: number;
  /** Events a request; 1 is one JSON body, more is NDJSON. */
  readonly batch: number;
  readonly seconds: number;
  /** Left out of the figures, not out of the check. */
  readonly warmupSeconds: number;
  /** Events a second, open loop; undefined is closed loop. */
  readonly rate?: number;
  readonly seed: number;
}

export interface LoadResult {
  readonly eventsPerSecond: number;
  readonly events: number;
  readonly latency: LatencySummary;
  /** Open loop: requests that were due and never sent, because no connection was free for too long. */
  readonly unsent: number;
  /** Answers that were no acknowledgement: status to number of requests. */
  readonly refused: Readonly<Record<string, number>>;
}

/** Numbers events across all runs against one log. */
export interface Numbering {
  next: number;
}

/** Requests due and not sent beyond which the open loop stops adding: it has fallen behind for good. */
const MAX_BACKLOG_SECONDS = 5;

export async function runLoad(
  target: LoadTarget,
  options: LoadOptions,
  events: EventSource,
  numbering: Numbering,
  acknowledgements: Acknowledgements,
): Promise<LoadResult> {
  const url = new URL(target.logUrl);
  const senders = await Promise.all(
    Array.from({ length: options.connections }, async () => new Sender(await Connection.open(url), target, options)),
  );
  const startMs = performance.now() + 1000 * options.warmupSeconds;
  const run: Run = {
    options,
    events,
    numbering,
    acknowledgements,
    startMs,
    endMs: startMs + 1000 * options.seconds,
    latencies: new Latencies(),
    refused: {},
    unsent: 0,
    answeredEvents: 0,
  };
  try {
    if (options.rate === undefined) await closedLoop(run, senders);
    else await openLoop(run, senders, options.rate);
  } finally {
    for (const sender of senders) sender.close();
  }
  return {
    eventsPerSecond: run.answeredEvents / options.seconds,
    events: run.answeredEvents,
    latency: run.latencies.summary(),
    unsent: run.unsent,
    refused: run.refused,
  };
}

interface Run {
  readonly options: LoadOptions;
  readonly events: EventSource;
  readonly numbering: Numbering;
  readonly acknowledgements: Acknowledgements;
  /** The window of the figures, on the clock of `performance.now`. */
  readonly startMs: number;
  readonly endMs: number;
  readonly latencies: Latencies;
  readonly refused: Record<string, number>;
  unsent: number;
  /** Acknowledged within the window. */
  answeredEvents: number;
}

class Sender {
  readonly #connection: Connection;
  readonly #bytes: Buffer;
  readonly #bodyStart: number;
  readonly #batch: number;

  constructor(connection: Connection, { logUrl, token }: LoadTarget, { batch }: LoadOptions) {
    const type = batch === 1 ? 'application/json' : 'application/x-ndjson';
    const headers = { authorization: `Bearer ${token}`, 'content-type': type };
    const bodyBytes = batch === 1 ? EVENT_BYTES : batch * (EVENT_BYTES + 1);
    const { bytes, bodyStart } = requestBytes('POST', `${new URL(logUrl).pathname}/events`, headers, bodyBytes);
    this.#connection = connection;
    this.#bytes = bytes;
    this.#bodyStart = bodyStart;
    this.#batch = batch;
  }

  /** Sends the next events; the latency counts from `dueMs`. */
  async send(run: Run, dueMs: number): Promise<void> {
    const first = run.numbering.next;
    run.numbering.next += this.#batch;
    for (let i = 0, at = this.#bodyStart; i < this.#batch; i++, at += EVENT_BYTES + 1) {
      run.events.write(this.#bytes, at, first + i);
      if (this.#batch > 1) this.#bytes[at + EVENT_BYTES] = 0x0a;
    }
    const { status, body } = await this.#connection.request(this.#bytes);
    const nowMs = performance.now();
    if (status !== 200 && status !== 201) {
      run.refused[status] = (run.refused[status] ?? 0) + 1;
      return;
    }
    run.acknowledgements.add(body);
    if (nowMs >= run.startMs && nowMs < run.endMs) {
      run.answeredEvents += this.#batch;
      run.latencies.add(nowMs - dueMs);
    }
  }

  close(): void {
    this.#connection.close();
  }
}

async function closedLoop(run: Run, senders: readonly Sender[]): Promise<void> {
  await Promise.all(
    senders.map(async (sender) => {
      for (let nowMs = performance.now(); nowMs < run.endMs; nowMs = performance.now()) await sender.send(run, nowMs);
    }),
  );
}

async function openLoop(run: Run, senders: readonly Sender[], eventsPerSecond: number): Promise<void> {
  const requestsPerMs = eventsPerSecond / run.options.batch / 1000;
  const maxBacklog = Math.max(senders.length, requestsPerMs * 1000 * MAX_BACKLOG_SECONDS);
  const random = randomFrom(run.options.seed);
  const free = [...senders];
  const due: number[] = [];
  const sending = new Set<Promise<void>>();
  let failure: unknown;

  const work = async (sender: Sender): Promise<void> => {
    for (let dueMs = due.shift(); dueMs !== undefined; dueMs = due.shift()) await sender.send(run, dueMs);
    free.push(sender);
  };
  let nextMs = performance.now();
  while (nextMs < run.endMs && failure === undefined) {
    for (const nowMs = performance.now(); nextMs <= nowMs; nextMs += -Math.log(1 - random()) / requestsPerMs) {
      if (due.length < maxBacklog) due.push(nextMs);
      else run.unsent++;
    }
    while (due.length > 0 && free.length > 0) {
      const sender = free.pop();
      if (sender === undefined) break;
      const sent: Promise<void> = work(sender)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => sending.delete(sent));
      sending.add(sent);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(1, Math.max(0, nextMs - performance.now()))));
  }
  await Promise.all(sending);
  if (failure !== undefined) throw failure;
}

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
