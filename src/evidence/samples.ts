/**
 * Samples on the side of the log: an auditor commits to a nonce, and the log adds its own in the same entry; later the
 * auditor opens the nonce in another entry, and the report of the sample can be made (write-sample.ts). What was committed
 * and opened is derived from the entries and nothing else.
 *
 *   commit ─▶ entry ─▶ the head of the size that follows from it is cosigned ─▶ reveal ─▶ entry ─▶ report
 *
 * A crash after an entry loses nothing: a commit can be opened at any time later, and is opened once.
 */

import { equalBytes } from '../../proofs/bytes.ts';
import { drandRoundSeconds, isDrandRound } from '../../proofs/drand.ts';
import { textAt } from '../../proofs/fields.ts';
import { type BundleFilterName, describeFilter } from '../../proofs/filter.ts';
import type { Hash } from '../../proofs/hash.ts';
import { NONCE_BYTES, nonceHash } from '../../proofs/sample-draw.ts';
import {
  COMMIT_SAMPLE,
  headSizeOf,
  isStratum,
  MAX_DELAY,
  REVEAL_SAMPLE,
  readSampleCommit,
  readSampleReveal,
  type SampleCommit,
  type SampleReveal,
  sampleCommitJson,
  sampleRevealJson,
} from '../../proofs/sample-entries.ts';
import type { SampleDesign } from '../../proofs/sample-size.ts';
import type { Log } from '../log/types.ts';
import type { Principal } from '../trail/access.ts';
import { followOwnEvents, type OwnEntry } from '../trail/own-events.ts';
import type { EventQuery } from '../trail/query.ts';
import { type OwnEvent, OwnEventConflict } from '../trail/record.ts';
import { openAnswer } from '../trail/search.ts';
import { type Trail, tokenActor } from '../trail/trail.ts';
import { EvidenceError } from './error.ts';
import { modeOf, planEvidence } from './plan.ts';

export interface SampleRequest {
  readonly query: EventQuery;
  /** Of the auditor's nonce (proofs/sample-draw.ts). */
  readonly nonceHash: Hash;
  readonly design: SampleDesign;
  readonly strata: BundleFilterName | null;
  /** Undefined: DEFAULT_DELAY. */
  readonly delay?: number | undefined;
  readonly drandRound: number | null;
}

/** One sample as the log's entries tell it. */
export interface Sample {
  /** Index of the commit: the name of the sample. */
  readonly index: number;
  /** Log time of the commit, in microseconds since the Unix epoch. */
  readonly committedAtUs: number;
  readonly actorId: string;
  readonly commit: SampleCommit;
  /** Null as long as the nonce was not opened. */
  readonly reveal: { readonly index: number; readonly opened: SampleReveal } | null;
}

export interface Samples {
  /** Durable when it resolves. Throws EvidenceError, OutOfScope or LogError. `matches` is what the search index knows. */
  commit(request: SampleRequest, who: Principal): Promise<{ readonly sample: Sample; readonly matches: number }>;
  /** Durable when it resolves; the same opening again is answered with the first. Throws EvidenceError or LogError. */
  reveal(index: number, opening: Omit<SampleReveal, 'commit'>, who: Principal): Promise<Sample>;
  /** Throws EvidenceError `unknown-sample`, for those of others, too. */
  find(index: number, who: Principal): Sample;
  /** Those of this principal, oldest first. */
  list(who: Principal): readonly Sample[];
  close(): void;
}

/** One entry more, so that not even the commit alone decides the root. */
export const DEFAULT_DELAY = 1;

/** Commits of one auditor: every report shows all of them. */
export const MAX_SAMPLES = 10_000;

export interface SamplesOptions {
  readonly log: Log;
  readonly trail: Pick<Trail, 'recorder'>;
  readonly randomBytes: (byteCount: number) => Uint8Array;
  readonly nowMs?: () => number;
}

export async function openSamples(options: SamplesOptions): Promise<Samples> {
  const samples = new LogSamples(options);
  const stop = await followOwnEvents(options.log, [COMMIT_SAMPLE, REVEAL_SAMPLE], (entry) => samples.apply(entry));
  return {
    commit: (request, who) => samples.commit(request, who),
    reveal: (index, opening, who) => samples.reveal(index, opening, who),
    find: (index, who) => samples.find(index, who),
    list: (who) => samples.list(who),
    close: stop,
  };
}

class LogSamples {
  readonly #options: SamplesOptions;
  readonly #nowMs: () => number;
  /** By the index of the commit, in the order of the log. */
  readonly #samples = new Map<number, Sample>();
  /** Commits are recorded one after another: each counts those before it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SamplesOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  /** On the write path: quick, and throws nothing. What is malformed, or whose contents were erased, is no sample. */
  apply({ index, logTime, event }: OwnEntry): void {
    try {
      const actorId = textAt(event, 'actor', 'id');
      if (actorId === undefined) return;
      if (event['action'] === COMMIT_SAMPLE) {
        const commit = readSampleCommit(event);
        this.#samples.set(index, { index, committedAtUs: logTime, actorId, commit, reveal: null });
        return;
      }
      const opened = readSampleReveal(event);
      const sample = this.#samples.get(opened.commit);
      if (sample !== undefined && sample.reveal === null && sample.actorId === actorId) {
        this.#samples.set(sample.index, { ...sample, reveal: { index, opened } });
      }
    } catch {
      // Nothing follows from it, here as in every verifier.
    }
  }

