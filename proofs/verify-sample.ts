/**
 * The claims of a sample's report, besides those of its head, its files and its population:
 *
 *   commit        an auditor asked for this population and this size, in an entry after all of the population
 *   reveal        the same auditor opened the nonce committed to, in an entry after the head that goes into the seed
 *   head          that head, of the one size that follows from the commit, is a beginning of the checkpoint's tree
 *   drand         the round that the commit named was still to come then, and has this signature (if it named one)
 *   seed          it follows from all of these
 *   history       how many commits of this auditor came before: each is shown
 *   completeness  which events of the range are of the population
 *   sample        the events drawn are those that follow from the seed, and all of each is shown
 *
 * Nothing here throws; what is false is a failed claim, and events that cannot be opened make it INCOMPLETE.
 */
import { EVENTS_FILE, linesOf, SAMPLE_FILE } from './bundle.ts';
import type { BundleWork } from './bundle-claims.ts';
import { base64Encode, equalBytes } from './bytes.ts';
import { canonicalJson } from './canonical-json.ts';
import { checkConsistency } from './check.ts';
import { drandRandomness, drandRoundSeconds } from './drand.ts';
import { ProofError } from './errors.ts';
import { examineEvents } from './examine-events.ts';
import { formatSeconds } from './existed-by.ts';
import { textAt } from './fields.ts';
import { filterJson } from './filter.ts';
import type { Hash } from './hash.ts';
import { type CheckedEvent, checkOpenedEvent, parseOpenedEvent } from './opened-event.ts';
import type { Population } from './population.ts';
import { nameSome, quote } from './quote.ts';
import { nonceHash, sampleSeed } from './sample-draw.ts';
import {
  COMMIT_SAMPLE,
  headSizeOf,
  REVEAL_SAMPLE,
  readSampleCommit,
  readSampleReveal,
  type SampleCommit,
  type SampleReveal,
} from './sample-entries.ts';
import { drawSample, type Members, opensOnlyDrawn, stratumOf } from './sample-population.ts';
import { type DrawnStratum, parseSampleReport, type SampleReport } from './sample-report.ts';
import { describeDesign } from './sample-size.ts';
import { MAX_NAMED_EVENTS } from './tally.ts';
import { judgePopulation } from './verify-population.ts';

/** Whether an entry of the log's own is part of a sample. */
export function isSampleEntry({ event }: CheckedEvent): boolean {
  return event['action'] === COMMIT_SAMPLE || event['action'] === REVEAL_SAMPLE;
}

/** `entries` are the proven entries of samples that came along. True if every event could be read and counted. */
export function judgeSample(work: BundleWork, entries: readonly CheckedEvent[]): boolean {
  const { report, files } = work;
  const population = judgePopulation(work);
  const file = files.get(SAMPLE_FILE);
  const said = file && report.attempt('sample', () => parseSampleReport(file));
  if (said === undefined || population === undefined) return false;
  const commit = judgeCommit(work, entries, said);
  const reveal = commit && judgeReveal(work, entries, said, commit);
  if (commit === undefined || reveal === undefined) return false;
  judgeHistory(work, entries, commit);
  const seed = judgeSeed(work, said, commit, reveal);
  return seed !== undefined && judgeDraw(work, { population, said, commit: commit.sample, seed });
}

interface Commit {
  readonly event: CheckedEvent;
  readonly sample: SampleCommit;
}

interface Reveal {
  readonly event: CheckedEvent;
  readonly sample: SampleReveal;
}

function judgeCommit({ report, manifest }: BundleWork, entries: Entries, said: SampleReport): Commit | undefined {
  return report.attempt('commit', () => {
    const event = entryAt(entries, said.commit, 'commit');
    const sample = readSampleCommit(event.event);
    const { index } = event;
    const { query, range, design, strata } = sample;
    const isSame =
      canonicalJson(filterJson(query)) === canonicalJson(filterJson(manifest.query)) &&
      range.start === manifest.range.start &&
      range.end === manifest.range.end;
    if (!isSame) throw mismatch(`entry ${index} commits to a sample of another population`, index);
    if (index < range.end) throw mismatch(`entry ${index} commits to a sample of events that were to come`, index);
    const by = strata === null ? '' : `, by ${strata}`;
    report.pass('commit', `entry ${index} asks for a sample of this population: ${describeDesign(design)}${by}`);
    return { event, sample };
  });
}

