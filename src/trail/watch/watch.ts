/**
 * The watch over one log: the conductor of everything in this folder. It follows the log (follow.ts), examines each entry
 * (examine.ts), records what was found, and remembers how far it came (state-file.ts); it beats, checks the clock, and
 * alerts. It is opened after the log and closed before it.
 *
 *   log ─▶ follow ─▶ examine ─▶ record ─▶ log        findings and attestations are entries like any other
 *
 * A crash between `examine` and `record`, or before the state was saved, is followed by examining the same entries again.
 * That gives the same findings, with the same ids, which the log answers with the first ones.
 */
import { type LogLogger, SILENT_LOGGER } from '../../log/options.ts';
import { type Log, LogError } from '../../log/types.ts';
import {
  type ClockReading,
  type ClockSources,
  checkClock,
  clockEvent,
  systemSources,
  UNCHECKED,
} from '../clock/check-clock.ts';
import { type Finding, raiseEvent } from '../finding.ts';
import { type FindingList, openFindingList } from '../findings.ts';
import type { Recorder } from '../record.ts';
import { type Alerter, type AlertLimits, startAlerts } from './alert.ts';
import { type ActionClasses, NO_CLASSES } from './attest.ts';
import type { WatchConfig } from './config.ts';
import type { Detector } from './detector.ts';
import { Examiner } from './examine.ts';
import type { Examined } from './examined.ts';
import { type Following, type FollowLimits, follow } from './follow.ts';
import { heartbeatEvent } from './heartbeat.ts';
import { recordAll } from './record-all.ts';
import { loadState, saveState, type WatchState } from './state-file.ts';
import { followDamage } from './stored-damage.ts';
import { repeat } from './timers.ts';

export interface WatchOptions {
  readonly log: Log;
  readonly recorder: Recorder;
  readonly config: WatchConfig;
  /** Beside the database. */
  readonly stateFile: string;
  /** What the alerts are signed with; needed if the configuration has any. */
  readonly alertSecret?: string;
  readonly classes?: ActionClasses;
  /** Detectors of other parts of the trail. */
  readonly detectors?: readonly (() => Detector)[];
  readonly nowMs?: () => number;
  readonly fetch?: typeof globalThis.fetch;
  readonly clockSources?: ClockSources;
  readonly logger?: LogLogger;
  readonly limits?: Partial<WatchLimits>;
}

export interface WatchLimits {
  /** How often the state is saved. */
  readonly saveMs: number;
  /** Least time between two heartbeats that only move time on. */
  readonly minTimeMarkMs: number;
  readonly follow: Partial<FollowLimits>;
  readonly alert: Partial<AlertLimits>;
}

export const WATCH_LIMITS: WatchLimits = { saveMs: 15_000, minTimeMarkMs: 1_000, follow: {}, alert: {} };

export interface WatchStatus {
  /** Entries that were examined, and entries that wait for it. */
  readonly examinedSize: number;
  readonly lag: number;
  readonly overflowCount: number;
  readonly producerCount: number;
  /** User actions that nobody could judge, because too many were open at one time. */
  readonly unjudgedActions: number;
  readonly openFindings: number;
  readonly lastBeatMs: number | null;
  readonly clock: ClockReading;
  readonly alerts: { readonly waiting: number; readonly delivered: number; readonly givenUp: number } | null;
}

export interface Watch {
  readonly findings: FindingList;
  readonly config: WatchConfig;
  /** Raises a finding that does not come from an entry. Durable when it resolves. Throws LogError. */
  raise(finding: Finding): Promise<void>;
  status(): WatchStatus;
  /** The last reading of the clock. */
  clock(): ClockReading;
  /** Throws LogError `clock-unsynchronised` where the configuration refuses events without a clock that is confirmed. */
  admit(): void;
  /** A heartbeat now. False if the log does not take it. */
  beat(): Promise<boolean>;
  /** Everything that is durable at the call was examined, and what followed from it is durable. */
  caughtUp(): Promise<void>;
  close(): Promise<void>;
}

/** Throws Error for an unusable alert secret. Everything else goes on in the background. */
export async function openWatch(options: WatchOptions): Promise<Watch> {
  const state = await loadState(options.stateFile, options.log);
  const watch = new LogWatch(options, state);
  await watch.start();
  return watch;
}

