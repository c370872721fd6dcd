/**
 * Token buckets, two per log. Anyone can send a log's public checkpoints again and again, so what only repeats is
 * counted apart from what moves the log forward: a flood of the first never keeps out the second, which only the
 * log itself can make.
 */

export interface RateLimit {
  readonly perSecond: number;
  /** How many at once, after a pause. */
  readonly burst: number;
}

export const DEFAULT_RATE_LIMIT: RateLimit = { perSecond: 100, burst: 200 };

/** Lists give queries per day; a log that was quiet for a while may use an hour's worth at once, and at least 60. */
const MIN_LISTED_BURST = 60;
const SECONDS_PER_DAY = 86_400;
const HOURS_PER_DAY = 24;

export function rateOfDay(queriesPerDay: number): RateLimit {
  return {
    perSecond: queriesPerDay / SECONDS_PER_DAY,
    burst: Math.max(MIN_LISTED_BURST, Math.ceil(queriesPerDay / HOURS_PER_DAY)),
  };
}

export class TokenBucket {
  readonly #limit: RateLimit;
  #tokens: number;
  #filledAtMs: number;

  constructor(limit: RateLimit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes one token if there is one. A clock that went backwards adds none. */
  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + (elapsedMs / 1000) * this.#limit.perSecond);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** One log's buckets: `requests` for all that comes in its name, `updates` for what moves it forward. */
export class LogLimits {
  readonly #limitOf: (origin: string) => RateLimit;
  readonly #buckets = new Map<string, { readonly requests: TokenBucket; readonly updates: TokenBucket }>();

  constructor(limitOf: (origin: string) => RateLimit) {
    this.#limitOf = limitOf;
  }

  /** Only for known origins: there is one entry per origin asked for. */
  of(origin: string, nowMs: number): { readonly requests: TokenBucket; readonly updates: TokenBucket } {
    const known = this.#buckets.get(origin);
    if (known !== undefined) return known;
    const limit = this.#limitOf(origin);
    const made = { requests: new TokenBucket(limit, nowMs), updates: new TokenBucket(limit, nowMs) };
    this.#buckets.set(origin, made);
    return made;
  }
}