function judgeReveal({ report }: BundleWork, entries: Entries, said: SampleReport, commit: Commit): Reveal | undefined {
  return report.attempt('reveal', () => {
    const event = entryAt(entries, said.reveal, 'reveal');
    const sample = readSampleReveal(event.event);
    const { index } = event;
    if (sample.commit !== commit.event.index) throw mismatch(`entry ${index} opens the nonce of another commit`, index);
    const [by, opener] = [actorOf(commit.event), actorOf(event)];
    if (by !== opener) throw mismatch(`entry ${index} is by somebody else than the commit`, index);
    if (!equalBytes(nonceHash(sample.nonce), commit.sample.nonceHash)) {
      throw mismatch(`the nonce of entry ${index} is not the one that was committed to`, index);
    }
    const size = headSizeOf(commit.event.index, commit.sample.delay);
    if (index < size) {
      throw mismatch(
        `entry ${index} opens the nonce before the head of size ${size}, which it could still change`,
        index,
      );
    }
    report.pass('reveal', `entry ${index} opens the nonce, after the head of size ${size} was fixed`);
    return { event, sample };
  });
}

/** The seed, once everything that it follows from holds. */
function judgeSeed(work: BundleWork, said: SampleReport, commit: Commit, reveal: Reveal): Hash | undefined {
  const { report, head, hasher } = work;
  const { size, root } = head.checked.checkpoint;
  const fixed = report.attempt('head', () => {
    const expected = headSizeOf(commit.event.index, commit.sample.delay);
    if (said.head.size !== expected) {
      throw mismatch(`the seed is from the head of size ${said.head.size}; the commit fixes that of size ${expected}`);
    }
    const { proof } = said.head;
    checkConsistency({ from: expected, to: size, fromRoot: said.head.root, toRoot: root, proof }, hasher);
    report.pass('head', `the head of size ${expected} is a beginning of the tree`);
    return said.head.root;
  });
  const beacon = report.attempt('drand', () => checkBeacon(work, commit, reveal));
  if (fixed === undefined || beacon === undefined) return undefined;
  return report.attempt('seed', () => {
    const seed = sampleSeed(
      {
        ...{ commitLeaf: commit.event.leafHash, headRoot: fixed, beacon: beacon.randomness },
        ...{ auditorNonce: reveal.sample.nonce, operatorNonce: commit.sample.operatorNonce },
      },
      hasher,
    );
    if (!equalBytes(seed, said.seed))
      throw mismatch('the seed is not the one that follows from commit, head and nonces');
    report.pass('seed', `it follows from the commit, the head and both nonces: ${base64Encode(seed)}`);
    return seed;
  });
}

function checkBeacon({ report, hasher }: BundleWork, { event, sample }: Commit, reveal: Reveal): { randomness?: Hash } {
  const { drandRound: round } = sample;
  const { drandSignature: signature } = reveal.sample;
  if (round === null && signature === null) return {};
  if (round === null || signature === null) {
    throw new ProofError('bad-beacon', 'commit and reveal do not agree on whether a drand round goes into the seed');
  }
  const due = drandRoundSeconds(round);
  if (due * 1_000_000 <= event.entry.logTime) {
    throw new ProofError('bad-beacon', `drand round ${round} was known when the commit was made`, { round });
  }
  const randomness = drandRandomness(round, signature, hasher);
  report.pass('drand', `round ${round}, due ${formatSeconds(due)} and after the commit, is signed by drand's quicknet`);
  return { randomness };
}

