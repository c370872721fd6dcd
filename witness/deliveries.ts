/**
 * Which head each log got our signature lines for, and when: in the answer to its own request, or by our post. A log
 * that pushes to a witness which also polls it would otherwise be told everything twice.
 */
import type { Checkpoint } from '../proofs/checkpoint.ts';

/** After this time an answer may have been lost, or forgotten in a crash; the lines are posted once more. */
const RECENT_MS = 10_000;

export class Deliveries {
  readonly #last = new Map<string, { readonly body: string; readonly atMs: number }>();

  delivered({ origin, body }: Checkpoint, nowMs: number): void {
    this.#last.set(origin, { body, atMs: nowMs });
  }

  isRecent({ origin, body }: Checkpoint, nowMs: number): boolean {
    const last = this.#last.get(origin);
    return last !== undefined && last.body === body && Math.abs(nowMs - last.atMs) < RECENT_MS;
  }
}
