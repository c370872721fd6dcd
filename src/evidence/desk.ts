/**
 * Where evidence is made and kept for a while: a request becomes an entry, then a bundle on disk, which can be fetched in
 * parts until it is a day old. A restart finds the bundles again, and makes again what was being made (kept-bundles.ts).
 *
 *   request ─▶ entry (countersign.read.evidence) ─▶ plan ─▶ wait for a checkpoint over the entry ─▶ write ─▶ ready
 */
import { rm } from 'node:fs/promises';
import type { BundleMode } from '../../proofs/bundle.ts';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import type { Hasher } from '../../proofs/hash.ts';
import { type SignerKey, verifierKeyOf } from '../../proofs/key.ts';
import type { BundleCounts } from '../../proofs/manifest.ts';
import { formatNote, signNote } from '../../proofs/note.ts';
import { signersAt } from '../log/signers.ts';
import { type Log, LogError } from '../log/types.ts';
import type { Principal } from '../trail/access.ts';
import { formatQuery, parseQuery } from '../trail/query.ts';
import { type Trail, tokenActor } from '../trail/trail.ts';
import { EvidenceError } from './error.ts';
import { type AskedQuestion, coversScope, type KeepLimits, type KeptBundle, KeptBundles } from './kept-bundles.ts';
import { type EvidencePlan, type EvidenceRequest, modeOf, planEvidence } from './plan.ts';
import { planSample } from './sample-plan.ts';
import type { Sample } from './samples.ts';
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
  /** The same for the report of a sample. Throws EvidenceError `sample-not-revealed` as well. */
  requestSample(sample: Sample, pinned: number | undefined, who: Principal): Promise<EvidenceStatus>;
  /** Throws EvidenceError `unknown-bundle`, for those of others, too; `scope-changed` if the token may see less by now. */
  status(id: string, who: Principal): EvidenceStatus;
  /** Throws what `status` does, EvidenceError `bundle-not-ready`, or what made it fail. */
  open(id: string, who: Principal): ReadyFile;
  close(): Promise<void>;
}

export interface EvidenceLimits extends KeepLimits {
  readonly maxBuilding: number;
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
  /** The desk's own. */
  readonly directory: string;
  readonly hasher: Hasher;
  readonly nowMs?: () => number;
  readonly newId: () => string;
  readonly limits?: Partial<EvidenceLimits>;
}

export async function openEvidenceDesk(options: EvidenceDeskOptions): Promise<EvidenceDesk> {
  const limits = { ...DEFAULT_EVIDENCE_LIMITS, ...options.limits };
  const desk = new Desk(options, limits, await KeptBundles.open(options.directory, limits, options.nowMs ?? Date.now));
  desk.resume();
  return desk;
}

/** A request that is an entry, and what will be answered. */
interface Planned {
  /** Index and log time of the entry. */
  readonly entry: number;
  readonly logTimeUs: number;
  readonly plan: EvidencePlan;
  readonly asked: AskedQuestion | null;
}

class Desk implements EvidenceDesk {
  readonly #options: EvidenceDeskOptions;
  readonly #limits: EvidenceLimits;
  readonly #kept: KeptBundles;
  /** Of what is being made, or could not be. */
  readonly #states = new Map<string, EvidenceState>();
  readonly #running = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  /** Requests that are being recorded count as well: two must not pass the gate for one place. */
  #building = 0;

  constructor(options: EvidenceDeskOptions, limits: EvidenceLimits, kept: KeptBundles) {
    this.#options = options;
    this.#limits = limits;
    this.#kept = kept;
  }

