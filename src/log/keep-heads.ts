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
      this.#hindrance = undefined;
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
    this.#hindrance =
      error instanceof LogError ? error : new LogError('log-stopped', `the head could not be signed: ${reason}`);
    this.#options.logger.warn({ reason }, 'the head could not be signed; it is tried again');
  }
}
