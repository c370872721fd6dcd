/**
 * The thinking half of the watch: entries in, the log's own events that follow from them out. It keeps no clock and
 * touches no disk; its state can be saved between any two batches and taken up again.
 */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import type { Hash } from '../../../proofs/hash.ts';
import { type Finding, raiseEvent } from '../finding.ts';
import { type ActionClasses, attestationEvent, type DayCount, DayCounter } from './attest.ts';
import type { WatchConfig } from './config.ts';
import { type Detector, earlier } from './detector.ts';
import { type DetectorSet, makeDetectors } from './detectors.ts';
import type { Examined } from './examined.ts';
import type { Recordable } from './record-all.ts';

export interface ExaminerOptions {
  readonly config: WatchConfig;
  readonly classes: ActionClasses;
  readonly others: readonly (() => Detector)[];
  readonly rootAt: (size: number) => Promise<Hash>;
  /** A detector failed; it is a bug, and the others go on. */
  readonly onFailure: (detector: string, error: unknown) => void;
}

/** The name under which the counts of the day are saved, beside those of the detectors. */
const DAY_PART = 'day';

export class Examiner {
  readonly #options: ExaminerOptions;
  readonly #detectors: DetectorSet;
  readonly #day: DayCounter;
  #logTimeUs = 0;

  /** Throws anything at all if the saved parts cannot be taken up. */
  constructor(options: ExaminerOptions, saved: ReadonlyMap<string, JsonValue> = new Map()) {
    this.#options = options;
    this.#detectors = makeDetectors(options.config, options.others);
    this.#day = new DayCounter(options.classes);
    for (const detector of this.#detectors.all) {
      const state = saved.get(detector.name);
      if (state !== undefined) detector.restore(state);
    }
    const day = saved.get(DAY_PART);
    if (day !== undefined) this.#day.restore(day);
  }

  get producerCount(): number {
    return this.#detectors.silence.producerCount;
  }

  get unjudgedActions(): number {
    return this.#detectors.correlation.letGoCount;
  }

  /** Log time of the last entry that was examined. */
  get logTimeUs(): number {
    return this.#logTimeUs;
  }

  /** Log time from which on an entry, any entry, makes a detector say something. */
  dueUs(): number | null {
    return this.#detectors.all.reduce<number | null>((due, detector) => earlier(due, detector.dueUs()), null);
  }

  examine(batch: readonly Examined[]): readonly Recordable[] {
    const findings: Finding[] = [];
    const days: DayCount[] = [];
    for (const event of batch) {
      for (const detector of this.#detectors.all)
        for (const finding of this.#ask(detector, event)) findings.push(finding);
      for (const day of this.#day.count(event)) days.push(day);
      this.#logTimeUs = event.logTimeUs;
    }
    const { classes, rootAt } = this.#options;
    const attestations = days.map((day) => async () => attestationEvent(day, classes, await rootAt(day.endIndex)));
    return [...findings.map(raiseEvent), ...attestations];
  }

  save(): ReadonlyMap<string, JsonValue> {
    const parts = this.#detectors.all.map((detector) => [detector.name, detector.save()] as const);
    return new Map([...parts, [DAY_PART, this.#day.save()]]);
  }

  #ask(detector: Detector, event: Examined): readonly Finding[] {
    try {
      const dueUs = detector.dueUs();
      const isDue = dueUs !== null && dueUs <= event.logTimeUs;
      return isDue ? [...detector.tick(event.logTimeUs), ...detector.examine(event)] : detector.examine(event);
    } catch (error) {
      this.#options.onFailure(detector.name, error);
      return [];
    }
  }
}
