/**
 * Prepares lines in a worker thread: parsing, redacting and hashing are most of the work for an event, and the thread that
 * answers requests and writes the log is free meanwhile. What comes out is what `prepareLines` makes.
 *
 *   submissions ─▶ queue ─▶ a few hundred lines a message ─▶ worker ─▶ packed events ─▶ outcomes, in order
 *
 * Lines are prepared under the catalogue in force: when another one was published while they were away, they are prepared
 * again, here. The same if the worker dies, which loses nothing: nothing was promised yet.
 */
import type { Worker } from 'node:worker_threads';
import type { Catalogue } from './catalogue/catalogue.ts';
import { type ContextSource, createContextSource, type PrepareSettings } from './context-source.ts';
import { MAX_PACKED_LINES, unpackLines } from './packed-lines.ts';
import { type LineOutcome, prepareLines } from './prepare-lines.ts';
import type { PrepareReply, PrepareRequest } from './prepare-worker.ts';
import { startWorker } from './start-worker.ts';
import type { PrepareContext } from './types.ts';

export interface OffThreadPreparer extends ContextSource {
  /** Rejects only for what is a bug; a line that is no event is an EventProblem among the outcomes. */
  readonly prepareLines: (lines: readonly Uint8Array[], context: PrepareContext) => Promise<readonly LineOutcome[]>;
  /** One event that came by itself: with others that came in the same moment, if there are enough of them. */
  readonly prepareOne: (line: Uint8Array, context: PrepareContext) => Promise<LineOutcome>;
  readonly close: () => Promise<void>;
}

/** Lines in one message: enough to be cheap to send, few enough that the answer is not waited for. */
const MESSAGE_LINES = 256;
const MESSAGE_BYTES = 1024 * 1024;
/** Messages on their way: one at work, one that lies ready. */
const MAX_MESSAGES = 2;
/** Single events that came in one turn of the event loop; fewer are prepared here sooner than they are sent. */
const MIN_SENT_SINGLES = 4;
/** A worker that died so often is not started again. */
const MAX_DEATHS = 10;

