/**
 * The load generator: events to `POST /<log>/events` over keep-alive connections, in a closed or an open loop (loops.ts),
 * and every acknowledgement kept.
 *
 * Latency is per entry: each event of a batch waits as long as its request.
 */
import type { Buffer } from 'node:buffer';
import type { Acknowledgements } from './acknowledgements.ts';
import { Connection, requestBytes } from './connection.ts';
import { EVENT_BYTES, type EventSource } from './events.ts';
import { Latencies, type LatencySummary } from './latency.ts';
import { closedLoop, openLoop } from './loops.ts';

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
    const sends = senders.map((sender) => (dueMs: number) => sender.send(run, dueMs));
    if (options.rate === undefined) await closedLoop(sends, run.endMs);
    else
      run.unsent = await openLoop(sends, {
        requestsPerSecond: options.rate / options.batch,
        endMs: run.endMs,
        seed: options.seed,
      });
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
