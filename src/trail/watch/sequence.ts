/**
 * Sequence (W5): producers may number their events, and then numbers that did not come, or that went back, are findings.
 *
 * Numbers that overtake each other on the way are no finding: a gap is reported when it is still there after the settle
 * time. What fills it later is said, too. A producer that starts to count anew makes one step back and goes on from
 * there. A gap is a gap: the log knows what was submitted, and cannot say why something was not.
 */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import type { Finding } from '../finding.ts';
import { formatTimeUs } from '../time.ts';
import type { WatchConfig } from './config.ts';
import { type Detector, earlier } from './detector.ts';
import { Episodes, type Report } from './episodes.ts';
import type { Examined } from './examined.ts';
import { integerIn, integerOrNullIn, integersIn, listIn, objectIn, textIn } from './state-values.ts';

/** Gaps that are remembered of one producer, of each kind; beyond it the oldest is reported or forgotten. */
const MAX_GAPS = 32;
/** Producers whose numbers are followed: as many as a log can have tokens. */
const MAX_PRODUCERS = 10_000;

/** Missing numbers, both inclusive, and the entries between which they are missing. */
interface Gap {
  readonly from: number;
  readonly to: number;
  readonly beforeIndex: number;
  readonly beforeTimeUs: number;
  readonly afterIndex: number;
  readonly afterTimeUs: number;
}

interface Track {
  /** The highest number of this run. */
  highest: number;
  lastIndex: number;
  lastTimeUs: number;
  /** Too young to be reported. */
  settling: Gap[];
  /** Reported, and still open. */
  open: Gap[];
  /** The number of the last step back: if the one after it comes, the producer counts from there now. */
  restart: number | null;
}

export function sequenceDetector({ settleUs, windowUs }: Pick<WatchConfig, 'settleUs' | 'windowUs'>): Detector {
  return new SequenceDetector(settleUs, windowUs);
}

class SequenceDetector implements Detector {
  readonly name = 'sequence';
  readonly #settleUs: number;
  readonly #stepsBack: Episodes;
  readonly #tracks = new Map<string, Track>();
  /** Producers with gaps that settle. */
  readonly #settling = new Set<string>();
  #dueUs: number | null = null;

  constructor(settleUs: number, windowUs: number) {
    this.#settleUs = settleUs;
    this.#stepsBack = new Episodes({ windowUs, maxEpisodes: MAX_PRODUCERS, reportFirst: true });
  }

  dueUs(): number | null {
    return earlier(this.#dueUs, this.#stepsBack.dueUs);
  }

  examine(event: Examined): readonly Finding[] {
    const { producerId, producerSeq: number, index, logTimeUs } = event;
    if (number === null || event.isOwn) return [];
    const track = this.#tracks.get(producerId);
    if (track === undefined) {
      this.#follow(producerId, { ...newTrack(), highest: number, lastIndex: index, lastTimeUs: logTimeUs });
      return [];
    }
    if (number <= track.highest) return this.#behind(event, number, track);
    const findings = number === track.highest + 1 ? [] : this.#ahead(event, number, track);
    if (number === track.highest + 1) track.restart = null;
    track.highest = number;
    track.lastIndex = index;
    track.lastTimeUs = logTimeUs;
    return findings;
  }

  tick(logTimeUs: number): readonly Finding[] {
    const findings = this.#stepsBack.tick(logTimeUs).map(stepBackFinding);
    this.#dueUs = null;
    for (const producerId of this.#settling) {
      const track = this.#tracks.get(producerId);
      const ripe = track?.settling.filter((gap) => gap.afterTimeUs + this.#settleUs <= logTimeUs) ?? [];
      if (track !== undefined) {
        track.settling = track.settling.filter((gap) => !ripe.includes(gap));
        for (const gap of ripe) findings.push(this.#report(producerId, track, gap));
        for (const gap of track.settling) this.#dueUs = earlier(this.#dueUs, gap.afterTimeUs + this.#settleUs);
      }
      if (track === undefined || track.settling.length === 0) this.#settling.delete(producerId);
    }
    return findings;
  }

  save(): JsonValue {
    const tracks = [...this.#tracks].map(
      ([id, { highest, lastIndex, lastTimeUs, settling, open, restart }]): JsonValue => {
        return [id, highest, lastIndex, lastTimeUs, restart, settling.map(savedGap), open.map(savedGap)];
      },
    );
    return { tracks, stepsBack: this.#stepsBack.save() };
  }

  restore(state: JsonValue): void {
    const { tracks, stepsBack } = objectIn(state, 'sequence');
    this.#stepsBack.restore(stepsBack ?? null);
    for (const item of listIn(tracks, 'tracks')) {
      const [id, highest, lastIndex, lastTimeUs, restart, settling, open] = listIn(item, 'a track');
      this.#follow(textIn(id, 'a producer'), {
        highest: integerIn(highest, 'a number'),
        lastIndex: integerIn(lastIndex, 'an index'),
        lastTimeUs: integerIn(lastTimeUs, 'a time'),
        restart: integerOrNullIn(restart, 'a number'),
        settling: listIn(settling, 'gaps').map(restoredGap),
        open: listIn(open, 'gaps').map(restoredGap),
      });
    }
  }

  #follow(producerId: string, track: Track): void {
    if (this.#tracks.size >= MAX_PRODUCERS) {
      const [oldest] = this.#tracks.keys();
      if (oldest !== undefined) this.#tracks.delete(oldest);
    }
    this.#tracks.set(producerId, track);
    if (track.settling.length > 0) this.#settling.add(producerId);
    for (const gap of track.settling) this.#dueUs = earlier(this.#dueUs, gap.afterTimeUs + this.#settleUs);
  }

  /** Numbers were left out: that settles before it is a finding. */
  #ahead({ producerId, index, logTimeUs }: Examined, number: number, track: Track): Finding[] {
    const { highest, lastIndex: beforeIndex, lastTimeUs: beforeTimeUs } = track;
    const from = highest + 1;
    track.settling.push({ from, to: number - 1, beforeIndex, beforeTimeUs, afterIndex: index, afterTimeUs: logTimeUs });
    this.#settling.add(producerId);
    this.#dueUs = earlier(this.#dueUs, logTimeUs + this.#settleUs);
    const crowded = track.settling.length > MAX_GAPS ? track.settling.shift() : undefined;
    return crowded === undefined ? [] : [this.#report(producerId, track, crowded)];
  }

  /** A number that is not higher than what was there: one that was late, a new count, or a step back. */
  #behind(event: Examined, number: number, track: Track): readonly Finding[] {
    const { producerId } = event;
    const settling = track.settling.find((gap) => gap.from <= number && number <= gap.to);
    if (settling !== undefined) {
      track.settling = replaced(track.settling, settling, number);
      return [];
    }
    if (track.restart !== null && number === track.restart + 1) {
      track.highest = number;
      track.lastIndex = event.index;
      track.lastTimeUs = event.logTimeUs;
      track.restart = null;
      track.open = [];
      return [];
    }
    const open = track.open.find((gap) => gap.from <= number && number <= gap.to);
    const findings = this.#stepsBack.note(producerId, event, number).map(stepBackFinding);
    if (open === undefined) {
      track.restart = number;
      return findings;
    }
    track.open = replaced(track.open, open, number);
    const isFilled = !track.open.some((gap) => gap.afterIndex === open.afterIndex);
    return isFilled ? [...findings, filledFinding(event, open)] : findings;
  }