/** That the commits of this actor before this one are as many as it says, and are all shown. */
function judgeHistory({ report }: BundleWork, entries: Entries, { event, sample }: Commit): void {
  report.attempt('history', () => {
    const actor = actorOf(event);
    if (actor === undefined) return report.incomplete('history', 'the commit does not show who made it');
    const earlier: Commit[] = [];
    let { previous } = sample;
    for (let left = sample.number; left > 0; left--) {
      const before = previous === null ? undefined : entries.find(({ index }) => index === previous);
      if (before === undefined || before.index >= (earlier[0]?.event.index ?? event.index)) {
        throw missingCommit(`${sample.number} commits came before, and one of them is not shown`, previous);
      }
      const one = { event: before, sample: readSampleCommit(before.event) };
      if (actorOf(before) !== actor || one.sample.number !== left - 1) {
        throw missingCommit(`entry ${before.index} is not commit number ${left - 1} of the same actor`, before.index);
      }
      earlier.unshift(one);
      previous = one.sample.previous;
    }
    const shown = entries.filter(
      (one) => one.index < event.index && one.event['action'] === COMMIT_SAMPLE && actorOf(one) === actor,
    );
    if (previous !== null || shown.length !== earlier.length) {
      throw missingCommit(`the commit counts ${sample.number} before it, and there are more`, previous);
    }
    report.pass('history', `${earlier.length} commits of the same auditor came before this one`);
    for (const text of describeEarlier(entries, earlier, sample)) report.note(text);
  });
}

/** The first ones; what they were about, and whether they were ever drawn, is for the reader to judge. */
function describeEarlier(entries: Entries, earlier: readonly Commit[], sample: SampleCommit): readonly string[] {
  const question = canonicalJson(filterJson({ filters: sample.query.filters }));
  return earlier.slice(-MAX_NAMED_EVENTS).map(({ event, sample: other }) => {
    const same = canonicalJson(filterJson({ filters: other.query.filters })) === question ? 'the same' : 'another';
    const wasOpened = entries.some(
      ({ event: one }) => one['action'] === REVEAL_SAMPLE && readSampleReveal(one).commit === event.index,
    );
    const ending = wasOpened ? 'and it was drawn' : 'and it was NEVER DRAWN';
    return `earlier commit, entry ${event.index}: ${same} question, range [${other.range.start}, ${other.range.end}), ${ending}`;
  });
}

interface Draw {
  readonly population: Population;
  readonly said: SampleReport;
  readonly commit: SampleCommit;
  readonly seed: Hash;
}

/** First who is of the population, then who is drawn, then what is shown of these. */
function judgeDraw(work: BundleWork, { population, said, commit, seed }: Draw): boolean {
  const { report, files, manifest, hasher, tally } = work;
  const { range } = manifest;
  const file = files.get(EVENTS_FILE) ?? new Uint8Array(0);
  const onlyDrawn = opensOnlyDrawn(commit);
  const events = { file, population, range, hasher };
  let members: Members = { kind: 'range', ...range };
  if (!onlyDrawn) {
    const byStratum = new Map<string | null, number[]>();
    const shown = report.attempt('events', () =>
      examineEvents({ ...events, isShown: () => true }, (event) => classify(work, commit, event, byStratum)),
    );
    if (shown === undefined) return false;
    members = { kind: 'listed', byStratum };
  } else {
    tally.examined = range.end - range.start;
    tally.matched = tally.examined;
  }
  const sentence = `all ${tally.examined} events of the range were examined; ${tally.matched} are of the population`;
  if (tally.unevaluated === 0) report.pass('completeness', sentence);
  else report.incomplete('completeness', `${sentence}; complete except these: ${tally.describeUnevaluated()}`);
  const drawn = report.attempt('sample', () => drawSample(commit, seed, members, hasher));
  if (drawn === undefined) return false;
  report.attempt('sample', () => compareDraws(drawn, said.strata));
  const indices = new Set(drawn.flatMap((stratum) => stratum.drawn));
  const missing: string[] = [];
  const look = (event: CheckedEvent): void => {
    if (onlyDrawn) tally.countErased(event);
    tally.countWithheld(event);
    work.signatures.add(event);
    if (event.withheld.length + event.erased.length > 0 || event.contentsLost === true) {
      missing.push(describeMissing(event));
    }
    work.onEvent?.(event, 'match');
  };
  const read = report.attempt('events', () =>
    onlyDrawn
      ? examineEvents({ ...events, isShown: (index) => indices.has(index) }, look)
      : lookAgain(file, range.start, indices, (line) => look(checkOpenedEvent(parseOpenedEvent(line), hasher))),
  );
  if (read === undefined) return false;
  report.pass('events', `${read} events are the entries at their indices, and show what was committed to`);
  if (indices.size === 0) report.incomplete('sample', 'the population is empty: there is nothing to draw from');
  else if (missing.length > 0) {
    const named = nameSome(missing.slice(0, MAX_NAMED_EVENTS), missing.length);
    report.incomplete('sample', `these events of the sample are not shown whole: ${named}`);
  } else
    report.pass('sample', `the ${indices.size} events drawn are those that follow from the seed; all are shown whole`);
  return true;
}

