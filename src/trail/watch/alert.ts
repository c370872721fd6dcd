/**
 * Alerts: findings that are severe enough are posted to a webhook of the operator, signed as Standard Webhooks says, so
 * that the receiver knows who sent them. One after the other, in the order of the log, each until it was taken or the
 * tries are used up. What was not delivered when the process ended is tried again after the next start; a receiver tells
 * by `webhook-id`, the id of the finding, what it has seen.
 */
import { Webhook } from 'standardwebhooks';
import type { LogLogger } from '../../log/options.ts';
import { type RaisedFinding, SEVERITIES } from '../finding.ts';
import { findingJson } from '../finding-json.ts';
import type { AlertConfig } from './config.ts';

export interface AlertLimits {
  /** Alerts that wait; further ones are given up, and said to be. */
  readonly maxWaiting: number;
  readonly maxTries: number;
  readonly timeoutMs: number;
  /** Pause after the first failed try; it doubles with each. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

export const ALERT_LIMITS: AlertLimits = {
  maxWaiting: 1_000,
  maxTries: 10,
  timeoutMs: 10_000,
  firstPauseMs: 1_000,
  maxPauseMs: 300_000,
};

export interface AlertOptions {
  readonly config: AlertConfig;
  /** `whsec_` and base64, or base64 alone. */
  readonly secret: string;
  /** Names the log in each alert. */
  readonly log: { readonly name: string; readonly origin: string };
  /** Findings raised before this index were alerted already. */
  readonly from: number;
  readonly fetch: typeof globalThis.fetch;
  readonly nowMs: () => number;
  readonly logger: LogLogger;
  readonly limits?: Partial<AlertLimits>;
}

export interface Alerter {
  /** Quick, and throws nothing. */
  offer(finding: RaisedFinding): void;
  /** Findings raised before this index need no alert any more. */
  position(): number;
  counts(): { readonly waiting: number; readonly delivered: number; readonly givenUp: number };
  /** Stops at once; what waits is for the next start. */
  close(): Promise<void>;
}

/** Throws Error if the secret is none. */
export function startAlerts(options: AlertOptions): Alerter {
  return new WebhookAlerter(options);
}

class WebhookAlerter implements Alerter {
  readonly #options: AlertOptions;
  readonly #limits: AlertLimits;
  readonly #webhook: Webhook;
  readonly #minRank: number;
  readonly #waiting: RaisedFinding[] = [];
  readonly #aborter = new AbortController();
  #position: number;
  #delivered = 0;
  #givenUp = 0;
  #running: Promise<void> | undefined;

  constructor(options: AlertOptions) {
    this.#options = options;
    this.#limits = { ...ALERT_LIMITS, ...options.limits };
    this.#webhook = new Webhook(options.secret);
    this.#minRank = SEVERITIES.indexOf(options.config.minSeverity);
    this.#position = options.from;
  }

  offer(finding: RaisedFinding): void {
    if (finding.index < this.#options.from || SEVERITIES.indexOf(finding.severity) < this.#minRank) return;
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      this.#giveUp(finding, `${this.#limits.maxWaiting} others wait`);
      return;
    }
    this.#waiting.push(finding);
    this.#running ??= this.#run();
  }

  position(): number {
    return this.#waiting[0]?.index ?? this.#position;
  }

  counts(): ReturnType<Alerter['counts']> {
    return { waiting: this.#waiting.length, delivered: this.#delivered, givenUp: this.#givenUp };
  }

  async close(): Promise<void> {
    this.#aborter.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const failure = await this.#deliver(next);
      if (this.#aborter.signal.aborted) return;
      if (failure === undefined) this.#delivered += 1;
      else this.#giveUp(next, failure);
      this.#position = next.index + 1;
      this.#waiting.shift();
    }
    this.#running = undefined;
  }

  /** Undefined when it was taken, otherwise why not. */
  async #deliver(finding: RaisedFinding): Promise<string | undefined> {
    const { signal } = this.#aborter;
    let failure = '';
    for (let attempt = 0; attempt < this.#limits.maxTries && !signal.aborted; attempt++) {
      if (attempt > 0) await pause(this.#pauseMs(attempt), signal);
      const reason = await this.#post(finding);
      if (reason === undefined) return undefined;
      failure = reason;
      // Said once, at the beginning: hours pass before it is given up.
      if (attempt === 0 && !signal.aborted) {
        this.#options.logger.warn({ id: finding.id, reason }, 'an alert was not taken; it is tried again');
      }
    }
    return failure;
  }

  async #post(finding: RaisedFinding): Promise<string | undefined> {
    const { config, log, fetch, nowMs } = this.#options;
    const sentAt = new Date(nowMs());
    const body = JSON.stringify({
      type: 'countersign.finding.raised',
      timestamp: sentAt.toISOString(),
      data: { log: log.name, origin: log.origin, ...findingJson({ ...finding, acknowledgement: null }) },
    });
    try {
      const response = await fetch(config.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'webhook-id': finding.id,
          'webhook-timestamp': `${Math.floor(sentAt.getTime() / 1000)}`,
          'webhook-signature': this.#webhook.sign(finding.id, sentAt, body),
        },
        body,
        // What the signature vouches for goes to the configured address and to no other.
        redirect: 'error',
        signal: AbortSignal.any([this.#aborter.signal, AbortSignal.timeout(this.#limits.timeoutMs)]),
      });
      await response.body?.cancel();
      return response.ok ? undefined : `it answered ${response.status}`;
    } catch (error) {
      return error instanceof Error ? error.message : 'no answer';
    }
  }

  #pauseMs(attempt: number): number {
    return Math.min(this.#limits.maxPauseMs, this.#limits.firstPauseMs * 2 ** (attempt - 1));
  }

  #giveUp({ id, index, kind }: RaisedFinding, reason: string): void {
    this.#givenUp += 1;
    this.#options.logger.error(
      { id, index, kind, reason },
      'an alert could not be delivered; the finding is in the log',
    );
  }
}

/** Ends early when aborted. */
function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, durationMs);
    timer.unref();
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