  #report(producerId: string, track: Track, gap: Gap): Finding {
    track.open.push(gap);
    if (track.open.length > MAX_GAPS) track.open.shift();
    return gapFinding(producerId, gap);
  }
}

function newTrack(): Track {
  return { highest: 0, lastIndex: 0, lastTimeUs: 0, settling: [], open: [], restart: null };
}

/** The gaps with what is left of one of them after its number came: nothing, one part, or two. */
function replaced(gaps: readonly Gap[], gap: Gap, number: number): Gap[] {
  const parts = [
    { ...gap, to: number - 1 },
    { ...gap, from: number + 1 },
  ].filter(({ from, to }) => from <= to);
  return gaps.flatMap((one) => (one === gap ? parts : [one])).slice(-MAX_GAPS);
}

function savedGap({ from, to, beforeIndex, beforeTimeUs, afterIndex, afterTimeUs }: Gap): JsonValue {
  return [from, to, beforeIndex, beforeTimeUs, afterIndex, afterTimeUs];
}

function restoredGap(value: JsonValue): Gap {
  const [from = 0, to = 0, beforeIndex = 0, beforeTimeUs = 0, afterIndex = 0, afterTimeUs = 0] = integersIn(
    value,
    6,
    'a gap',
  );
  return { from, to, beforeIndex, beforeTimeUs, afterIndex, afterTimeUs };
}

function gapFinding(producerId: string, gap: Gap): Finding {
  const { from, to, beforeIndex, beforeTimeUs, afterIndex, afterTimeUs } = gap;
  const [numbers, have] = from === to ? [`Number ${from}`, 'has'] : [`Numbers ${from} to ${to}`, 'have'];
  return {
    kind: 'sequence-gap',
    severity: 'high',
    subject: { type: 'producer', id: producerId },
    firstIndex: beforeIndex,
    lastIndex: afterIndex,
    firstTimeUs: beforeTimeUs,
    lastTimeUs: afterTimeUs,
    count: to - from + 1,
    message:
      `${numbers} of this producer ${have} not arrived: they are missing between the entries ${beforeIndex} ` +
      `(${formatTimeUs(beforeTimeUs)}) and ${afterIndex} (${formatTimeUs(afterTimeUs)}). The log knows what was ` +
      'submitted; ask the producer whether these events exist.',
    evidence: { missing_from: from, missing_to: to, missing_count: to - from + 1 },
    discriminator: `${from}`,
  };
}

function filledFinding({ producerId, index, logTimeUs }: Examined, gap: Gap): Finding {
  return {
    kind: 'sequence-gap-filled',
    severity: 'low',
    subject: { type: 'producer', id: producerId },
    firstIndex: gap.afterIndex,
    lastIndex: index,
    firstTimeUs: gap.afterTimeUs,
    lastTimeUs: logTimeUs,
    count: 1,
    message: `The numbers that were missing before entry ${gap.afterIndex} have all arrived, the last one at entry ${index}.`,
    evidence: { last_number: gap.from, gap_before_index: gap.beforeIndex, gap_after_index: gap.afterIndex },
  };
}

function stepBackFinding({
  key,
  isFirst,
  firstIndex,
  lastIndex,
  firstTimeUs,
  lastTimeUs,
  count,
  ...report
}: Report): Finding {
  const { least, most } = report;
  const what = isFirst
    ? `The producer numbered entry ${firstIndex} with ${least}, which is not above the numbers before it.`
    : `${count} more entries of this producer were numbered not above the numbers before them (${least} to ${most}).`;
  return {
    kind: 'sequence-step-back',
    severity: 'medium',
    subject: { type: 'producer', id: key },
    firstIndex,
    lastIndex,
    firstTimeUs,
    lastTimeUs,
    count,
    message: `${what} It may have started to count anew, sent something late, or run twice at one time.`,
    evidence: { least_number: least, highest_number: most },
  };
}
