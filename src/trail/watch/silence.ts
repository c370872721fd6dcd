/**
 * Silence (S3): a producer that spoke before and stopped is a finding, and so is its return.
 *
 * Silence is counted in watched time: while the log itself was away nobody could speak, and a pause of the log is not a
 * silence of its producers. Unless the configuration says how long is too long, that is learned: a producer is silent
 * when it pauses four times as long as it ever did in this week and the last, and never before `afterUs`; and it has to
 * have been about for that long to be missed at all.
 */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import type { Finding } from '../finding.ts';
import { formatTimeUs } from '../time.ts';
import type { WatchConfig } from './config.ts';
import { type Detector, earlier } from './detector.ts';
import type { Examined } from './examined.ts';
import { integerIn, integersIn, listIn, objectIn, StateError, textIn } from './state-values.ts';

/** Producers that are listened to: as many as a log can have tokens. */
const MAX_PRODUCERS = 10_000;
const PATIENCE = 4;
const WEEK_US = 7 * 86_400_000_000;
/** Between two entries further apart than this many heartbeats the log was away. */
const MAX_MISSED_HEARTBEATS = 3;

interface Listened {
  firstWatchedUs: number;
  /** Of its last event. */
  lastIndex: number;
  lastTimeUs: number;
  lastWatchedUs: number;
  week: number;
  /** The longest pauses of this week and of the one before. */
  longestUs: number;
  longestBeforeUs: number;
  state: ListenState;
}

/** `paused`: silent, but nobody knew it well enough to miss it. `silent`: that was a finding. */
const LISTEN_STATES = ['speaking', 'paused', 'silent'] as const;
type ListenState = (typeof LISTEN_STATES)[number];

export type SilenceConfig = Pick<WatchConfig, 'silence' | 'producers' | 'heartbeatMs'>;

export interface SilenceDetector extends Detector {
  readonly producerCount: number;
}

export function silenceDetector(config: SilenceConfig): SilenceDetector {
  return new Silence(config);
}

class Silence implements SilenceDetector {
  readonly name = 'silence';
  readonly #config: SilenceConfig;
  /** The most by which watched time moves on between two entries. */
  readonly #maxStepUs: number;
  readonly #producers = new Map<string, Listened>();
  #watchedUs = 0;
  #lastTimeUs: number | null = null;
  #dueUs: number | null = null;

  constructor(config: SilenceConfig) {
    this.#config = config;
    const { heartbeatMs } = config;
    this.#maxStepUs = heartbeatMs === 0 ? Number.MAX_SAFE_INTEGER : heartbeatMs * 1000 * MAX_MISSED_HEARTBEATS;
  }

  get producerCount(): number {
    return this.#producers.size;
  }

  dueUs(): number | null {
    return this.#dueUs;
  }

  examine(event: Examined): readonly Finding[] {
    this.#moveOn(event.logTimeUs);
    const settings = this.#config.producers.get(event.producerId);
    if (event.isOwn || settings?.historic === true || settings?.silentAfterUs === null) return [];
    const known = this.#producers.get(event.producerId);
    const listened = known ?? this.#listen(event);
    const pauseUs = this.#watchedUs - listened.lastWatchedUs;
    const findings = listened.state === 'silent' ? [resumedFinding(event, listened)] : [];
    const week = Math.floor(event.logTimeUs / WEEK_US);
    if (week !== listened.week) {
      listened.longestBeforeUs = week === listened.week + 1 ? listened.longestUs : 0;
      listened.longestUs = 0;
      listened.week = week;
    }
    listened.longestUs = Math.max(listened.longestUs, pauseUs);
    listened.lastIndex = event.index;
    listened.lastTimeUs = event.logTimeUs;
    listened.lastWatchedUs = this.#watchedUs;
    if (known === undefined || listened.state !== 'speaking') {
      listened.state = 'speaking';
      this.#dueUs = earlier(this.#dueUs, this.#silentFromUs(event.producerId, listened));
    }
    return findings;
  }

  tick(logTimeUs: number): readonly Finding[] {
    this.#moveOn(logTimeUs);
    const findings: Finding[] = [];
    this.#dueUs = null;
    for (const [producerId, listened] of this.#producers) {
      if (listened.state !== 'speaking') continue;
      const { afterUs, isMissed } = this.#patience(producerId, listened);
      const fromUs = this.#silentFromUs(producerId, listened);
      if (fromUs > logTimeUs) {
        this.#dueUs = earlier(this.#dueUs, fromUs);
        continue;
      }
      listened.state = isMissed ? 'silent' : 'paused';
      if (isMissed) findings.push(silentFinding(producerId, listened, afterUs));
    }
    return findings;
  }

