/**
 * The events of a bundle: of a complete one every entry of the range, held against the population, and the query evaluated
 * again for each; of a selected one the events shown, each with its own proof; and the counts of the manifest.
 */
import { EVENTS_FILE, linesOf } from './bundle.ts';
import type { BundleWork } from './bundle-claims.ts';
import { checkProven, wrongPlace } from './check-proven.ts';
import { ProofError } from './errors.ts';
import { examineEvents } from './examine-events.ts';
import type { CheckedEvent } from './opened-event.ts';
import { judgePopulation } from './verify-population.ts';

/** True if every event could be read and counted. */
export function judgeComplete(work: BundleWork): boolean {
  const { report, files, manifest, hasher, tally } = work;
  const population = judgePopulation(work);
  if (population === undefined) return false;
  const { range } = manifest;
  const read = report.attempt('events', () => {
    const file = files.get(EVENTS_FILE) ?? new Uint8Array(0);
    examineEvents({ file, population, range, isShown: () => true, hasher }, (event) => tellEvent(work, event));
    report.pass(
      'events',
      `${range.end - range.start} events are the entries of the range, and show what was committed to`,
    );
    return true;
  });
  if (read !== true) return false;
  const { examined, matched } = tally;
  const sentence = `all ${examined} events of the range were examined; ${matched} match`;
  if (tally.unevaluated === 0) report.pass('completeness', sentence);
  else report.incomplete('completeness', `${sentence}; complete except these: ${tally.describeUnevaluated()}`);
  return true;
}

/** The same for a selected bundle. */
export function judgeSelected(work: BundleWork): boolean {
  const { report, files, manifest, head, hasher, tally } = work;
  const { query, range } = manifest;
  let last = -1;
  const read = report.attempt('events', () => {
    for (const line of linesOf(files.get(EVENTS_FILE) ?? new Uint8Array(0), EVENTS_FILE)) {
      const event = checkProven(line, head.checked, hasher);
      const { index, entry } = event;
      if (index <= last) throw wrongPlace(index, undefined);
      last = index;
      const [from, to] = [query.fromUs ?? 0, query.toUs ?? Number.POSITIVE_INFINITY];
      if (index < range.start || index >= range.end || entry.logTime < from || entry.logTime >= to) {
        throw new ProofError('range-mismatch', `event ${index} lies outside of the range that was asked for`, {
          index,
        });
      }
      tellEvent(work, event);
    }
    return true;
  });
  if (read !== true) return false;
  if (tally.examined === 0) {
    report.incomplete('events', 'no event is shown, so there is nothing to check');
    report.incomplete('range', 'no event is shown');
    report.incomplete('matches', 'no event is shown');
    return true;
  }
  report.pass('events', `${tally.examined} events are in the tree, and show what was committed to`);
  report.pass('range', 'every event lies in the range and the time that were asked for');
  if (tally.strange !== undefined) {
    const message = `event ${tally.strange} does not answer the query`;
    report.fail('matches', new ProofError('filter-mismatch', message, { index: tally.strange }));
  } else if (tally.unevaluated > 0) {
    report.incomplete('matches', `these cannot be shown to answer the query: ${tally.describeUnevaluated()}`);
  } else report.pass('matches', `all ${tally.examined} events shown answer the query; others may, too`);
  return true;
}

export function judgeCounts({ report, manifest, tally }: BundleWork): void {
  const { counts } = manifest;
  const wrong = (['matched', 'withheld', 'erased'] as const).find((name) => counts[name] !== tally[name]);
  if (wrong === undefined) {
    const { matched, withheld, erased } = counts;
    report.pass('counts', `${matched} matched, ${withheld} fields of theirs withheld, ${erased} fields erased`);
    for (const text of tally.describeMissing()) report.note(text);
    return;
  }
  const message = `the manifest counts ${counts[wrong]} as ${wrong}, there are ${tally[wrong]}`;
  report.fail('counts', new ProofError('count-mismatch', message, { counted: counts[wrong], found: tally[wrong] }));
}

function tellEvent({ manifest, tally, own, signatures, onEvent }: BundleWork, event: CheckedEvent): void {
  const result = tally.add(manifest.query, event);
  own.add(event);
  signatures.add(event);
  onEvent?.(event, result);
}
