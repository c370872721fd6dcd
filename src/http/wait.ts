/**
 * `Prefer: wait=N` (RFC 7240 §4.3): how long a request may wait for its cosigned receipt, and how many may wait at once.
 * A preference is not a promise: who cannot wait is answered at once, without `Preference-Applied`.
 */
import type { Log } from '../log/types.ts';

export interface Waits {
  /** Seconds that are granted for this `Prefer` header; undefined if it asks for no wait. */
  granted(prefer: string | undefined): number | undefined;
  /**
   * Waits until a published checkpoint covers the index. `published` is false when the time ran out; `applied` is
   * false when too many others wait already.
   */
  forPublished(
    log: Log,
    index: number,
    seconds: number,
  ): Promise<{ readonly published: boolean; readonly applied: boolean }>;
}

export interface WaitLimits {
  readonly maxWaitSeconds: number;
  readonly maxWaitingRequests: number;
}

const WAIT = /^wait *= *"?([0-9]{1,6})"?(?: *;.*)?$/i;

export function createWaits({ maxWaitSeconds, maxWaitingRequests }: WaitLimits): Waits {
  let waiting = 0;
  return {
    granted(prefer) {
      if (prefer === undefined) return undefined;
      // The first one counts (RFC 7240 §2).
      for (const preference of prefer.split(',')) {
        const seconds = WAIT.exec(preference.trim())?.[1];
        if (seconds !== undefined) return Math.min(Number(seconds), maxWaitSeconds);
      }
      return undefined;
    },
    async forPublished(log, index, seconds) {
      if (log.publishedSize() > index) return { published: true, applied: true };
      if (waiting >= maxWaitingRequests) return { published: false, applied: false };
      waiting++;
      try {
        return { published: await log.waitForPublished(index, seconds * 1000), applied: true };
      } finally {
        waiting--;
      }
    },
  };
}
