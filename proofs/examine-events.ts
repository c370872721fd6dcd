/**
 * The events of a range against its population: for every index that is shown one line, in order, each the entry at its
 * index and opening only what was committed to. What each event means for a claim, the caller is told.
 */
import { EVENTS_FILE, linesOf } from './bundle.ts';
import { equalBytes } from './bytes.ts';
import { wrongPlace } from './check-proven.ts';
import { ProofError } from './errors.ts';
import type { Hasher } from './hash.ts';
import { type CheckedEvent, checkOpenedEvent, parseOpenedEvent } from './opened-event.ts';
import type { Population } from './population.ts';

export interface RangeOfEvents {
  /** events.ndjson. */
  readonly file: Uint8Array;
  readonly population: Population;
  readonly range: { readonly start: number; readonly end: number };
  /** Whether there is a line for this index of the range. */
  readonly isShown: (index: number) => boolean;
  readonly hasher: Hasher;
}

/**
 * How many events are shown. Throws `missing-event`, `unexpected-event` or `entry-mismatch` with `details.index`, and what
 * reading or checking an opened event does.
 */
export function examineEvents(events: RangeOfEvents, onEvent: (event: CheckedEvent) => void): number {
  const { file, population, range, isShown, hasher } = events;
  const lines = linesOf(file, EVENTS_FILE);
  let shown = 0;
  let index = population.start;
  for (const entry of population.entries()) {
    if (range.start <= index && index < range.end && isShown(index)) {
      const { value: line, done } = lines.next();
      if (done === true) throw new ProofError('missing-event', `event ${index} is missing`, { index });
      const opened = parseOpenedEvent(line);
      if (opened.index !== index) throw wrongPlace(opened.index, index);
      if (!equalBytes(opened.entry, entry)) {
        throw new ProofError('entry-mismatch', `event ${index} is not the entry at its index`, { index });
      }
      onEvent(checkOpenedEvent(opened, hasher));
      shown++;
    }
    index++;
  }
  if (index < range.end) throw new ProofError('missing-event', 'events of the range are missing', { index });
  const beyond = lines.next();
  if (beyond.done !== true) throw wrongPlace(parseOpenedEvent(beyond.value).index, undefined);
  return shown;
}
