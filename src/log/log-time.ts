/** The log's clock: what it may not do, for every stage that gives out a time. */
import { LogError } from './types.ts';

/** How far the clock may step back before the log refuses to give out times; within it, time moves on by 1 µs. */
export const MAX_CLOCK_STEP_BACK_US = 1_000_000;

/** Throws LogError `clock-backwards` when entries of this moment would stand behind the last one in time. */
export function checkClock(nowUs: number, lastLogTime: number): void {
  if (nowUs >= lastLogTime - MAX_CLOCK_STEP_BACK_US) return;
  throw new LogError(
    'clock-backwards',
    "the log's clock stands before the last log time; it gives out no time until then",
    { retryAfterSeconds: 1 },
  );
}