class LogWatch implements Watch {
  readonly config: WatchConfig;
  readonly findings: FindingList;
  readonly #options: WatchOptions;
  readonly #limits: WatchLimits;
  readonly #logger: LogLogger;
  readonly #nowMs: () => number;
  readonly #examiner: Examiner;
  readonly #alerter: Alerter | undefined;
  readonly #following: Following;
  readonly #stops: (() => void)[] = [];
  #clock: ClockReading = UNCHECKED;
  #lastBeatMs: number | null = null;
  /** What the state file may say: everything that followed from these entries is durable. */
  #examinedSize: number;
  #savedSize: number;
  #saving: Promise<void> = Promise.resolve();
  #isTaking = false;
  #isSaveDue = false;
  #markTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: WatchOptions, saved: WatchState | undefined) {
    const { log, recorder, config } = options;
    this.#options = options;
    this.#limits = { ...WATCH_LIMITS, ...options.limits };
    this.#logger = options.logger ?? SILENT_LOGGER;
    this.#nowMs = options.nowMs ?? Date.now;
    this.config = config;
    const [examiner, examinedSize] = this.#examinerFrom(saved);
    this.#examiner = examiner;
    this.#examinedSize = examinedSize;
    this.#savedSize = examinedSize;
    this.#alerter = this.#startAlerts(saved?.alertFrom ?? log.treeSize());
    this.findings = openFindingList({
      log,
      recorder,
      onRaised: (finding) => this.#alerter?.offer(finding),
    });
    this.#following = follow({
      log,
      from: examinedSize,
      limits: this.#limits.follow,
      take: (batch) => this.#take(batch),
      takeUnreadable: (index, error) => this.#takeUnreadable(index, error),
      onTrouble: (error) => this.#logger.error({ err: error }, 'the watch has trouble with the log, and goes on'),
    });
  }

  async start(): Promise<void> {
    const { heartbeatMs, clock } = this.config;
    const { log, recorder } = this.#options;
    this.#stops.push(repeat(this.#limits.saveMs, () => this.#save()));
    this.#stops.push(followDamage({ log, recorder, nowMs: this.#nowMs }));
    if (heartbeatMs > 0) {
      this.#stops.push(repeat(heartbeatMs, async () => void (await this.beat())));
      if (await this.#wasAway()) await this.beat();
    }
    if (clock.servers.length === 0 && !clock.chrony) {
      this.#logger.info({}, 'no time source is configured: the clock of the log is unchecked');
      return;
    }
    this.#stops.push(repeat(clock.checkMs, () => this.#checkClock()));
    void this.#checkClock();
  }

  async raise(finding: Finding): Promise<void> {
    await this.#options.recorder.record(raiseEvent(finding));
  }

  clock(): ClockReading {
    return this.#clock;
  }

  admit(): void {
    if (!this.config.clock.refuseUnsynchronised || this.#clock.state === 'synchronised') return;
    throw new LogError(
      'clock-unsynchronised',
      `the clock of the log is ${this.#clock.state}; no event is taken until it is confirmed`,
      {
        retryAfterSeconds: REFUSED_RETRY_SECONDS,
      },
    );
  }

  status(): WatchStatus {
    return {
      examinedSize: this.#following.position(),
      lag: Math.max(0, this.#options.log.treeSize() - this.#following.position()),
      overflowCount: this.#following.overflowCount(),
      producerCount: this.#examiner.producerCount,
      unjudgedActions: this.#examiner.unjudgedActions,
      openFindings: this.findings.openCount(),
      lastBeatMs: this.#lastBeatMs,
      clock: this.#clock,
      alerts: this.#alerter?.counts() ?? null,
    };
  }

  async beat(): Promise<boolean> {
    const { treeSize, signedSize, publishedSize, queuedEvents } = this.#options.log.health();
    const { examinedSize, producerCount, openFindings, clock } = this.status();
    const intervalMs = this.config.heartbeatMs;
    const sizes = { treeSize, signedSize, publishedSize, queuedEvents, examinedSize };
    try {
      await this.#options.recorder.record(heartbeatEvent({ ...sizes, intervalMs, producerCount, openFindings, clock }));
      this.#lastBeatMs = this.#nowMs();
      return true;
    } catch (error) {
      if (!this.#isClosed) this.#logger.warn({ err: error }, 'no heartbeat: the log takes no entries');
      return false;
    }
  }

  caughtUp(): Promise<void> {
    return this.#following.caughtUp();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    clearTimeout(this.#markTimer);
    await this.#following.close();
    await this.#save();
    await this.#alerter?.close();
    await this.findings.close();
  }

  /** The examiner with what was saved, or a new one that begins at the first entry. */
  #examinerFrom(saved: WatchState | undefined): [Examiner, number] {
    const { config, classes = NO_CLASSES, detectors = [], log } = this.#options;
    const options = {
      config,
      classes,
      others: detectors,
      rootAt: (size: number) => log.rootAt(size),
      onFailure: (detector: string, error: unknown) =>
        this.#logger.error({ detector, err: error }, 'a detector failed on an entry, and goes on with the next'),
    };
    try {
      if (saved !== undefined) return [new Examiner(options, saved.parts), saved.examinedSize];
    } catch (error) {
      this.#logger.warn(
        { err: error },
        'the saved state of the watch is of no use: the log is examined from its start',
      );
    }
    return [new Examiner(options), 0];
  }

  #startAlerts(from: number): Alerter | undefined {
    const { config, alertSecret, log, fetch = globalThis.fetch } = this.#options;
    if (config.alerts === null) return undefined;
    if (alertSecret === undefined) throw new Error('alerts are configured and there is no secret to sign them with');
    const limits = this.#limits.alert;
    const common = { fetch, nowMs: this.#nowMs, logger: this.#logger, limits };
    return startAlerts({ config: config.alerts, secret: alertSecret, log, from, ...common });
  }

  /** One batch of consecutive entries. Everything that follows from it is durable when this resolves, or it was closed. */
  async #take(batch: readonly Examined[]): Promise<void> {
    this.#isTaking = true;
    const events = this.#examiner.examine(batch);
    const done = await recordAll(this.#options.recorder, events, {
      isClosed: () => this.#isClosed,
      onWaiting: (error) => this.#logger.warn({ err: error }, 'findings wait: the log takes no entries'),
      onLost: (error) => this.#logger.error({ err: error }, 'a finding is not a valid event'),
    });
    if (!done) return;
    this.#examinedSize += batch.length;
    this.#isTaking = false;
    this.#scheduleMark();
    if (this.#isSaveDue) await this.#save();
  }

  async #takeUnreadable(index: number, error: LogError): Promise<void> {
    this.#isTaking = true;
    const timeUs = this.#examiner.logTimeUs;
    const finding = unreadableFinding(index, timeUs, error);
    const done = await recordAll(this.#options.recorder, [raiseEvent(finding)], { isClosed: () => this.#isClosed });
    if (!done) return;
    this.#examinedSize += 1;
    this.#isTaking = false;
  }

  /** A finding is due at a time at which perhaps no entry comes: then a heartbeat is made a little after it. */
  #scheduleMark(): void {
    clearTimeout(this.#markTimer);
    const dueUs = this.#examiner.dueUs();
    if (dueUs === null || this.config.heartbeatMs === 0 || this.#isClosed) return;
    const waitMs = Math.ceil(dueUs / 1000) - this.#nowMs();
    if (waitMs > this.config.heartbeatMs) return;
    const sinceBeatMs = this.#nowMs() - (this.#lastBeatMs ?? 0);
    const delayMs = Math.max(waitMs + MARK_SLACK_MS, this.#limits.minTimeMarkMs - sinceBeatMs);
    this.#markTimer = setTimeout(() => void this.#mark(dueUs), delayMs);
    this.#markTimer.unref();
  }

  async #mark(dueUs: number): Promise<void> {
    if (this.#isClosed || this.#examiner.logTimeUs >= dueUs) return;
    // If the log does not take it, the next regular heartbeat moves time on.
    await this.beat();
  }

  /** Whether the last entry is older than a heartbeat: then the log says at once that it is back. */
  async #wasAway(): Promise<boolean> {
    const { log } = this.#options;
    const size = log.treeSize();
    if (size === 0) return false;
    try {
      const last = await log.eventAt(size - 1);
      return last !== undefined && this.#nowMs() - last.logTime / 1000 > this.config.heartbeatMs;
    } catch {
      return true;
    }
  }

  async #checkClock(): Promise<void> {
    const { clockSources = systemSources(), recorder } = this.#options;
    this.#clock = await checkClock(this.config.clock, clockSources, this.#clock);
    if (this.#isClosed) return;
    try {
      await recorder.record(clockEvent(this.#clock));
    } catch (error) {
      this.#logger.warn({ err: error }, 'the check of the clock has no entry: the log takes none');
    }
  }

  /** Not while a batch is at hand: its detectors are further than what is durable. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const { stateFile, log } = this.#options;
      this.#isSaveDue = this.#isTaking;
      if (this.#isTaking || this.#examinedSize === this.#savedSize) return;
      const size = this.#examinedSize;
      const alertFrom = this.#alerter?.position() ?? null;
      try {
        await saveState(stateFile, log, { examinedSize: size, parts: this.#examiner.save(), alertFrom });
        this.#savedSize = size;
      } catch (error) {
        this.#logger.warn(
          { err: error, stateFile },
          'the state of the watch could not be saved; it is not needed to go on',
        );
      }
    });
    return this.#saving;
  }
}

const REFUSED_RETRY_SECONDS = 30;
/** After a due time, so that the entry that marks it is surely beyond it. */
const MARK_SLACK_MS = 20;

function unreadableFinding(index: number, timeUs: number, error: LogError): Finding {
  return {
    kind: 'entry-unreadable',
    severity: 'critical',
    subject: { type: 'log', id: 'countersign' },
    firstIndex: index,
    lastIndex: index,
    firstTimeUs: timeUs,
    lastTimeUs: timeUs,
    count: 1,
    message: `Entry ${index} cannot be read: its stored bytes do not fit the tree. Restore it from a mirror or a backup.`,
    evidence: { code: error.code },
  };
}
