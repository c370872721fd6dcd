/**
 * Group commit: the one writer of a log. Submissions queue here; a group of them is deduplicated, sequenced and
 * integrated purely, then written in one fsynced batch, and only then answered. While a group is being written the
 * next one is planned on top of it; answers leave in the order of the log.
 *
 * A crash at any line loses nothing that was answered: before the batch is durable nobody was told an index, and after
 * it the id rows answer a repeated submission with the same index.
 */
import type { Hasher } from '../../proofs/hash.ts';
import type { Prepared } from '../events/types.ts';
import { type Store, StoreError } from '../store/contract.ts';
import { findOccurrences, type Occurrence, type PendingIds, pendingName } from './deduplicate.ts';
import { type Integrated, integrate, type TreeState } from './integrate.ts';
import type { LogLimits } from './options.ts';
import { MAX_CLOCK_STEP_BACK_US, type Sequenced, sequence } from './sequence.ts';
import { LogError, type SubmitResult } from './types.ts';

/** A refused submission may be tried again after this long. */
const RETRY_AFTER_SECONDS = 1;

interface Submission {
  readonly events: readonly Prepared[];
  readonly byteCount: number;
  readonly resolve: (results: readonly SubmitResult[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Plan extends Integrated {
  readonly submissions: readonly Submission[];
  readonly occurrences: readonly Occurrence[];
  /** Per event of the group: the new entry, where it made one. */
  readonly sequenced: ReadonlyMap<number, Sequenced>;
}

export interface GroupWriterOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly limits: LogLimits;
  readonly nowUs: () => number;
  readonly state: TreeState;
  /** The first answer that a taken index got: read back from the log. */
  readonly answerAgain: (index: number) => Promise<SubmitResult>;
  /** Told of each durable state and what made it, before the answers leave. */
  readonly onDurable: (state: TreeState, group: readonly Sequenced[]) => void;
  /** A batch failed: nothing further is written. */
  readonly onFailure: (error: unknown) => void;
}

export class GroupWriter {
  readonly #options: GroupWriterOptions;
  readonly #queue: Submission[] = [];
  readonly #pendingIds: PendingIds = new Map();
  /** What the next plan builds on: ahead of the durable state by the group that is being written. */
  #planned: TreeState;
  #queuedEvents = 0;
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #refusal: LogError | undefined;

  constructor(options: GroupWriterOptions) {
    this.#options = options;
    this.#planned = options.state;
  }

  get queuedEvents(): number {
    return this.#queuedEvents;
  }

  submit(events: readonly Prepared[]): Promise<readonly SubmitResult[]> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (events.length === 0) return Promise.resolve([]);
    const byteCount = events.reduce((sum, event) => sum + event.byteCount, 0);
    const { maxQueuedEvents, maxQueuedBytes } = this.#options.limits;
    const fits =
      this.#queuedEvents + events.length <= maxQueuedEvents && this.#queuedBytes + byteCount <= maxQueuedBytes;
    if (!fits) return Promise.reject(overloaded());
    return new Promise((resolve, reject) => {
      this.#queue.push({ events, byteCount, resolve, reject });
      this.#queuedEvents += events.length;
      this.#queuedBytes += byteCount;
      this.#running ??= this.#run();
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
    while (this.#queue.length > 0) {
      const submissions = this.#takeGroup();
      let plan: Plan;
      try {
        plan = await this.#plan(submissions);
      } catch (error) {
        if (error instanceof StoreError) this.#fail(error);
        for (const submission of submissions) submission.reject(error);
        continue;
      }
      if (!(await writing)) {
        for (const submission of submissions) submission.reject(this.#refusal ?? stopped());
        break;
      }
      writing = this.#write(plan);
    }
    await writing;
    this.#running = this.#queue.length > 0 ? this.#run() : undefined;
  }

  #takeGroup(): readonly Submission[] {
    const taken: Submission[] = [];
    let events = 0;
    while (events < this.#options.limits.maxGroupEvents) {
      const submission = this.#queue.shift();
      if (submission === undefined) break;
      taken.push(submission);
      events += submission.events.length;
      this.#queuedEvents -= submission.events.length;
      this.#queuedBytes -= submission.byteCount;
    }
    return taken;
  }

  async #plan(submissions: readonly Submission[]): Promise<Plan> {
    const { store, hasher, nowUs } = this.#options;
    const events = submissions.flatMap((submission) => submission.events);
    const occurrences = await findOccurrences(store, this.#pendingIds, events);
    const positions = occurrences.flatMap((occurrence, position) => (occurrence.kind === 'new' ? [position] : []));
    const fresh = positions.flatMap((position) => events[position] ?? []);
    const now = nowUs();
    if (fresh.length > 0 && now < this.#planned.lastLogTime - MAX_CLOCK_STEP_BACK_US) throw clockBackwards();
    const before = { size: this.#planned.range.size, lastLogTime: this.#planned.lastLogTime };
    const group = sequence(fresh, before, now, hasher);
    const { state, rows } = integrate(this.#planned, group, hasher);
    const sequenced = new Map(group.map((one, i) => [positions[i] ?? 0, one] as const));
    for (const { index, event } of group)
      this.#pendingIds.set(pendingName(event), { index, contentMac: event.contentMac });
    this.#planned = state;
    return { submissions, occurrences, sequenced, state, rows };
  }

  /** Resolves to false when the batch failed: then nothing after it may be written. */
  async #write(plan: Plan): Promise<boolean> {
    try {
      if (plan.sequenced.size > 0) {
        // The commit point. Before it the group does not exist, after it every index in it is final.
        await this.#options.store.write(plan.rows);
        this.#options.onDurable(plan.state, [...plan.sequenced.values()]);
      }
    } catch (error) {
      this.#fail(error);
      for (const submission of plan.submissions) submission.reject(this.#refusal ?? stopped());
      return false;
    }
    for (const { event } of plan.sequenced.values()) this.#pendingIds.delete(pendingName(event));
    await this.#answer(plan);
    return true;
  }

  async #answer(plan: Plan): Promise<void> {
    let position = 0;
    for (const submission of plan.submissions) {
      const from = position;
      position += submission.events.length;
      try {
        const results: SubmitResult[] = [];
        for (let at = from; at < position; at++) results.push(await this.#resultAt(plan, at));
        submission.resolve(results);
      } catch (error) {
        submission.reject(error);
      }
    }
  }

  async #resultAt(plan: Plan, position: number): Promise<SubmitResult> {
    const occurrence = plan.occurrences[position];
    if (occurrence?.kind === 'taken') {
      if (!occurrence.sameContent) return { status: 'conflict', index: occurrence.index };
      return this.#options.answerAgain(occurrence.index);
    }
    const origin = occurrence?.kind === 'repeats' ? occurrence.position : position;
    const entry = plan.sequenced.get(origin);
    if (entry === undefined) throw new LogError('log-stopped', 'an event was neither new nor known');
    if (occurrence?.kind !== 'repeats') return answer('accepted', entry);
    return occurrence.sameContent ? answer('duplicate', entry) : { status: 'conflict', index: entry.index };
  }

  /** After a failed write nobody knows what the disk holds: no retry, everything waiting is refused, the owner reloads. */
  #fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#refusal ??= new LogError('log-stopped', `the log stopped writing: ${reason}`, {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
    for (const submission of this.#queue.splice(0)) submission.reject(this.#refusal);
    this.#queuedEvents = 0;
    this.#queuedBytes = 0;
    this.#options.onFailure(error);
  }
}

function answer(status: 'accepted' | 'duplicate', { index, logTime, leafHash }: Sequenced): SubmitResult {
  return { status, index, logTime, leafHash };
}

function stopped(): LogError {
  return new LogError('log-stopped', 'the log stopped writing', { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

function overloaded(): LogError {
  return new LogError('overloaded', 'the log has as many events waiting as it can hold; send this again later', {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

function clockBackwards(): LogError {
  return new LogError(
    'clock-backwards',
    "the log's clock stands before the last log time; it gives out no time until then",
    {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    },
  );
}