interface Job {
  readonly lines: readonly Uint8Array[];
  readonly context: PrepareContext;
  /** Number of the catalogue under which it was sent. */
  catalogueNumber: number;
  readonly resolve: (outcomes: readonly LineOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

export function startOffThreadPreparer(
  settings: PrepareSettings,
  spawn: (workerData: PrepareSettings) => Worker = spawnWorker,
): OffThreadPreparer {
  const source = createContextSource(settings);
  const queue: Job[] = [];
  const away = new Map<number, readonly Job[]>();
  /** Single events of this turn of the event loop. */
  let singles: Job[] = [];
  let worker: Worker | undefined;
  let catalogue: Catalogue | null = null;
  let catalogueNumber = 0;
  let lastId = 0;
  let deaths = 0;
  let isClosed = false;

  const start = (): Worker => {
    const started = spawn(settings);
    started.unref();
    started.on('message', (reply: PrepareReply) => {
      const jobs = away.get(reply.id) ?? [];
      away.delete(reply.id);
      if ('packed' in reply) settle(jobs, reply.packed);
      else for (const job of jobs) job.reject(new Error(reply.error));
      pump();
    });
    // It comes before the exit, which says enough.
    started.on('error', () => undefined);
    started.on('exit', () => {
      if (isClosed) return;
      worker = undefined;
      deaths++;
      const lost = [...away.values()].flat();
      away.clear();
      for (const job of lost) prepareHere(job);
      pump();
    });
    started.postMessage({ catalogue } satisfies PrepareRequest);
    return started;
  };

  function settle(jobs: readonly Job[], packed: Parameters<typeof unpackLines>[0]): void {
    const producers = jobs.flatMap(({ lines, context }) => lines.map(() => context.producerId));
    const outcomes = unpackLines(packed, (line) => producers[line] ?? '');
    let at = 0;
    for (const job of jobs) {
      const own = outcomes.slice(at, at + job.lines.length);
      at += job.lines.length;
      if (job.catalogueNumber === catalogueNumber) job.resolve(own);
      else prepareHere(job);
    }
  }

  function prepareHere({ lines, context, resolve, reject }: Job): void {
    try {
      const { producerId, clockOffsetUs } = context;
      resolve(prepareLines(lines, { ...source.contextFor(producerId), clockOffsetUs }));
    } catch (error) {
      reject(error);
    }
  }

  function pump(): void {
    while (queue.length > 0 && away.size < MAX_MESSAGES) {
      if (isClosed || deaths > MAX_DEATHS) {
        for (const job of queue.splice(0)) prepareHere(job);
        return;
      }
      worker ??= start();
      const jobs = takeJobs(queue);
      for (const job of jobs) job.catalogueNumber = catalogueNumber;
      const request = requestOf(++lastId, jobs);
      away.set(request.id, jobs);
      worker.postMessage(request, [request.bytes.buffer, request.ends.buffer]);
    }
  }

  function sendSingles(): void {
    const jobs = singles;
    singles = [];
    if (jobs.length < MIN_SENT_SINGLES) for (const job of jobs) prepareHere(job);
    else queue.push(...jobs);
    pump();
  }

  return {
    contextFor: source.contextFor,
    useCatalogue: (next) => {
      catalogue = next;
      catalogueNumber++;
      source.useCatalogue(next);
      worker?.postMessage({ catalogue } satisfies PrepareRequest);
    },
    prepareLines: (lines, context) => {
      if (lines.length > MAX_PACKED_LINES) throw new Error(`more than ${MAX_PACKED_LINES} lines at once`);
      return new Promise((resolve, reject) => {
        queue.push({ lines, context, catalogueNumber, resolve, reject });
        pump();
      });
    },
    prepareOne: async (line, context) => {
      const [outcome] = await new Promise<readonly LineOutcome[]>((resolve, reject) => {
        if (singles.length === 0) setImmediate(sendSingles);
        singles.push({ lines: [line], context, catalogueNumber, resolve, reject });
      });
      if (outcome === undefined) throw new Error('a line was neither prepared nor refused');
      return outcome;
    },
    close: async () => {
      isClosed = true;
      await worker?.terminate();
      worker = undefined;
      const lost = [...away.values()].flat();
      away.clear();
      for (const job of [...lost, ...queue.splice(0)]) prepareHere(job);
    },
  };
}

function spawnWorker(workerData: PrepareSettings): Worker {
  return startWorker(new URL('./prepare-worker', import.meta.url).href, import.meta.url, { workerData });
}

/** The next jobs, whole ones, at least one. */
function takeJobs(queue: Job[]): readonly Job[] {
  const jobs: Job[] = [];
  let lineCount = 0;
  let byteCount = 0;
  for (let next = queue[0]; next !== undefined; next = queue[0]) {
    lineCount += next.lines.length;
    byteCount += byteCountOf(next);
    if (jobs.length > 0 && (lineCount > MESSAGE_LINES || byteCount > MESSAGE_BYTES)) break;
    jobs.push(next);
    queue.shift();
  }
  return jobs;
}

function requestOf(id: number, jobs: readonly Job[]) {
  const bytes = new Uint8Array(jobs.reduce((sum, job) => sum + byteCountOf(job), 0));
  const ends = new Uint32Array(jobs.reduce((sum, { lines }) => sum + lines.length, 0));
  let at = 0;
  let line = 0;
  for (const { lines } of jobs) {
    for (const one of lines) {
      bytes.set(one, at);
      at += one.length;
      ends[line++] = at;
    }
  }
  const described = jobs.map(({ lines, context: { producerId, clockOffsetUs } }) => {
    return { producerId, clockOffsetUs, lineCount: lines.length };
  });
  return { id, jobs: described, bytes, ends };
}

function byteCountOf({ lines }: Job): number {
  let count = 0;
  for (const line of lines) count += line.length;
  return count;
}
