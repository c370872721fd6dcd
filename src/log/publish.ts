/**
 * Stage `publish`: a head becomes the public checkpoint when the policy's quorum has cosigned it, and only then. The
 * public checkpoint never goes back to a smaller tree. A crash before the row is written leaves the older checkpoint
 * public; the head is signed and cosigned again.
 */
import { utf8Decode, utf8Encode } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import { formatNote } from '../../proofs/note.ts';
import { checkCheckpoint, type Policy } from '../../proofs/policy.ts';
import type { Store } from '../store/contract.ts';
import type { CosignedHead } from './cosign.ts';
import type { LogLogger } from './options.ts';
import { PUBLISHED_KEY } from './rows.ts';
import { LogError } from './types.ts';

export interface Published {
  readonly size: number;
  readonly note: string;
  readonly atMs: number;
}

/** Waiters for a receipt at the same time; beyond it a wait ends at once. */
const MAX_WAITERS = 10_000;

export class Publisher {
  readonly #store: Store;
  readonly #nowMs: () => number;
  #published: Published | undefined;
  #writing: Promise<void> = Promise.resolve();
  readonly #waiters = new Set<{ readonly index: number; readonly wake: (covered: boolean) => void }>();

  constructor(store: Store, nowMs: () => number, published: Published | undefined) {
    this.#store = store;
    this.#nowMs = nowMs;
    this.#published = published;
  }

  get published(): Published | undefined {
    return this.#published;
  }

  /** Makes the head public, or adds cosignatures to it when it is public already. One row write at a time. */
  publish(cosigned: CosignedHead): Promise<void> {
    const work = this.#writing.then(() => this.#publish(cosigned));
    this.#writing = work.catch(() => undefined);
    return work;
  }

  async #publish({ head, lines }: CosignedHead): Promise<void> {
    const { size, body } = head.checkpoint;
    if (this.#published !== undefined && size < this.#published.size) return;
    const note = formatNote({ text: body, signatures: [...head.signatures, ...lines.values()] });
    if (note === this.#published?.note) return;
    await this.#store.write([{ key: PUBLISHED_KEY, value: utf8Encode(note) }]);
    this.#published = { size, note, atMs: this.#nowMs() };
    for (const waiter of this.#waiters) if (waiter.index < size) waiter.wake(true);
  }

  /** True once a published checkpoint covers the index; false after the time-out. */
  waitFor(index: number, timeoutMs: number): Promise<boolean> {
    if (index < (this.#published?.size ?? 0)) return Promise.resolve(true);
    if (timeoutMs <= 0 || this.#waiters.size >= MAX_WAITERS) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiter = {
        index,
        wake: (covered: boolean): void => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(covered);
        },
      };
      const timer = setTimeout(() => waiter.wake(false), timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  /** Lets everyone go who waits, and finishes the row that is being written. */
  async close(): Promise<void> {
    for (const waiter of this.#waiters) waiter.wake(false);
    await this.#writing;
  }
}

/** The checkpoint that was public before the restart, if it still satisfies the policy. Fail-closed: else none is. */
export async function loadPublished(store: Store, policy: Policy, logger: LogLogger): Promise<Published | undefined> {
  const row = await store.get(PUBLISHED_KEY);
  if (row === undefined) return undefined;
  try {
    const note = utf8Decode(row);
    return { size: checkCheckpoint(policy, note).checkpoint.size, note, atMs: 0 };
  } catch (error) {
    if (!(error instanceof ProofError) && !(error instanceof LogError)) throw error;
    logger.warn({ code: error.code }, 'the checkpoint published before the restart does not satisfy the policy now');
    return undefined;
  }
}
