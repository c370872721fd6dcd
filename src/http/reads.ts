/**
 * Every read is itself an entry (Q2): who asked, what, and how many events they got, recorded before the answer leaves.
 * The answer names that entry in `Countersign-Read-Entry`: its index, or `waiting` while the log takes no entries.
 */
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { tokenActor } from '../trail/trail.ts';
import type { TokenExchange } from './route.ts';

export const READ_ENTRY_HEADER = 'countersign-read-entry';

export interface Read {
  readonly action: `countersign.read.${string}`;
  /** The event that was read; the whole log otherwise. */
  readonly index?: number;
  /** Events in the answer. */
  readonly results: number;
  /** What was asked, and to which tree size the answer is pinned. */
  readonly context: JsonObject;
  /** Why there was nothing to give. */
  readonly failure?: string;
}

/** The header for the answer. Throws LogError `log-stopped` when nothing more can be read without being recorded. */
export async function recordRead(
  { served: { log, trail }, token }: TokenExchange,
  { action, index, results, context, failure }: Read,
): Promise<Readonly<Record<string, string>>> {
  const recorded = await trail.deferred.record({
    action,
    actor: tokenActor(token),
    target: index === undefined ? { type: 'log', id: log.origin } : { type: 'event', id: `${index}` },
    outcome: failure === undefined ? { result: 'success' } : { result: 'failure', code: failure },
    context: { ...context, results },
  });
  return { [READ_ENTRY_HEADER]: recorded === 'waiting' ? recorded : `${recorded.index}` };
}
