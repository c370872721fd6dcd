/**
 * Where evidence is made and kept for a while: a request becomes an entry, then a bundle on disk, which can be fetched in
 * parts until it is a day old. The desk owns one directory and empties it when it opens: bundles can always be made again.
 *
 *   request ─▶ entry (countersign.read.evidence) ─▶ plan ─▶ wait for a checkpoint over the entry ─▶ write ─▶ ready
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { BundleMode } from '../../proofs/bundle.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import type { BundleCounts } from '../../proofs/manifest.ts';
import { formatNote, signNote } from '../../proofs/note.ts';
import { signersAt } from '../log/signers.ts';
import { type Log, LogError } from '../log/types.ts';
import type { Principal } from '../trail/access.ts';
import { formatQuery } from '../trail/query.ts';
import { type Trail, tokenActor } from '../trail/trail.ts';
import { EvidenceError } from './error.ts';
import { type EvidencePlan, type EvidenceRequest, modeOf, planEvidence } from './plan.ts';
import { writeBundle } from './write-bundle.ts';

export type EvidenceState =
  | { readonly state: 'building'; readonly done: number; readonly total: number }
  | {
      readonly state: 'ready';
      readonly bytes: number;
      /** Hex. */
      readonly sha256: string;
      readonly counts: BundleCounts;
    }
  | { readonly state: 'failed'; readonly error: unknown };

/** One bundle, made or being made. */
export interface EvidenceStatus {
  readonly id: string;
  /** Id of the principal who asked for it, and who alone may have it. */
  readonly owner: string;
  readonly mode: BundleMode;
  readonly range: { readonly start: number; readonly end: number };
  /** Index of the entry that the request is. */
  readonly entry: number;
  readonly current: EvidenceState;
}

export interface ReadyFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface EvidenceDesk {
  /** Records the request and begins. Throws EvidenceError, OutOfScope, or LogError while the log takes no entries. */
  request(request: EvidenceRequest, who: Principal): Promise<EvidenceStatus>;
  /** Throws EvidenceError `unknown-bundle`, for those of others, too. */
  status(id: string, who: Principal): EvidenceStatus;
  /** Throws EvidenceError `unknown-bundle`, `bundle-not-ready`, or what made it fail. */
  open(id: string, who: Principal): ReadyFile;
  close(): Promise<void>;
}

export interface EvidenceLimits {
  readonly maxBuilding: number;
  readonly maxKept: number;
  /** Of all bundles that are kept, together; the oldest give way. */
  readonly maxKeptBytes: number;
  readonly keepMs: number;
  /** How long a request waits for a checkpoint that covers it. */
  readonly publishTimeoutMs: number;
}

export const DEFAULT_EVIDENCE_LIMITS: EvidenceLimits = {
  maxBuilding: 2,
  maxKept: 100,
  maxKeptBytes: 8 * 1024 ** 3,
  keepMs: 86_400_000,
  publishTimeoutMs: 60_000,
};

export interface EvidenceDeskOptions {
  readonly log: Log;
  readonly trail: Pick<Trail, 'recorder'>;
  /** The log's keys, as `openLog` has them. */
  readonly signers: readonly SignerKey[];
  /** The desk's own; emptied when it opens. */
  readonly directory: string;
  readonly hasher: Hasher;
  readonly nowMs?: () => number;
  readonly newId: () => string;
  readonly limits?: Partial<EvidenceLimits>;
}

export async function openEvidenceDesk(options: EvidenceDeskOptions): Promise<EvidenceDesk> {
  await rm(options.directory, { recursive: true, force: true });
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  return new Desk(options);
}

interface Kept {
  status: EvidenceStatus;
  readonly file: string;
  readonly madeAtMs: number;
}

class Desk implements EvidenceDesk {
  readonly #options: EvidenceDeskOptions;
  readonly #limits: EvidenceLimits;
  readonly #nowMs: () => number;
  readonly #kept = new Map<string, Kept>();
  readonly #running = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  /** Requests that are being recorded count as well: two must not pass the gate for one place. */
  #building = 0;