/** Counts one event of the range, and puts it where it belongs. */
function classify(
  { manifest, tally }: BundleWork,
  { strata }: SampleCommit,
  event: CheckedEvent,
  byStratum: Map<string | null, number[]>,
): void {
  tally.countErased(event);
  if (tally.evaluate(manifest.query, event) !== 'match') return;
  const stratum = stratumOf(strata, event);
  if ('hiddenIn' in stratum) {
    tally.matched--;
    tally.nameUnevaluated(event.index, `${quote(stratum.hiddenIn)} is not shown`);
    return;
  }
  const members = byStratum.get(stratum.name);
  if (members === undefined) byStratum.set(stratum.name, [event.index]);
  else members.push(event.index);
}

/** The lines of the drawn events, whose every line was checked before. */
function lookAgain(
  file: Uint8Array,
  start: number,
  drawn: ReadonlySet<number>,
  onLine: (line: string) => void,
): number {
  let index = start;
  for (const line of linesOf(file, EVENTS_FILE)) if (drawn.has(index++)) onLine(line);
  return index - start;
}

function compareDraws(drawn: readonly DrawnStratum[], said: readonly DrawnStratum[]): void {
  if (drawn.length !== said.length) throw mismatch(`the population has ${drawn.length} strata, not ${said.length}`);
  for (const [i, { name, population, drawn: indices }] of drawn.entries()) {
    const other = said[i];
    const of = name === null ? '' : ` of stratum ${quote(name)}`;
    if (other === undefined || other.name !== name) throw mismatch(`stratum ${quote(name ?? '')} is not there`);
    if (other.population !== population)
      throw mismatch(`the population${of} is ${population}, not ${other.population}`);
    if (other.drawn.length !== indices.length) {
      throw mismatch(`${indices.length} events${of} have to be drawn, not ${other.drawn.length}`);
    }
    const at = indices.findIndex((index, place) => index !== other.drawn[place]);
    if (at !== -1) {
      const index = indices[at] ?? 0;
      throw mismatch(`the event drawn${of} in place ${at + 1} is ${index}, not ${other.drawn[at]}`, index);
    }
  }
}

type Entries = readonly CheckedEvent[];

function entryAt(entries: Entries, index: number, what: string): CheckedEvent {
  const found = entries.find((entry) => entry.index === index);
  if (found !== undefined) return found;
  throw new ProofError('missing-event', `the ${what}, entry ${index}, is not among the related entries`, { index });
}

function actorOf({ event }: CheckedEvent): string | undefined {
  return textAt(event, 'actor', 'id');
}

function describeMissing({ index, withheld, erased, contentsLost }: CheckedEvent): string {
  if (contentsLost === true) return `${index} (the log lost it)`;
  const parts = [
    ...(withheld.length > 0 ? [`withheld: ${withheld.map(quote).join(', ')}`] : []),
    ...(erased.length > 0 ? [`erased: ${erased.map(quote).join(', ')}`] : []),
  ];
  return `${index} (${parts.join('; ')})`;
}

function mismatch(message: string, index?: number): ProofError {
  return new ProofError('sample-mismatch', message, index === undefined ? {} : { index });
}

function missingCommit(message: string, index: number | null): ProofError {
  return new ProofError('count-mismatch', message, index === null ? {} : { index });
}
