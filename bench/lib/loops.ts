/**
 * When a load generator sends. Closed loop: each sender sends its next request when the last one was answered; that finds
 * the throughput. Open loop: requests are due at times that nobody's slowness moves (exponential gaps, from a seed), and
 * latency counts from the time at which a request was due, so that waiting in line is not left out.
 */

/** Sends one request, one at a time; its latency counts from `dueMs`, on the clock of `performance.now`. */
export type Send = (dueMs: number) => Promise<void>;

export interface OpenLoop {
  readonly requestsPerSecond: number;
  readonly endMs: number;
  readonly seed: number;
}

/** Requests due and not sent beyond which the open loop stops adding: it has fallen behind for good. */
const MAX_BACKLOG_SECONDS = 5;

export async function closedLoop(senders: readonly Send[], endMs: number): Promise<void> {
  await Promise.all(
    senders.map(async (send) => {
      for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) await send(nowMs);
    }),
  );
}

/** Returns how many requests were due and never sent, because no sender was free for too long. */
export async function openLoop(
  senders: readonly Send[],
  { requestsPerSecond, endMs, seed }: OpenLoop,
): Promise<number> {
  const requestsPerMs = requestsPerSecond / 1000;
  const maxBacklog = Math.max(senders.length, requestsPerSecond * MAX_BACKLOG_SECONDS);
  const random = randomFrom(seed);
  const free = [...senders];
  const due: number[] = [];
  const sending = new Set<Promise<void>>();
  let unsent = 0;
  let failure: unknown;

  const work = async (send: Send): Promise<void> => {
    for (let dueMs = due.shift(); dueMs !== undefined; dueMs = due.shift()) await send(dueMs);
    free.push(send);
  };
  let nextMs = performance.now();
  while (nextMs < endMs && failure === undefined) {
    for (const nowMs = performance.now(); nextMs <= nowMs; nextMs += -Math.log(1 - random()) / requestsPerMs) {
      if (due.length < maxBacklog) due.push(nextMs);
      else unsent++;
    }
    while (due.length > 0 && free.length > 0) {
      const send = free.pop();
      if (send === undefined) break;
      const sent: Promise<void> = work(send)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => sending.delete(sent));
      sending.add(sent);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(1, Math.max(0, nextMs - performance.now()))));
  }
  await Promise.all(sending);
  if (failure !== undefined) throw failure;
  return unsent;
}

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
