/**
 * Records that must not be lost although the log may be unable to write: what was read while submissions are refused, and
 * tokens that were revoked then. They wait in memory, in a bounded number, and go in as soon as the log takes entries
 * again, each with the time and the id that it had at first, so that none goes in twice.
 *
 * A crash loses what waits here; whoever got such an answer was told so by it.
 */

import { EventProblem } from '../events/types.ts';
import { LogError } from '../log/types.ts';
import { type OwnEvent, OwnEventConflict, type Recorder } from './record.ts';

/** The index of the entry, or that it waits. */
export type RecordedOrWaiting = { readonly index: number } | 'waiting';

export interface DeferredRecorder {
  /**
   * Durable when it resolves with an index. Throws LogError `log-stopped` when too much waits already: then whatever
   * was to be recorded must not happen.
   */
  record(event: OwnEvent): Promise<RecordedOrWaiting>;
  /** Entries that wait. */
  readonly waiting: number;
  /** Tries once more; resolves with how many were lost. */
  close(): Promise<number>;
}

export interface DeferOptions {
  readonly recorder: Recorder;
  readonly nowMs: () => number;
  readonly newId: () => string;
  /** Told when something begins to wait, and when nothing waits any more. */
  readonly onWaiting?: (waiting: number, error: unknown) => void;
  readonly maxWaiting?: number;
  readonly retryMs?: number;
}

/** Reads that may be answered before their entry is durable. */
export const MAX_WAITING_RECORDS = 1_000;
const RETRY_MS = 1_000;

export function createDeferredRecorder(options: DeferOptions): DeferredRecorder {
  const { recorder, nowMs, newId, maxWaiting = MAX_WAITING_RECORDS, retryMs = RETRY_MS, onWaiting } = options;
  const queue: OwnEvent[] = [];
  let timer: NodeJS.Timeout | undefined;
  let draining: Promise<void> | undefined;
  let closed = false;

  /** In the order in which they came; stops at the first that the log still refuses. */
  async function drain(): Promise<void> {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      try {
        await recorder.record(next);
      } catch (error) {
        if (isPassing(error)) return;
        queue.shift();
        throw error;
      }
      queue.shift();
    }
    onWaiting?.(0, undefined);
  }

  function startDraining(): Promise<void> {
    draining ??= drain().finally(() => {
      draining = undefined;
      schedule();
    });
    return draining;
  }

  function schedule(): void {
    if (queue.length === 0 || closed || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      startDraining().catch((error: unknown) => onWaiting?.(queue.length, error));
    }, retryMs);
    timer.unref();
  }

  return {
    get waiting() {
      return queue.length;
    },
    record: async (event) => {
      const fixed: OwnEvent = { event_id: newId(), occurred_at: new Date(nowMs()).toISOString(), ...event };
      try {
        const { index } = await recorder.record(fixed);
        return { index };
      } catch (error) {
        if (!isPassing(error) || closed) throw error;
        if (queue.length >= maxWaiting) throw tooManyWaiting(maxWaiting);
        queue.push(fixed);
        if (queue.length === 1) onWaiting?.(1, error);
        schedule();
        return 'waiting';
      }
    },
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await draining?.catch(() => undefined);
      await drain().catch(() => undefined);
      return queue.length;
    },
  };
}

/** The log cannot write now; anything that is wrong with the event itself stays wrong. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof EventProblem) && !(error instanceof OwnEventConflict);
}

function tooManyWaiting(maxWaiting: number): LogError {
  return new LogError(
    'log-stopped',
    `the log takes no entries, and ${maxWaiting} reads wait to be recorded: nothing more is read until it does`,
    { retryAfterSeconds: 5 },
  );
}
