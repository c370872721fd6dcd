/**
 * Group commit: the one writer of a log. Submissions queue here, fairly between producers; a group of them is planned purely, then written in one
 * fsynced batch, and only then answered. While a group is being written the next one is planned on top of it; answers
 * leave in the order of the log. What an item is, and what it does to the tree, is the planner's.
 *
 * A crash at any line loses nothing that was answered: before the batch is durable nobody was told an index, and after
 * it the id rows answer a repeated submission with the same index.
 */
import { type Store, StoreError } from '../store/contract.ts';
import { FairQueue, type Waiting } from './fair-queue.ts';
import type { GroupPlan, Planner } from './group-plan.ts';
import type { TreeState } from './integrate.ts';
import type { LogLimits } from './options.ts';
import { LogError } from './types.ts';

/** A refused submission may be tried again after this long. */
const RETRY_AFTER_SECONDS = 1;

interface Submission<Item, Result> extends Waiting {
  readonly items: readonly Item[];
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupWriterOptions<Item, Result> {
  readonly store: Store;
  readonly limits: LogLimits;
  readonly state: TreeState;
  readonly planner: Planner<Item, Result>;
  /** Told of each durable state, before the plan that made it and before any answer. When it fails, the log stops. */
  readonly onDurable: (state: TreeState) => Promise<void>;
  /** A batch failed: nothing further is written. */
  readonly onFailure: (error: unknown) => void;
}

export class GroupWriter<Item, Result> {
  readonly #options: GroupWriterOptions<Item, Result>;
  readonly #queue: FairQueue<Submission<Item, Result>>;
  /** What the next plan builds on: ahead of the durable state by the group that is being written. */
  #planned: TreeState;
  #running: Promise<void> | undefined;
  #refusal: LogError | undefined;

  constructor(options: GroupWriterOptions<Item, Result>) {
    this.#options = options;
    const { maxQueuedEvents, maxQueuedBytes } = options.limits;
    this.#queue = new FairQueue({ maxItems: maxQueuedEvents, maxBytes: maxQueuedBytes });
    this.#planned = options.state;
  }

  get queuedItems(): number {
    return this.#queue.itemCount;
  }

  submit(items: readonly Item[]): Promise<readonly Result[]> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    const [first] = items;
    if (first === undefined) return Promise.resolve([]);
    const { planner } = this.#options;
    const byteCount = items.reduce((sum, item) => sum + planner.byteCount(item), 0);
    const source = planner.sourceOf(first);
    return new Promise((resolve, reject) => {
      const fits = this.#queue.push({ source, items, itemCount: items.length, byteCount, resolve, reject });
      if (fits) this.#running ??= this.#run();
      else reject(overloaded());
    });
  }

  /** Refuses from now on, and resolves when everything that was queued before has been answered. */
  async stop(refusal: LogError): Promise<void> {
    this.#refusal ??= refusal;
    while (this.#running !== undefined) await this.#running;
  }

  /** The loop: plan a group, wait for the one before it to be durable, write. It ends when the queue is empty. */
  async #run(): Promise<void> {
    // Lets submissions that arrive in the same turn of the event loop join the first group.
    await new Promise<void>((resolve) => setImmediate(resolve));
    let writing: Promise<boolean> = Promise.resolve(true);
    while (!this.#queue.isEmpty) {
      const submissions = this.#queue.take(this.#options.limits.maxGroupEvents);
      let plan: GroupPlan<Result>;
      try {
        const items = submissions.flatMap((submission) => submission.items);
        plan = await this.#options.planner.plan(items, this.#planned);
        this.#planned = plan.state;
      } catch (error) {
        if (error instanceof StoreError) this.#fail(error);
        for (const submission of submissions) submission.reject(error);
        continue;
      }
      if (!(await writing)) {
        for (const submission of submissions) submission.reject(this.#refusal ?? stopped());
        break;
      }
      writing = this.#write(plan, submissions);
    }
    await writing;
    this.#running = this.#queue.isEmpty ? undefined : this.#run();
  }

  /** Resolves to false when the batch failed: then nothing after it may be written. */
  async #write(plan: GroupPlan<Result>, submissions: readonly Submission<Item, Result>[]): Promise<boolean> {
    try {
      if (plan.addsLeaves) {
        // The commit point. Before it the group does not exist, after it every index in it is final.
        await this.#options.store.write(plan.rows);
        await this.#options.onDurable(plan.state);
        plan.onDurable();
      }
    } catch (error) {
      this.#fail(error);
      for (const submission of submissions) submission.reject(this.#refusal ?? stopped());
      return false;
    }
    await answer(plan, submissions);
    return true;
  }

  /** After a failed write nobody knows what the disk holds: no retry, everything waiting is refused, the owner reloads. */
  #fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#refusal ??= new LogError('log-stopped', `the log stopped writing: ${reason}`, {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
    for (const submission of this.#queue.takeAll()) submission.reject(this.#refusal);
    this.#options.onFailure(error);
  }
}

async function answer<Item, Result>(
  plan: GroupPlan<Result>,
  submissions: readonly Submission<Item, Result>[],
): Promise<void> {
  let position = 0;
  for (const submission of submissions) {
    const from = position;
    position += submission.items.length;
    try {
      const results: Result[] = [];
      for (let at = from; at < position; at++) {
        const result = plan.resultAt(at);
        results.push(result instanceof Promise ? await result : result);
      }
      submission.resolve(results);
    } catch (error) {
      submission.reject(error);
    }
  }
}

function stopped(): LogError {
  return new LogError('log-stopped', 'the log stopped writing', { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

function overloaded(): LogError {
  return new LogError('overloaded', 'the log has as many entries waiting as it can hold; send this again later', {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}