  save(): JsonValue {
    const producers = [...this.#producers].map(([id, one]): JsonValue => {
      const { firstWatchedUs, lastIndex, lastTimeUs, lastWatchedUs, week, longestUs, longestBeforeUs } = one;
      const numbers = [firstWatchedUs, lastIndex, lastTimeUs, lastWatchedUs, week, longestUs, longestBeforeUs];
      return [id, numbers, one.state];
    });
    return { watchedUs: this.#watchedUs, lastTimeUs: this.#lastTimeUs, producers };
  }

  restore(state: JsonValue): void {
    const { watchedUs, lastTimeUs, producers } = objectIn(state, 'silence');
    this.#watchedUs = integerIn(watchedUs, 'watched time');
    this.#lastTimeUs = lastTimeUs === null ? null : integerIn(lastTimeUs, 'a time');
    for (const item of listIn(producers, 'producers')) {
      const [id, numbers, savedState] = listIn(item, 'a producer');
      const [first = 0, lastIndex = 0, last = 0, lastWatchedUs = 0, week = 0, longestUs = 0, longestBeforeUs = 0] =
        integersIn(numbers, 7, 'a producer');
      const producerId = textIn(id, 'a producer');
      const listenState = LISTEN_STATES.find((one) => one === savedState);
      if (listenState === undefined) throw new StateError('whether a producer is silent');
      const listened: Listened = {
        firstWatchedUs: first,
        lastIndex,
        lastTimeUs: last,
        lastWatchedUs,
        week,
        longestUs,
        longestBeforeUs,
        state: listenState,
      };
      this.#producers.set(producerId, listened);
      if (listenState === 'speaking') this.#dueUs = earlier(this.#dueUs, this.#silentFromUs(producerId, listened));
    }
  }

  #moveOn(logTimeUs: number): void {
    this.#watchedUs += Math.min(logTimeUs - (this.#lastTimeUs ?? logTimeUs), this.#maxStepUs);
    this.#lastTimeUs = logTimeUs;
  }

  #listen({ producerId, index, logTimeUs }: Examined): Listened {
    if (this.#producers.size >= MAX_PRODUCERS) {
      const [oldest] = this.#producers.keys();
      if (oldest !== undefined) this.#producers.delete(oldest);
    }
    const listened: Listened = {
      firstWatchedUs: this.#watchedUs,
      lastIndex: index,
      lastTimeUs: logTimeUs,
      lastWatchedUs: this.#watchedUs,
      week: Math.floor(logTimeUs / WEEK_US),
      longestUs: 0,
      longestBeforeUs: 0,
      state: 'speaking',
    };
    this.#producers.set(producerId, listened);
    return listened;
  }

  /** How long the producer may pause, and whether anybody knows it well enough to miss it. */
  #patience(producerId: string, listened: Listened): { readonly afterUs: number; readonly isMissed: boolean } {
    const own = this.#config.producers.get(producerId)?.silentAfterUs;
    if (own !== undefined && own !== null) return { afterUs: own, isMissed: true };
    const { afterUs, learn } = this.#config.silence;
    if (!learn) return { afterUs, isMissed: true };
    const longestUs = Math.max(listened.longestUs, listened.longestBeforeUs);
    const isMissed = listened.lastWatchedUs - listened.firstWatchedUs >= afterUs;
    return { afterUs: Math.max(afterUs, PATIENCE * longestUs), isMissed };
  }

  /** The log time from which the producer is silent, if the log is watched all the way to it. */
  #silentFromUs(producerId: string, listened: Listened): number {
    const pausedUs = this.#watchedUs - listened.lastWatchedUs;
    return (this.#lastTimeUs ?? 0) + this.#patience(producerId, listened).afterUs - pausedUs;
  }
}

function silentFinding(producerId: string, { lastIndex, lastTimeUs }: Listened, afterUs: number): Finding {
  const seconds = Math.round(afterUs / 1_000_000);
  return {
    kind: 'producer-silent',
    severity: 'high',
    subject: { type: 'producer', id: producerId },
    firstIndex: lastIndex,
    lastIndex,
    firstTimeUs: lastTimeUs,
    lastTimeUs,
    count: 1,
    message:
      `This producer has sent nothing for ${seconds} s since its last event, entry ${lastIndex} ` +
      `(${formatTimeUs(lastTimeUs)}). See whether it runs, and whether it reaches the log.`,
    evidence: { silent_after_seconds: seconds },
  };
}

function resumedFinding({ producerId, index, logTimeUs }: Examined, { lastIndex, lastTimeUs }: Listened): Finding {
  const seconds = Math.round((logTimeUs - lastTimeUs) / 1_000_000);
  return {
    kind: 'producer-resumed',
    severity: 'low',
    subject: { type: 'producer', id: producerId },
    firstIndex: lastIndex,
    lastIndex: index,
    firstTimeUs: lastTimeUs,
    lastTimeUs: logTimeUs,
    count: 1,
    message: `This producer was silent and sends again: nothing came between the entries ${lastIndex} and ${index}, for ${seconds} s.`,
    evidence: { silent_for_seconds: seconds },
  };
}
