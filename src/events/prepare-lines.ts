/** Many events, each a JSON text of its own: every one is prepared or refused by itself, in their order. */
import { prepareEvent } from './prepare.ts';
import { EventProblem, type PrepareContext, type Prepared } from './types.ts';

/** What became of one line. */
export type LineOutcome = Prepared | EventProblem;

/** Prepares lines, here or in another thread: all under one context, which says who submits and at which clock. */
export type PrepareLines = (
  lines: readonly Uint8Array[],
  context: PrepareContext,
) => readonly LineOutcome[] | Promise<readonly LineOutcome[]>;

export function prepareLines(lines: readonly Uint8Array[], context: PrepareContext): readonly LineOutcome[] {
  return lines.map((line) => {
    try {
      return prepareEvent(line, context);
    } catch (error) {
      if (error instanceof EventProblem) return error;
      throw error;
    }
  });
}