  async commit(request: SampleRequest, who: Principal): Promise<{ sample: Sample; matches: number }> {
    const { log } = this.#options;
    this.#check(request);
    const asked = { query: request.query, scope: who.scope, mode: 'complete' as const };
    modeOf(asked, log);
    const beforeUs = await this.#endUs();
    const plan = await planEvidence(log, asked, 'complete', beforeUs);
    const { filter, range } = plan;
    const matches = await (await openAnswer(log, asked, range.end)).count();
    if (matches === 0) {
      throw new EvidenceError('empty-population', `No event so far answers ${describeFilter(filter)} in that time.`);
    }
    const { design, strata, drandRound, delay = DEFAULT_DELAY } = request;
    const record = async (): Promise<Sample> => {
      const own = this.list(who);
      // The answer was lost, and the request came again: a nonce names its commit.
      const known = own.find((one) => equalBytes(one.commit.nonceHash, request.nonceHash));
      if (known !== undefined) return known;
      if (own.length >= MAX_SAMPLES) {
        throw new EvidenceError(
          'invalid-sample-request',
          `You have committed to ${own.length} samples: no more are taken.`,
        );
      }
      const commit: SampleCommit = {
        ...{ nonceHash: request.nonceHash, operatorNonce: this.#options.randomBytes(NONCE_BYTES) },
        ...{ query: filter, range, design, strata, delay, drandRound },
        ...{ number: own.length, previous: own.at(-1)?.index ?? null },
      };
      const { index } = await this.#record(COMMIT_SAMPLE, who, { sample: sampleCommitJson(commit) });
      return this.find(index, who);
    };
    const recorded = this.#last.then(record, record);
    this.#last = recorded.catch(() => undefined);
    return { sample: await recorded, matches };
  }

  async reveal(index: number, opening: Omit<SampleReveal, 'commit'>, who: Principal): Promise<Sample> {
    const sample = this.find(index, who);
    if (sample.reveal !== null) return sameOpening(sample, opening);
    const { commit } = sample;
    if (opening.nonce.length !== NONCE_BYTES || !equalBytes(nonceHash(opening.nonce), commit.nonceHash)) {
      throw new EvidenceError('nonce-mismatch', `This is not the nonce that entry ${index} committed to.`);
    }
    const size = headSizeOf(index, commit.delay);
    const published = this.#options.log.publishedSize();
    if (published < size) {
      throw new EvidenceError(
        'head-not-fixed',
        `The nonce may be opened when a cosigned checkpoint covers ${size} entries; the newest covers ${published}.`,
      );
    }
    checkSignature(commit, opening);
    const revealed = { commit: index, ...opening };
    try {
      await this.#record(REVEAL_SAMPLE, who, { sample: sampleRevealJson(revealed) }, `sample.reveal.${index}`);
    } catch (error) {
      // Two requests at one time: the log answered the other one.
      if (!(error instanceof OwnEventConflict)) throw error;
    }
    return sameOpening(this.find(index, who), opening);
  }

  find(index: number, who: Principal): Sample {
    const sample = this.#samples.get(index);
    if (sample !== undefined && sample.actorId === who.id) return sample;
    throw new EvidenceError('unknown-sample', `You have committed to no sample in entry ${index}.`);
  }

  list(who: Principal): readonly Sample[] {
    return [...this.#samples.values()].filter(({ actorId }) => actorId === who.id);
  }

  #check({ strata, delay = DEFAULT_DELAY, drandRound, nonceHash: hash }: SampleRequest): void {
    const invalid = (what: string): EvidenceError => new EvidenceError('invalid-sample-request', what);
    if (hash.length !== NONCE_BYTES) throw invalid(`The hash of the nonce has ${NONCE_BYTES} bytes.`);
    if (strata !== null && !isStratum(strata)) throw invalid(`A population cannot be divided by ${strata}.`);
    if (!Number.isSafeInteger(delay) || delay < 0 || delay > MAX_DELAY) throw invalid(`delay is 0 to ${MAX_DELAY}.`);
    if (drandRound !== null && drandRoundSeconds(drandRound) * 1_000 <= this.#nowMs()) {
      throw invalid(`drand round ${drandRound} is known already: name one that is to come.`);
    }
  }

  /** The moment after the last entry that there is: where every population ends at the latest. */
  async #endUs(): Promise<number> {
    const { log } = this.#options;
    const size = log.treeSize();
    const last = size === 0 ? undefined : await log.eventAt(size - 1);
    return last === undefined ? 0 : last.logTime + 1;
  }

  #record(
    action: OwnEvent['action'],
    who: Principal,
    context: NonNullable<OwnEvent['context']>,
    id?: string,
  ): Promise<{ readonly index: number }> {
    const { log, trail } = this.#options;
    return trail.recorder.record({
      ...(id !== undefined && { event_id: id }),
      ...{ action, actor: tokenActor(who), target: { type: 'log', id: log.origin }, outcome: { result: 'success' } },
      context,
    });
  }
}

function checkSignature({ drandRound }: SampleCommit, { drandSignature }: Omit<SampleReveal, 'commit'>): void {
  if (drandRound === null && drandSignature === null) return;
  if (drandRound !== null && drandSignature !== null && isDrandRound(drandRound, drandSignature)) return;
  const detail =
    drandRound === null
      ? 'The commit named no drand round, so that none can go into the seed.'
      : `What is needed is the signature of drand's quicknet on round ${drandRound}.`;
  throw new EvidenceError('bad-beacon', detail);
}

function sameOpening(sample: Sample, { nonce, drandSignature }: Omit<SampleReveal, 'commit'>): Sample {
  const opened = sample.reveal?.opened;
  const isSame =
    opened !== undefined &&
    equalBytes(opened.nonce, nonce) &&
    equalBytes(opened.drandSignature ?? NOTHING, drandSignature ?? NOTHING);
  if (isSame) return sample;
  throw new EvidenceError('already-revealed', `The sample of entry ${sample.index} was opened before.`);
}

const NOTHING = new Uint8Array(0);