  /** Makes again, one after the other, what was being made when the server stopped. */
  resume(): void {
    const waiting = this.#kept.all().filter(({ ready }) => ready === null);
    for (const { id, range } of waiting) this.#states.set(id, beginning(range));
    this.#run(async () => {
      for (const kept of waiting) if (kept.asked !== null) await this.#resumeOne(kept, kept.asked);
    });
  }

  request(request: EvidenceRequest, who: Principal): Promise<EvidenceStatus> {
    return this.#make(who, async () => {
      const { log } = this.#options;
      const mode = modeOf(request, log);
      const { query, pinned, control = null } = request;
      const asked = { query: formatQuery(query), mode, ...(control !== null && { control: { ...control } }) };
      const { index, logTime } = await this.#record(who, asked, pinned);
      return {
        ...{ entry: index, logTimeUs: logTime, plan: await planEvidence(log, request, mode, logTime) },
        asked: { query: asked.query, mode, pinned: pinned ?? null, control },
      };
    });
  }

  requestSample(sample: Sample, pinned: number | undefined, who: Principal): Promise<EvidenceStatus> {
    return this.#make(who, async () => {
      const plan = planSample(this.#options.log, sample, pinned, who.scope);
      const { index, logTime } = await this.#record(who, { sample: sample.index, mode: plan.mode }, pinned);
      return { entry: index, logTimeUs: logTime, plan, asked: null };
    });
  }

  /** `plan` records the request, and says what will be answered. */
  async #make(who: Principal, plan: () => Promise<Planned>): Promise<EvidenceStatus> {
    if (this.#building >= this.#limits.maxBuilding) {
      const detail = `At most ${this.#limits.maxBuilding} bundles are made at once; try again shortly.`;
      throw new EvidenceError('too-many-bundles', detail);
    }
    this.#building++;
    try {
      const { entry, logTimeUs, plan: planned, asked } = await plan();
      const { range, mode } = planned;
      const kept: KeptBundle = {
        ...{
          id: this.#options.newId(),
          owner: who.id,
          mode,
          range: { ...range },
          entry,
          log_time_us: logTimeUs,
          asked,
        },
        ...{ made_at_ms: this.#nowMs(), scope: who.scope, ready: null },
      };
      this.#states.set(kept.id, beginning(range));
      await this.#kept.put(kept);
      await this.#makeRoom();
      this.#run(() => this.#build(kept, planned).finally(() => this.#building--));
      return this.#statusOf(kept);
    } catch (error) {
      this.#building--;
      throw error;
    }
  }

  async #resumeOne(kept: KeptBundle, { query, mode, pinned, control }: AskedQuestion): Promise<void> {
    if (this.#abort.signal.aborted) return;
    let plan: EvidencePlan;
    try {
      const request = { query: parseQuery(query), scope: kept.scope, mode, pinned: pinned ?? undefined, control };
      plan = await planEvidence(this.#options.log, request, mode, kept.log_time_us);
    } catch (error) {
      this.#states.set(kept.id, { state: 'failed', error });
      return;
    }
    await this.#build(kept, plan);
  }

  status(id: string, who: Principal): EvidenceStatus {
    return this.#statusOf(this.#find(id, who));
  }

  open(id: string, who: Principal): ReadyFile {
    const { current } = this.#statusOf(this.#find(id, who));
    if (current.state === 'failed') throw current.error;
    if (current.state === 'building') throw new EvidenceError('bundle-not-ready', 'The bundle is still being made.');
    return { file: this.#kept.zipOf(id), bytes: current.bytes, sha256: current.sha256 };
  }

  async close(): Promise<void> {
    this.#abort.abort(new LogError('log-closed', 'the log is shutting down'));
    await Promise.all(this.#running);
  }

  #run(work: () => Promise<void>): void {
    const running = work().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #nowMs(): number {
    return (this.#options.nowMs ?? Date.now)();
  }

  /** The scope is that of this moment: a token that may see less by now does not get what was made for more. */
  #find(id: string, who: Principal): KeptBundle {
    const kept = this.#kept.find(id);
    if (kept === undefined || kept.owner !== who.id) {
      throw new EvidenceError('unknown-bundle', 'There is no such bundle, or it is no longer kept; ask for it again.');
    }
    if (coversScope(who.scope, kept.scope)) return kept;
    throw new EvidenceError(
      'scope-changed',
      'What you may see has changed since the bundle was made; ask for it again.',
    );
  }

  #statusOf({ id, owner, mode, range, entry, ready }: KeptBundle): EvidenceStatus {
    const made: EvidenceState | undefined = ready === null ? undefined : { state: 'ready', ...ready };
    return { id, owner, mode, range, entry, current: made ?? this.#states.get(id) ?? beginning(range) };
  }

  #record(
    who: Principal,
    asked: JsonObject,
    pinned: number | undefined,
  ): Promise<{ readonly index: number; readonly logTime: number }> {
    const { log, trail } = this.#options;
    return trail.recorder.record({
      action: 'countersign.read.evidence',
      actor: tokenActor(who),
      target: { type: 'log', id: log.origin },
      outcome: { result: 'success' },
      context: { ...asked, ...(pinned !== undefined && { pinned }) },
    });
  }

  async #build(kept: KeptBundle, plan: EvidencePlan): Promise<void> {
    const { log, hasher } = this.#options;
    const { id, entry } = kept;
    const total = plan.range.end - plan.range.start;
    try {
      await this.#published(entry);
      const checkpoint = log.checkpoint();
      if (checkpoint === undefined) throw notPublished();
      const { bytes, sha256, manifest } = await writeBundle({
        ...{ log, plan, checkpoint, hasher },
        sign: (text, size) => this.#sign(text, size),
        scratch: this.#kept.scratchOf(id),
        target: this.#kept.zipOf(id),
        onProgress: (done) => this.#states.set(id, { state: 'building', done, total }),
        signal: this.#abort.signal,
      });
      await this.#kept.put({ ...kept, ready: { bytes, sha256, counts: { ...manifest.counts } } });
      this.#states.delete(id);
      await this.#makeRoom();
    } catch (error) {
      await rm(this.#kept.zipOf(id), { force: true });
      this.#states.set(id, { state: 'failed', error });
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

  async #makeRoom(): Promise<void> {
    await this.#kept.makeRoom((id) => this.#states.get(id)?.state === 'building');
    for (const id of this.#states.keys()) if (this.#kept.find(id) === undefined) this.#states.delete(id);
  }
}

function beginning({ start, end }: EvidenceStatus['range']): EvidenceState {
  return { state: 'building', done: 0, total: end - start };
}

function notPublished(): EvidenceError {
  const detail = 'No published checkpoint covers the request yet: the quorum of witnesses has not cosigned one.';
  return new EvidenceError('bundle-not-published', detail);
}
