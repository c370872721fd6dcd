/**
 * Many of a kind as few findings: the first event of an episode is reported at once, the rest of it once a window, as a
 * count over a range of entries. An episode ends with a window in which nothing happened. So a producer whose clock is
 * wrong makes one finding at once and then one an hour, and not one for each event.
 */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { earlier } from './detector.ts';
import type { Examined } from './examined.ts';
import { integerIn, integersIn, listIn, textIn } from './state-values.ts';

export interface EpisodeOptions {
  readonly windowUs: number;
  /** Episodes at one time; beyond it the oldest is ended early. */
  readonly maxEpisodes: number;
  /** False: the first event waits for the end of its window like the others. */
  readonly reportFirst: boolean;
}

export interface Report {
  readonly key: string;
  /** The first event of an episode, alone; otherwise what a window holds besides. */
  readonly isFirst: boolean;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly firstTimeUs: number;
  readonly lastTimeUs: number;
  readonly count: number;
  /** Of the values that came with the events. */
  readonly least: number;
  readonly most: number;
  /** Events of the same key in the same window that were as they should be. */
  readonly othersCount: number;
}

type Span = Omit<Report, 'key' | 'isFirst' | 'othersCount'>;

interface Episode {
  windowEndUs: number;
  /** Grows in place: every event of a producer whose clock is wrong comes by here. */
  report: { -readonly [Name in keyof Span]: Span[Name] } | null;
  othersCount: number;
}

export class Episodes {
  readonly #options: EpisodeOptions;
  readonly #episodes = new Map<string, Episode>();
  #dueUs: number | null = null;

  constructor(options: EpisodeOptions) {
    this.#options = options;
  }

  get dueUs(): number | null {
    return this.#dueUs;
  }

  /** One more event of the kind. Returns what is to be reported now. */
  note(key: string, { index, logTimeUs }: Pick<Examined, 'index' | 'logTimeUs'>, value = 0): readonly Report[] {
    const episode = this.#episodes.get(key);
    const report = episode?.report ?? null;
    if (report !== null) {
      report.lastIndex = index;
      report.lastTimeUs = logTimeUs;
      report.count += 1;
      if (value < report.least) report.least = value;
      if (value > report.most) report.most = value;
      return [];
    }
    const one = { firstIndex: index, lastIndex: index, firstTimeUs: logTimeUs, lastTimeUs: logTimeUs };
    const alone = { ...one, count: 1, least: value, most: value };
    if (episode !== undefined) {
      episode.report = alone;
      return [];
    }
    const evicted = this.#makeRoom();
    const windowEndUs = logTimeUs + this.#options.windowUs;
    const { reportFirst } = this.#options;
    this.#episodes.set(key, { windowEndUs, report: reportFirst ? null : alone, othersCount: 0 });
    this.#dueUs = earlier(this.#dueUs, windowEndUs);
    return reportFirst ? [...evicted, { ...alone, key, isFirst: true, othersCount: 0 }] : evicted;
  }

  /** One event of the same key that is as it should be: counted while an episode lasts. */
  pass(key: string): void {
    const episode = this.#episodes.get(key);
    if (episode !== undefined) episode.othersCount += 1;
  }

  /** What the windows hold that have ended. */
  tick(logTimeUs: number): readonly Report[] {
    const reports: Report[] = [];
    this.#dueUs = null;
    for (const [key, episode] of this.#episodes) {
      if (episode.windowEndUs <= logTimeUs) {
        const report = reportOf(key, episode);
        if (report === undefined) this.#episodes.delete(key);
        else reports.push(report);
        episode.report = null;
        episode.othersCount = 0;
        episode.windowEndUs = logTimeUs + this.#options.windowUs;
      }
      if (this.#episodes.has(key)) this.#dueUs = earlier(this.#dueUs, episode.windowEndUs);
    }
    return reports;
  }

  save(): JsonValue {
    return [...this.#episodes].map(([key, { windowEndUs, report, othersCount }]) => {
      const { firstIndex, lastIndex, firstTimeUs, lastTimeUs, count, least, most } = report ?? NO_REPORT;
      const numbers = [firstIndex, lastIndex, firstTimeUs, lastTimeUs, count, least, most];
      return [key, windowEndUs, othersCount, report === null ? null : numbers];
    });
  }

  restore(state: JsonValue): void {
    this.#episodes.clear();
    this.#dueUs = null;
    for (const item of listIn(state, 'episodes')) {
      const [key, windowEnd, others, numbers] = listIn(item, 'an episode');
      const windowEndUs = integerIn(windowEnd, 'the end of a window');
      const report = numbers === null ? null : restoredReport(numbers);
      this.#episodes.set(textIn(key, 'a key'), { windowEndUs, report, othersCount: integerIn(others, 'a count') });
      this.#dueUs = earlier(this.#dueUs, windowEndUs);
    }
  }

  #makeRoom(): readonly Report[] {
    if (this.#episodes.size < this.#options.maxEpisodes) return [];
    const [oldest] = this.#episodes;
    if (oldest === undefined) return [];
    const [key, episode] = oldest;
    this.#episodes.delete(key);
    const report = reportOf(key, episode);
    return report === undefined ? [] : [report];
  }
}

const NO_REPORT = { firstIndex: 0, lastIndex: 0, firstTimeUs: 0, lastTimeUs: 0, count: 0, least: 0, most: 0 };

function reportOf(key: string, { report, othersCount }: Episode): Report | undefined {
  return report === null ? undefined : { ...report, key, isFirst: false, othersCount };
}

function restoredReport(value: JsonValue | undefined): NonNullable<Episode['report']> {
  const [firstIndex = 0, lastIndex = 0, firstTimeUs = 0, lastTimeUs = 0, count = 0, least = 0, most = 0] = integersIn(
    value,
    7,
    'a report',
  );
  return { firstIndex, lastIndex, firstTimeUs, lastTimeUs, count, least, most };
}
