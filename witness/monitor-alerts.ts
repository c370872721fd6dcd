/**
 * Tells people: what was raised and what was cleared since the last round, as lines on standard output and as webhooks.
 * A problem is told once when it comes and once when it goes, however many rounds it stays. Nothing here can hold up the
 * monitor: webhooks wait in a short queue, are tried a few times, and are given up.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { messageOf } from './errors.ts';
import { type ClientOptions, request } from './log-client.ts';
import type { RoundReport } from './monitor.ts';
import type { Problem } from './monitor-judge.ts';

export interface Alert {
  readonly event: 'raised' | 'cleared';
  /** RFC 3339. */
  readonly time: string;
  readonly origin: string;
  readonly problem: Problem;
}

export interface AlertsOptions {
  readonly origin: string;
  readonly webhooks: readonly string[];
  readonly client: ClientOptions;
  readonly logger: Logger;
  readonly onAlert: (alert: Alert) => void;
  readonly onWebhook: (delivered: boolean) => void;
  /** Pause before the second attempt; it doubles. */
  readonly firstRetryMs?: number;
}

const MAX_QUEUED = 256;
const MAX_ATTEMPTS = 3;
const FIRST_RETRY_MS = 1_000;
const MAX_ANSWER_BYTES = 16 * 1024;
/** A larger fork proof stays where it is; the alert names its file. */
const MAX_PROOF_CHARACTERS = 64 * 1024;

export class Alerts {
  readonly #options: AlertsOptions;
  readonly #standing = new Map<string, Problem>();
  readonly #queue: Alert[] = [];
  #sending: Promise<void> | undefined;

  constructor(options: AlertsOptions) {
    this.#options = options;
  }

  /** Compares the round with the one before, and tells the difference. */
  update({ atMs, problems }: RoundReport): void {
    const time = new Date(atMs).toISOString();
    const now = new Map(problems.map((problem) => [labelOf(problem), problem] as const));
    for (const [label, problem] of now) {
      if (!this.#standing.has(label)) this.#tell({ event: 'raised', time, origin: this.#options.origin, problem });
      this.#standing.set(label, problem);
    }
    for (const [label, problem] of [...this.#standing]) {
      if (now.has(label)) continue;
      this.#standing.delete(label);
      this.#tell({ event: 'cleared', time, origin: this.#options.origin, problem });
    }
  }

  /** Resolves when the queue is empty; each alert in it has been sent or given up. */
  async settle(): Promise<void> {
    await this.#sending;
  }

  #tell(alert: Alert): void {
    this.#options.onAlert(alert);
    if (this.#options.webhooks.length === 0) return;
    if (this.#queue.length >= MAX_QUEUED) {
      this.#options.onWebhook(false);
      this.#options.logger.error({ ...alert.problem }, 'too many alerts wait for the webhooks: this one is not sent');
      return;
    }
    this.#queue.push(alert);
    this.#sending ??= this.#send();
  }

  async #send(): Promise<void> {
    for (let alert = this.#queue.shift(); alert !== undefined; alert = this.#queue.shift()) {
      const body = JSON.stringify(await messageFor(alert));
      await Promise.all(this.#options.webhooks.map((url) => this.#deliver(url, body)));
    }
    this.#sending = undefined;
  }

  async #deliver(url: string, body: string): Promise<void> {
    const { client, logger, onWebhook, firstRetryMs = FIRST_RETRY_MS } = this.#options;
    let reason = '';
    for (let attempt = 0; attempt < MAX_ATTEMPTS && !client.signal.aborted; attempt++) {
      if (attempt > 0) {
        const waitMs = firstRetryMs * 2 ** (attempt - 1);
        await pause(waitMs, undefined, { signal: client.signal }).catch(() => undefined);
      }
      try {
        const headers = { 'content-type': 'application/json' };
        const { status } = await request(client, url, { method: 'POST', headers, body }, MAX_ANSWER_BYTES);
        if (status >= 200 && status < 300) {
          onWebhook(true);
          return;
        }
        reason = `status ${status}`;
      } catch (error) {
        reason = messageOf(error);
      }
    }
    onWebhook(false);
    // Many receivers put a secret into the address.
    logger.error({ reason: reason.replaceAll(url, 'webhook') }, 'a webhook could not be delivered');
  }
}

/** A problem of one source is one problem, whatever its details of the moment. */
function labelOf({ code, source }: Problem): string {
  return `${code}\n${source}`;
}

/** The alert as it is posted; a fork proof travels with it. */
async function messageFor(alert: Alert): Promise<object> {
  const { event, time, origin, problem } = alert;
  const message = { format: 'countersign/monitor-alert/v1', event, time, origin, ...problem };
  if (problem.code !== 'fork') return message;
  try {
    const proof = await readFile(problem.source, 'utf8');
    return proof.length > MAX_PROOF_CHARACTERS ? message : { ...message, fork_proof: proof };
  } catch {
    return message;
  }
}
