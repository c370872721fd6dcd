/**
 * The load generator of raw logs: entries to `POST add` of any server that answers the decimal index, and what became of
 * each entry. While it sends, the checkpoint is polled over a connection of its own: the first one whose size is above an
 * entry's index covers it. Nothing is verified here, so that checking costs the run nothing: check-raw.ts does it after.
 */
import type { Buffer } from 'node:buffer';
import { Connection, requestBytes } from './connection.ts';
import { Latencies, type LatencySummary } from './latency.ts';
import { closedLoop, openLoop } from './loops.ts';
import { RAW_ENTRY_BYTES, writeRawEntry } from './raw-entries.ts';

export interface RawTarget {
  /** Without a slash at the end: `<url>/add`, `<url>/checkpoint`. */
  readonly url: string;
}

export interface RawLoad {
  readonly connections: number;
  readonly seconds: number;
  /** Entries a second, open loop; undefined is closed loop. */
  readonly rate?: number;
  readonly seed: number;
  /** Part of every entry: another run makes other entries. */
  readonly run: string;
}

/** A checkpoint as it was first seen, on the clock of `performance.now`. */
export interface SeenCheckpoint {
  readonly note: string;
  readonly size: number;
  readonly atMs: number;
}

export interface RawResult {
  readonly writesPerSecond: number;
  readonly entries: number;
  /** From the sending (open loop: the due time) of an entry to the answer with its index. */
  readonly acknowledged: LatencySummary;
  /** To the first checkpoint that covers it. */
  readonly covered: LatencySummary;
  readonly unsent: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Per entry of the run the index that was answered; NaN where none was. */
  readonly indices: Float64Array;
  readonly checkpoints: readonly SeenCheckpoint[];
}

const POLL_MS = 10;
/** A server that has not published an entry after so long has lost it. */
const MAX_COVER_MS = 60_000;

export async function runRawLoad(target: RawTarget, load: RawLoad): Promise<RawResult> {
  const url = new URL(target.url);
  const connections = await Promise.all(Array.from({ length: load.connections }, () => Connection.open(url)));
  const entries = new SentEntries();
  const checkpoints = new CheckpointPoll(await Connection.open(url), url);
  const latencies = new Latencies();
  const refused: Record<string, number> = {};
  let unsent = 0;
  let answered = 0;
  const endMs = performance.now() + 1000 * load.seconds;
  const sends = connections.map((connection) => {
    const { bytes, bodyStart } = addRequest(url);
    return async (dueMs: number): Promise<void> => {
      const number = entries.add(dueMs);
      writeRawEntry(load.run, number, bytes, bodyStart);
      const { status, body } = await connection.request(bytes);
      const nowMs = performance.now();
      if (status !== 200) {
        refused[status] = (refused[status] ?? 0) + 1;
        return;
      }
      entries.answered(number, indexIn(body));
      if (nowMs >= endMs) return;
      answered++;
      latencies.add(nowMs - dueMs);
    };
  });
  try {
    if (load.rate === undefined) await closedLoop(sends, endMs);
    else unsent = await openLoop(sends, { requestsPerSecond: load.rate, endMs, seed: load.seed });
    await checkpoints.until(entries.largestIndex());
  } finally {
    for (const connection of connections) connection.close();
    await checkpoints.stop();
  }
  const { seen } = checkpoints;
  return {
    writesPerSecond: answered / load.seconds,
    entries: entries.count,
    acknowledged: latencies.summary(),
    covered: entries.coveredBy(seen),
    unsent,
    refused,
    indices: entries.indices(),
    checkpoints: seen,
  };
}

function addRequest({ pathname }: URL): { readonly bytes: Buffer; readonly bodyStart: number } {
  const path = `${pathname.replace(/\/$/, '')}/add`;
  return requestBytes('POST', path, { 'content-type': 'application/octet-stream' }, RAW_ENTRY_BYTES);
}

function indexIn(body: Buffer): number {
  const text = body.toString('latin1').trim();
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) throw new Error(`not a decimal index: ${text.slice(0, 100)}`);
  return Number(text);
}

/** When each entry was due and which index it got, by number. */
class SentEntries {
  #due = new Float64Array(1024);
  #indices = new Float64Array(1024).fill(Number.NaN);
  count = 0;

  add(dueMs: number): number {
    if (this.count === this.#due.length) {
      this.#due = grown(this.#due);
      this.#indices = grown(this.#indices);
    }
    this.#due[this.count] = dueMs;
    return this.count++;
  }

  answered(number: number, index: number): void {
    this.#indices[number] = index;
  }

  indices(): Float64Array {
    return this.#indices.slice(0, this.count);
  }

  /** Of those that were answered; -1 if none was. */
  largestIndex(): number {
    return Math.max(
      -1,
      ...this.indices()
        .filter((index) => !Number.isNaN(index))
        .sort()
        .slice(-1),
    );
  }

  /** Entries whose answer never came are covered by nothing. */
  coveredBy(seen: readonly SeenCheckpoint[]): LatencySummary {
    const latencies = new Latencies();
    for (let number = 0; number < this.count; number++) {
      const index = this.#indices[number] ?? Number.NaN;
      if (Number.isNaN(index)) continue;
      const covering = firstCovering(seen, index);
      if (covering === undefined) throw new Error(`no checkpoint covers index ${index}`);
      latencies.add(covering.atMs - (this.#due[number] ?? 0));
    }
    return latencies.summary();
  }
}

function grown(values: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * values.length).fill(Number.NaN);
  larger.set(values);
  return larger;
}

function firstCovering(seen: readonly SeenCheckpoint[], index: number): SeenCheckpoint | undefined {
  let low = 0;
  let high = seen.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((seen[middle]?.size ?? 0) > index) high = middle;
    else low = middle + 1;
  }
  return seen[low];
}

/** Asks for the checkpoint every few milliseconds and keeps each new one. */
class CheckpointPoll {
  readonly seen: SeenCheckpoint[] = [];
  readonly #connection: Connection;
  readonly #request: Buffer;
  readonly #polling: Promise<void>;
  #stopped = false;

  constructor(connection: Connection, { pathname }: URL) {
    this.#connection = connection;
    this.#request = requestBytes('GET', `${pathname.replace(/\/$/, '')}/checkpoint`, {}, 0).bytes;
    this.#polling = this.#poll();
  }

  async until(index: number): Promise<void> {
    const deadlineMs = performance.now() + MAX_COVER_MS;
    while ((this.seen.at(-1)?.size ?? 0) <= index) {
      if (performance.now() > deadlineMs) throw new Error(`no checkpoint covered index ${index} in time`);
      await pause(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#polling;
    this.#connection.close();
  }

  async #poll(): Promise<void> {
    while (!this.#stopped) {
      const { status, body } = await this.#connection.request(this.#request);
      if (status === 200) this.#keep(body.toString('utf8'));
      await pause(POLL_MS);
    }
  }

  #keep(note: string): void {
    const last = this.seen.at(-1);
    if (note === last?.note) return;
    const size = Number(note.split('\n', 2)[1]);
    if (last !== undefined && size < last.size)
      throw new Error(`the checkpoint went back from ${last.size} to ${size}`);
    this.seen.push({ note, size, atMs: performance.now() });
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
