/**
 * Recording what was found, until it is durable: while the log takes no entries, it is tried again. Recording an event
 * twice does no harm, because each has an id that follows from what it says.
 */
import { EventProblem } from '../../events/types.ts';
import { LogError } from '../../log/types.ts';
import { type OwnEvent, OwnEventConflict, type Recorder } from '../record.ts';

export interface RecordAllOptions {
  /** True: what is not durable yet is for the next start. */
  readonly isClosed: () => boolean;
  /** Told before the first pause. */
  readonly onWaiting?: (error: unknown) => void;
  /** Not a valid event, which is a bug: it is given up. */
  readonly onLost?: (error: EventProblem) => void;
}

/** An event, or how to make it; making it may fail for a while, like recording it. */
export type Recordable = OwnEvent | (() => Promise<OwnEvent>);

/** Events that are under way at one time; the log writes them in one group. */
const CONCURRENT_EVENTS = 64;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;

/** True when every event is durable; false when it was closed before. */
export async function recordAll(
  recorder: Recorder,
  events: readonly Recordable[],
  options: RecordAllOptions,
): Promise<boolean> {
  for (let from = 0; from < events.length; from += CONCURRENT_EVENTS) {
    const chunk = events.slice(from, from + CONCURRENT_EVENTS);
    if (!(await recordChunk(recorder, chunk, options))) return false;
  }
  return true;
}

async function recordChunk(
  recorder: Recorder,
  events: readonly Recordable[],
  options: RecordAllOptions,
): Promise<boolean> {
  let pauseMs = FIRST_PAUSE_MS;
  for (let left = events; ; ) {
    const outcomes = await Promise.allSettled(
      left.map(async (event) => recorder.record(typeof event === 'function' ? await event() : event)),
    );
    const failures = outcomes.flatMap((outcome, i) => {
      const event = left[i];
      if (event === undefined || outcome.status === 'fulfilled') return [];
      return isFinal(outcome.reason, options) ? [] : [{ event, error: outcome.reason }];
    });
    const [first] = failures;
    if (first === undefined) return true;
    if (options.isClosed() || isClosing(first.error)) return false;
    if (pauseMs === FIRST_PAUSE_MS) options.onWaiting?.(first.error);
    await pause(pauseMs);
    pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2);
    left = failures.map(({ event }) => event);
  }
}

/** Trying again would not change the answer. */
function isFinal(error: unknown, options: RecordAllOptions): boolean {
  // It was recorded under another configuration, in other words: the first ones stand.
  if (error instanceof OwnEventConflict) return true;
  if (!(error instanceof EventProblem)) return false;
  options.onLost?.(error);
  return true;
}

function isClosing(error: unknown): boolean {
  return error instanceof LogError && error.code === 'log-closed';
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
