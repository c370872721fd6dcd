/**
 * Following the log: every entry from a cursor on, in order and each once, whether it comes fresh from the writer or has
 * to be read back. The writer only drops groups into a bounded queue. When the queue is full, or after a restart, entries
 * are read from the log, at no more than half of the time of one core, until the queue joins on again: nothing is lost,
 * and nobody who submits waits for it.
 */
import { type DurableEvent, type Log, LogError } from '../../log/types.ts';
import { type Examined, examineDurable, examineStored } from './examined.ts';

export interface FollowLimits {
  readonly maxQueuedEvents: number;
  readonly maxQueuedBytes: number;
  /** Entries handed over at once. Between two batches everything else has its turn. */
  readonly batchEvents: number;
  /** Longest rest between two batches that were read back. */
  readonly maxRestMs: number;
}

export const FOLLOW_LIMITS: FollowLimits = {
  maxQueuedEvents: 20_000,
  maxQueuedBytes: 16 * 1024 * 1024,
  batchEvents: 128,
  maxRestMs: 50,
};

export interface FollowOptions {
  readonly log: Pick<Log, 'subscribe' | 'eventsAt' | 'treeSize'>;
  /** The first entry to hand over. */
  readonly from: number;
  readonly limits?: Partial<FollowLimits>;
  /** Takes consecutive entries. When it resolves, everything that follows from them is durable. It should not throw. */
  readonly take: (batch: readonly Examined[]) => Promise<void>;
  /** An entry cannot be read: its bytes were altered. It is passed over, and must not be forgotten. */
  readonly takeUnreadable: (index: number, error: LogError) => Promise<void>;
  /** Reading failed and is tried again; or taking failed, which is a bug, and goes on with the next batch. */
  readonly onTrouble: (error: unknown) => void;
}

export interface Following {
  /** Entries below this were taken. */
  position(): number;
  /** Times that the queue was too small and entries had to be read back. */
  overflowCount(): number;
  /** Resolves when everything that is durable at the call was taken, or when it was closed. */
  caughtUp(): Promise<void>;
  /** Resolves when the batch at hand has been taken. */
  close(): Promise<void>;
}

/** Pause before reading is tried again. */
const RETRY_MS = 1_000;

export function follow(options: FollowOptions): Following {
  return new Follower(options);
}

class Follower implements Following {
  readonly #options: FollowOptions;
  readonly #limits: FollowLimits;
  /** From `#head` on, what waits; before it, what was taken already. */
  #queue: DurableEvent[] = [];
  #head = 0;
  readonly #unsubscribe: () => void;
  readonly #running: Promise<void>;
  #queuedBytes = 0;
  /** The queue is not taken into: it could not hold everything, and what follows would leave a hole. */
  #isOverflowing = false;
  #overflowCount = 0;
  #position: number;
  #isClosed = false;
  #wake: (() => void) | undefined;
  #waiters: { readonly size: number; readonly resolve: () => void }[] = [];

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#limits = { ...FOLLOW_LIMITS, ...options.limits };
    this.#position = options.from;
    this.#unsubscribe = options.log.subscribe((group) => this.#enqueue(group));
    this.#running = this.#run();
  }

  position(): number {
    return this.#position;
  }

  overflowCount(): number {
    return this.#overflowCount;
  }

  caughtUp(): Promise<void> {
    const size = this.#options.log.treeSize();
    if (this.#position >= size || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push({ size, resolve });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#wake?.();
    await this.#running;
    for (const { resolve } of this.#waiters) resolve();
  }

  /** On the write path: must be quick and must not throw. */
  #enqueue(group: readonly DurableEvent[]): void {
    const bytes = group.reduce((sum, { event }) => sum + event.byteCount, 0);
    const fits =
      this.#queue.length - this.#head + group.length <= this.#limits.maxQueuedEvents &&
      this.#queuedBytes + bytes <= this.#limits.maxQueuedBytes;
    if (!this.#isOverflowing && !fits) {
      this.#isOverflowing = true;
      this.#overflowCount += 1;
    }
    if (!this.#isOverflowing) {
      this.#queue.push(...group);
      this.#queuedBytes += bytes;
    }
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const fresh = this.#takeQueued();
      if (fresh.length > 0) {
        await this.#hand(fresh);
        await turn();
      } else if (this.#position < this.#options.log.treeSize()) {
        await this.#readBack();
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }

  /** Events of the queue that come next; none if something before them has to be read back. */
  #takeQueued(): readonly Examined[] {
    const batch: Examined[] = [];
    for (let next = this.#queue[this.#head]; next !== undefined; next = this.#queue[this.#head]) {
      if (next.index > this.#position + batch.length || batch.length === this.#limits.batchEvents) break;
      this.#head += 1;
      this.#queuedBytes -= next.event.byteCount;
      if (next.index === this.#position + batch.length) batch.push(examineDurable(next));
    }
    if (this.#head >= this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  async #readBack(): Promise<void> {
    const startedMs = performance.now();
    const size = this.#options.log.treeSize();
    // Near enough: what comes from now on is queued again, and reading back ends where the queue begins.
    if (size - this.#position <= this.#limits.maxQueuedEvents / 2) this.#isOverflowing = false;
    const queued = this.#queue[this.#head]?.index ?? Number.MAX_SAFE_INTEGER;
    const end = Math.min(this.#position + this.#limits.batchEvents, size, queued);
    try {
      const indices = Array.from({ length: end - this.#position }, (_, i) => this.#position + i);
      await this.#hand((await this.#options.log.eventsAt(indices)).map(examineStored));
    } catch (error) {
      await this.#readOne(error);
    }
    await pause(Math.min(performance.now() - startedMs, this.#limits.maxRestMs));
  }

  /** A batch could not be read: the next entry by itself, so that one that was altered does not hide the others. */
  async #readOne(batchError: unknown): Promise<void> {
    const isAltered = (error: unknown): error is LogError => error instanceof LogError && error.code === 'corrupt-data';
    if (isAltered(batchError)) {
      try {
        return await this.#hand((await this.#options.log.eventsAt([this.#position])).map(examineStored));
      } catch (error) {
        if (isAltered(error)) {
          await this.#options.takeUnreadable(this.#position, error);
          return this.#moveTo(this.#position + 1);
        }
      }
    }
    this.#options.onTrouble(batchError);
    if (!this.#isClosed) await pause(RETRY_MS);
  }

  async #hand(batch: readonly Examined[]): Promise<void> {
    try {
      await this.#options.take(batch);
    } catch (error) {
      this.#options.onTrouble(error);
    }
    this.#moveTo(this.#position + batch.length);
  }

  #moveTo(position: number): void {
    this.#position = position;
    const done = this.#waiters.filter(({ size }) => size <= position);
    this.#waiters = this.#waiters.filter(({ size }) => size > position);
    for (const { resolve } of done) resolve();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
