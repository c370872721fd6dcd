/**
 * What a detector is: it is shown every entry of the log, in order and each once, and says what it found.
 *
 * A detector is a function of the log and nothing else. It has no clock: time is the log time of the entry at hand, and
 * in a quiet hour heartbeats move it on. So whoever examines the same entries again, after a crash or years later, comes
 * to the same findings with the same ids.
 */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import type { Finding } from '../finding.ts';
import type { Examined } from './examined.ts';

export interface Detector {
  /** Names its part of the saved state. */
  readonly name: string;
  /** Called once for each entry, in the order of the log, after `tick` if that was due. Quick, and never waits. */
  examine(event: Examined): readonly Finding[];
  /**
   * Log time from which on `tick` has something to do, or a little before; null if there is nothing. The watch sees to
   * it that an entry follows soon after, so that no finding waits for a next event that may not come.
   */
  dueUs(): number | null;
  /** The log has reached this time: called before the first entry that is at or beyond `dueUs`. */
  tick(logTimeUs: number): readonly Finding[];
  /** Everything it has to remember, bounded. */
  save(): JsonValue;
  /** Takes up what `save` gave, perhaps of an older version. Throws anything at all if it cannot: then it starts anew. */
  restore(state: JsonValue): void;
}

/** For detectors that judge each event by itself. */
export const STATELESS: Pick<Detector, 'dueUs' | 'tick' | 'save' | 'restore'> = {
  dueUs: () => null,
  tick: () => [],
  save: () => null,
  restore: () => undefined,
};

/** The earlier of two times that may not exist. */
export function earlier(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.min(a, b);
}
