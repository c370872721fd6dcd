/**
 * A log that was restored from a mirror has entries without contents: all that there were at the time, and none after
 * (docs/restore.md). A question can neither find them nor rule them out, so that every answer which could have held one
 * names them; an answer that leaves them out silently would be a wrong one.
 */
import { type Log, LogError } from '../log/types.ts';
import type { PinnedAnswer } from './search.ts';

/** Entries, half-open, that a question could not be held against. */
export interface Unevaluated {
  readonly from: number;
  readonly to: number;
}

/** How many entries at the beginning of the log have no contents. Reads a few, once. */
export async function countLost(log: Pick<Log, 'treeSize' | 'eventsAt'>): Promise<number> {
  const isLost = async (index: number): Promise<boolean> => {
    try {
      const [stored] = await log.eventsAt([index]);
      return stored?.contentsLost === true;
    } catch (error) {
      // What is damaged is named where it is read.
      if (error instanceof LogError && error.code === 'corrupt-data') return false;
      throw error;
    }
  };
  let [lost, kept] = [0, log.treeSize()];
  if (kept === 0 || !(await isLost(0))) return 0;
  while (kept - lost > 1) {
    const middle = lost + Math.floor((kept - lost) / 2);
    if (await isLost(middle)) lost = middle;
    else kept = middle;
  }
  return lost + 1;
}

/** What this answer leaves open; undefined if nothing, or if it asks for every event. */
export function unevaluatedBy(answer: PinnedAnswer, lostBefore: number): Unevaluated | undefined {
  const to = Math.min(answer.end, lostBefore);
  return answer.isFiltered && answer.first < to ? { from: answer.first, to } : undefined;
}
