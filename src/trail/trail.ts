/**
 * The audit side of one log: what the log records about itself, and the state that is derived from those entries. It
 * is opened after the log and closed before it.
 */
import { randomUUID } from 'node:crypto';
import type { PrepareContext } from '../events/types.ts';
import type { Log } from '../log/types.ts';
import { createRecorder, type OwnEvent, type Recorder } from './record.ts';
import { followRules, type RuleBook } from './rules.ts';

export interface Trail {
  readonly recorder: Recorder;
  readonly rules: RuleBook;
  close(): Promise<void>;
}

export interface TrailOptions {
  readonly log: Log;
  readonly prepareContext: (producerId: string) => PrepareContext;
  readonly nowMs?: () => number;
  readonly newId?: () => string;
}

export async function openTrail(options: TrailOptions): Promise<Trail> {
  const { log, prepareContext, nowMs = Date.now, newId = randomUUID } = options;
  const recorder = createRecorder({ log, prepareContext, nowMs, newId });
  const rules = await followRules(log);
  return {
    recorder,
    rules: rules.book,
    close: async () => rules.stop(),
  };
}

/** Who an administrator or auditor is in an entry: the token, which is a pseudonym, and the role it has. */
export function tokenActor(token: { readonly id: string; readonly role: string }): OwnEvent['actor'] {
  return { type: 'token', id: token.id, role: token.role };
}
