/**
 * The log's side of C2SP tlog-witness: pushes each new head to the witnesses that have a URL in the policy, and asks
 * them at start which head they last cosigned. Each witness has a lane of its own: a slow or dead one delays nobody.
 * What comes back is untrusted; `cosign.ts` keeps only what verifies.
 */
import { base64Encode, hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { type Hash, sha256 } from '../../proofs/hash.ts';
import { parseDecimal } from '../../proofs/numbers.ts';
import type { Policy } from '../../proofs/policy.ts';
import type { LogLogger } from './options.ts';
import type { SignedHead } from './sign.ts';

/** Times that one head is sent to one witness: the first, and again after each 409 with the size it names. */
const MAX_ATTEMPTS = 4;
/** 16 post-quantum signature lines are about 50 KB. */
const MAX_RESPONSE_BYTES = 256 * 1024;
const MAX_BACKOFF_MS = 10_000;
const FIRST_BACKOFF_MS = 250;

export interface WitnessEndpoint {
  readonly url: string;
  /** Names in the policy: a witness with keys of two types has two. */
  readonly names: readonly string[];
}

export interface WitnessStats {
  readonly requests: number;
  readonly failures: number;
  /** Of the last answered request. */
  readonly latencyMs: number | null;
  readonly lastError: string | null;
}

export interface WitnessClientOptions {
  readonly policy: Policy;
  readonly origin: string;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
  readonly logger: LogLogger;
  readonly consistencyProof: (from: number, to: number) => Promise<readonly Hash[]>;
  /** A checkpoint with cosignature lines, as a signed note. */
  readonly onCosignatures: (note: string) => Promise<void>;
  /** A witness says that it cosigned more leaves than this log ever signed. */
  readonly onLargerSize: (endpoint: WitnessEndpoint, size: number) => void;
}

interface Lane extends WitnessEndpoint {
  /** Size that the witness last cosigned, as far as is known. */
  known: number;
  next: SignedHead | undefined;
  busy: boolean;
  failures: number;
  retry: NodeJS.Timeout | undefined;
  stats: WitnessStats;
}

export class WitnessClient {
  readonly #options: WitnessClientOptions;
  readonly #lanes: readonly Lane[];
  readonly #stopping = new AbortController();

  constructor(options: WitnessClientOptions) {
    this.#options = options;
    this.#lanes = witnessEndpoints(options.policy).map((endpoint) => ({
      ...endpoint,
      known: 0,
      next: undefined,
      busy: false,
      failures: 0,
      retry: undefined,
      stats: { requests: 0, failures: 0, latencyMs: null, lastError: null },
    }));
  }

  /** Sends the head to every witness that has not got it; a head not yet sent is overtaken by a newer one. */
  push(head: SignedHead): void {
    for (const lane of this.#lanes) {
      lane.next = head;
      if (!lane.busy && lane.retry === undefined) void this.#run(lane);
    }
  }

  stats(witness: string): WitnessStats | undefined {
    return this.#lanes.find((lane) => lane.names.includes(witness))?.stats;
  }

  close(): void {
    this.#stopping.abort();
    for (const lane of this.#lanes) clearTimeout(lane.retry);
  }

  async #run(lane: Lane): Promise<void> {
    lane.busy = true;
    while (lane.next !== undefined && !this.#stopping.signal.aborted) {
      const head = lane.next;
      lane.next = undefined;
      try {
        await this.#send(lane, head);
        lane.failures = 0;
        lane.stats = { ...lane.stats, lastError: null };
      } catch (error) {
        if (this.#stopping.signal.aborted) break;
        this.#failed(lane, head, error instanceof Error ? error.message : String(error));
        break;
      }
    }
    lane.busy = false;
  }

  /** Remembers why and tries again later, with the newest head that there is then. */
  #failed(lane: Lane, head: SignedHead, reason: string): void {
    lane.failures += 1;
    lane.stats = { ...lane.stats, failures: lane.stats.failures + 1, lastError: reason };
    this.#options.logger.warn({ witness: lane.names[0], url: lane.url, reason }, 'a witness did not cosign');
    lane.next ??= head;
    const delay = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(lane.failures, 10));
    lane.retry = setTimeout(
      () => {
        lane.retry = undefined;
        void this.#run(lane);
      },
      delay * (0.5 + Math.random() / 2),
    );
    lane.retry.unref();
  }

  async #send(lane: Lane, head: SignedHead): Promise<void> {
    const { size } = head.checkpoint;
    let old = Math.min(lane.known, size);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const proof = await this.#options.consistencyProof(old, size);
      const body = `old ${old}\n${proof.map((hash) => `${base64Encode(hash)}\n`).join('')}\n${head.note}`;
      const answer = await this.#post(lane, body);
      if (answer.status === 200) {
        lane.known = size;
        // A mirror answers with nothing: it cosigns once it has the entries, and then brings its line by itself.
        if (answer.text !== '') await this.#options.onCosignatures(head.note + answer.text);
        return;
      }
      if (answer.status !== 409) throw new Error(`it answered ${answer.status}: ${answer.text.slice(0, 200).trim()}`);
      old = parseDecimal(answer.text.replace(/\n$/, ''), 'the size in the 409 answer');
      lane.known = old;
      if (old > size) {
        this.#options.onLargerSize(lane, old);
        return;
      }
    }
    throw new Error(`it named another size ${MAX_ATTEMPTS} times in a row`);
  }

  async #post(lane: Lane, body: string): Promise<{ readonly status: number; readonly text: string }> {
    const { timeoutMs, fetch } = this.#options;
    const startedAt = performance.now();
    lane.stats = { ...lane.stats, requests: lane.stats.requests + 1 };
    const response = await fetch(`${lane.url}/add-checkpoint`, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stopping.signal]),
    });
    const text = await readBounded(response);
    lane.stats = { ...lane.stats, latencyMs: performance.now() - startedAt };
    return { status: response.status, text };
  }
}

export interface WitnessReport {
  readonly endpoint: WitnessEndpoint;
  /** The checkpoint that it serves as the latest it cosigned for this log; undefined if it never cosigned one. */
  readonly note?: Uint8Array;
  readonly error?: string;
}

/** Asks every witness with a URL for the newest checkpoint of this log that it knows, all at once. */
export async function askWitnesses(options: {
  readonly policy: Policy;
  readonly origin: string;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
}): Promise<readonly WitnessReport[]> {
  const path = `${hexEncode(sha256(utf8Encode(options.origin)))}/checkpoint`;
  return Promise.all(
    witnessEndpoints(options.policy).map(async (endpoint): Promise<WitnessReport> => {
      try {
        const signal = AbortSignal.timeout(options.timeoutMs);
        const response = await options.fetch(`${endpoint.url}/${path}`, { redirect: 'error', signal });
        const text = await readBounded(response);
        if (response.status === 404) return { endpoint };
        if (response.status !== 200) return { endpoint, error: `it answered ${response.status}` };
        return { endpoint, note: utf8Encode(text) };
      } catch (error) {
        return { endpoint, error: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

export function witnessEndpoints(policy: Policy): readonly WitnessEndpoint[] {
  const byUrl = new Map<string, string[]>();
  for (const { name, url } of policy.witnesses) {
    if (url === undefined) continue;
    const prefix = url.replace(/\/+$/, '');
    byUrl.set(prefix, [...(byUrl.get(prefix) ?? []), name]);
  }
  return [...byUrl].map(([url, names]) => ({ url, names }));
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_RESPONSE_BYTES) throw new Error(`its answer is longer than ${MAX_RESPONSE_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