  constructor(options: EvidenceDeskOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_EVIDENCE_LIMITS, ...options.limits };
    this.#nowMs = options.nowMs ?? Date.now;
  }

  async request(request: EvidenceRequest, who: Principal): Promise<EvidenceStatus> {
    const { log, newId, directory } = this.#options;
    const mode = modeOf(request, log);
    if (this.#building >= this.#limits.maxBuilding) {
      const detail = `At most ${this.#limits.maxBuilding} bundles are made at once; try again shortly.`;
      throw new EvidenceError('too-many-bundles', detail);
    }
    this.#building++;
    try {
      const { index, logTime } = await this.#record(request, mode, who);
      const plan = await planEvidence(log, request, mode, logTime);
      const { range } = plan;
      const id = newId();
      const current: EvidenceState = { state: 'building', done: 0, total: range.end - range.start };
      const kept: Kept = {
        status: { id, owner: who.id, mode, range, entry: index, current },
        file: path.join(directory, `${id}.zip`),
        madeAtMs: this.#nowMs(),
      };
      this.#kept.set(id, kept);
      await this.#makeRoom();
      const work = this.#build(kept, plan).finally(() => {
        this.#building--;
        this.#running.delete(work);
      });
      this.#running.add(work);
      return kept.status;
    } catch (error) {
      this.#building--;
      throw error;
    }
  }

  status(id: string, who: Principal): EvidenceStatus {
    return this.#find(id, who).status;
  }

  open(id: string, who: Principal): ReadyFile {
    const { status, file } = this.#find(id, who);
    const { current } = status;
    if (current.state === 'failed') throw current.error;
    if (current.state === 'building') throw new EvidenceError('bundle-not-ready', 'The bundle is still being made.');
    return { file, bytes: current.bytes, sha256: current.sha256 };
  }

  async close(): Promise<void> {
    this.#abort.abort(new LogError('log-closed', 'the log is shutting down'));
    await Promise.all(this.#running);
    await rm(this.#options.directory, { recursive: true, force: true });
  }

  #find(id: string, who: Principal): Kept {
    const kept = this.#kept.get(id);
    const isOld = kept !== undefined && this.#nowMs() - kept.madeAtMs > this.#limits.keepMs;
    if (kept !== undefined && !isOld && kept.status.owner === who.id) return kept;
    throw new EvidenceError('unknown-bundle', 'There is no such bundle, or it is no longer kept; ask for it again.');
  }

  #record(
    { query, pinned }: EvidenceRequest,
    mode: BundleMode,
    who: Principal,
  ): Promise<{ readonly index: number; readonly logTime: number }> {
    const { log, trail } = this.#options;
    return trail.recorder.record({
      action: 'countersign.read.evidence',
      actor: tokenActor(who),
      target: { type: 'log', id: log.origin },
      outcome: { result: 'success' },
      context: { query: formatQuery(query), mode, ...(pinned !== undefined && { pinned }) },
    });
  }

  async #build(kept: Kept, plan: EvidencePlan): Promise<void> {
    const { log, hasher } = this.#options;
    const { id, entry } = kept.status;
    const total = plan.range.end - plan.range.start;
    const enter = (current: EvidenceState): void => {
      kept.status = { ...kept.status, current };
    };
    try {
      await this.#published(entry);
      const checkpoint = log.checkpoint();
      if (checkpoint === undefined) throw notPublished();
      const { bytes, sha256, manifest } = await writeBundle({
        ...{ log, plan, checkpoint, hasher },
        sign: (text, size) => this.#sign(text, size),
        scratch: path.join(this.#options.directory, `${id}.making`),
        target: kept.file,
        onProgress: (done) => enter({ state: 'building', done, total }),
        signal: this.#abort.signal,
      });
      enter({ state: 'ready', bytes, sha256, counts: manifest.counts });
    } catch (error) {
      await rm(kept.file, { force: true });
      enter({ state: 'failed', error });
    }
  }

  /** Waits for a checkpoint over the entry; a desk that closes waits no longer. */
  async #published(entry: number): Promise<void> {
    const { signal } = this.#abort;
    signal.throwIfAborted();
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const { log } = this.#options;
    const published = log.waitForPublished(entry, this.#limits.publishTimeoutMs);
    if (!(await Promise.race([published, aborted]))) throw notPublished();
  }

  #sign(text: string, size: number): string {
    const { log, signers } = this.#options;
    const signer = signersAt(signers, log.policy, log.origin, size).find((one) => verifierKeyOf(one).type === 1);
    if (signer === undefined) throw new LogError('no-valid-key', 'the log has no Ed25519 key', { size });
    return formatNote({ text, signatures: [signNote(text, signer)] });
  }

  /** The old ones go, and the oldest as long as there are too many or they are too large; none that is being made. */
  async #makeRoom(): Promise<void> {
    const { maxKept, maxKeptBytes, keepMs } = this.#limits;
    let bytes = 0;
    for (const { status } of this.#kept.values()) bytes += bytesOf(status);
    for (const [id, { status, madeAtMs, file }] of this.#kept) {
      const tooOld = this.#nowMs() - madeAtMs > keepMs;
      if (status.current.state === 'building' || !(tooOld || this.#kept.size > maxKept || bytes > maxKeptBytes))
        continue;
      this.#kept.delete(id);
      bytes -= bytesOf(status);
      await rm(file, { force: true });
    }
  }
}

function bytesOf({ current }: EvidenceStatus): number {
  return current.state === 'ready' ? current.bytes : 0;
}

function notPublished(): EvidenceError {
  const detail = 'No published checkpoint covers the request yet: the quorum of witnesses has not cosigned one.';
  return new EvidenceError('bundle-not-published', detail);
}
