/**
 * Keeps the head of a log moving: decides when to sign, and conducts sign ─▶ cosign ─▶ publish on a timer, apart from
 * the submissions. A head stands still for the witnesses until it is public or their time is up, so that all of them
 * cosign the same one.
 */
import type { Policy } from '../../proofs/policy.ts';
import { quorumSatisfied } from '../../proofs/policy.ts';
import type { CompactRange } from '../../proofs/range.ts';
import { StoreError } from '../store/contract.ts';
import type { CosignedHead, Cosigner } from './cosign.ts';
import type { TreeState } from './integrate.ts';
import type { LogLimits, LogLogger } from './options.ts';
import type { Publisher } from './publish.ts';
import { type SignedHead, type SignOptions, signHead } from './sign.ts';
import { LogError, type SigningState } from './types.ts';

/** Longest pause between two attempts to sign a head. */
const MAX_RETRY_MS = 5_000;

export interface HeadKeeperOptions {
  readonly sign: SignOptions;
  readonly policy: Policy;
  readonly limits: LogLimits;
  readonly logger: LogLogger;
  readonly cosigner: Cosigner;
  readonly publisher: Publisher;
  /** A clock that never steps, for durations: the wall clock may jump. */
  readonly elapsedMs: () => number;
  readonly durableState: () => TreeState;
  /** Tree of the last head that was ever signed; the next head must extend it. */
  readonly lastSigned: CompactRange;
  /** The head signed before a restart, still good. */
  readonly head: SignedHead | undefined;
  readonly onHead: (head: SignedHead) => void;
  readonly onStoreFailure: (error: StoreError) => void;
  readonly refusal: LogError | undefined;
}

export class HeadKeeper {
  readonly #options: HeadKeeperOptions;
  #lastSigned: CompactRange;
  #head: SignedHead | undefined;
  /** On the clock of `elapsedMs`. */
  #signedAt = 0;
  #refusal: LogError | undefined;
  /** Why the last attempt failed, where the next one may succeed. */
  #hindrance: LogError | undefined;
  /** Attempts that failed since the last head, and when the next one is due, on the clock of `elapsedMs`. */
  #failures = 0;
  #nextAttemptAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #signing: Promise<void> | undefined;

  constructor(options: HeadKeeperOptions) {
    this.#options = options;
    this.#lastSigned = options.lastSigned;
    this.#head = options.head;
    this.#refusal = options.refusal;
  }

  get head(): SignedHead | undefined {
    return this.#head;
  }

  get signing(): SigningState {
    const problem = this.#refusal ?? this.#hindrance;
    return problem === undefined
      ? { state: 'signing' }
      : { state: 'refusing', code: problem.code, reason: problem.message };
  }

  start(): void {
    if (this.#head !== undefined) {
      this.#signedAt = this.#options.elapsedMs();
      this.#options.cosigner.open(this.#head);
      this.#options.onHead(this.#head);
    }
    this.#timer = setInterval(() => this.#tick(), this.#options.limits.signIntervalMs);
    this.#tick();
  }

  /** Signs nothing from now on: a second history was seen, or the tree cannot be trusted. */
  refuse(reason: LogError): void {
    this.#refusal ??= reason;
    this.#options.logger.error({ code: reason.code, ...reason.details }, reason.message);
  }

  /** Takes a checkpoint with cosignature lines; publishes the head once the quorum is there. */
  async addCosignatures(note: Uint8Array): Promise<number> {
    const { accepted, cosigned, quorum } = this.#options.cosigner.add(note);
    if (quorum) await this.#publish(cosigned);
    return accepted;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#signing;
  }

  #tick(): void {
    if (this.#signing !== undefined || this.#refusal !== undefined || !this.#isDue()) return;
    if (this.#options.elapsedMs() < this.#nextAttemptAt) return;
    this.#signing = this.#sign().finally(() => {
      this.#signing = undefined;
    });
  }

  #isDue(): boolean {
    const { durableState, publisher, limits, elapsedMs } = this.#options;
    if (this.#head === undefined) return true;
    if (this.#head.checkpoint.size === durableState().range.size) return false;
    const isPublic = (publisher.published?.size ?? -1) >= this.#head.checkpoint.size;
    return isPublic || elapsedMs() - this.#signedAt >= limits.headPatienceMs;
  }

  async #sign(): Promise<void> {
    const { sign, cosigner, policy, durableState, onHead } = this.#options;
    try {
      const head = await signHead(sign, this.#lastSigned, durableState());
      if (this.#refusal !== undefined) return;
      this.#lastSigned = head.range;
      this.#head = head;
      this.#signedAt = this.#options.elapsedMs();
      this.#overcome();
      const cosigned = cosigner.open(head);
      if (quorumSatisfied(policy, new Set())) await this.#publish(cosigned);
      onHead(head);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #publish(cosigned: CosignedHead): Promise<void> {
    try {
      await this.#options.publisher.publish(cosigned);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** A transient hindrance is tried again at the next tick from disk; anything that casts doubt on the tree is final. */
  #failed(error: unknown): void {
    if (error instanceof StoreError) {
      this.#options.onStoreFailure(error);
      return;
    }
    if (error instanceof LogError && error.code !== 'clock-backwards') {
      this.refuse(error);
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    const hindrance =
      error instanceof LogError ? error : new LogError('log-stopped', `the head could not be signed: ${reason}`);
    const { logger, limits, elapsedMs } = this.#options;
    // Said once, and again when it is something else: the log file of a bad night must stay readable.
    if (hindrance.message !== this.#hindrance?.message) {
      logger.warn({ reason }, 'the head could not be signed; it is tried again, less and less often');
    }
    this.#hindrance = hindrance;
    const delayMs = Math.min(MAX_RETRY_MS, limits.signIntervalMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#nextAttemptAt = elapsedMs() + delayMs;
  }

  #overcome(): void {
    if (this.#hindrance !== undefined) {
      this.#options.logger.info({ failures: this.#failures }, 'heads are signed again');
    }
    this.#hindrance = undefined;
    this.#failures = 0;
    this.#nextAttemptAt = 0;
  }
}
