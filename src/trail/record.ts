/**
 * Everything is an event: what the log itself and its administrators do becomes an entry like any other, under an
 * action that begins with `countersign.`, which no producer may use. Validated, committed and sequenced the same way.
 */
import { OWN_PRODUCER } from '../../proofs/own-entries.ts';
import { prepareValue } from '../events/prepare.ts';
import type { AuditEvent } from '../events/schema.ts';
import { parseEventJson } from '../events/strict-json.ts';
import type { PrepareContext } from '../events/types.ts';
import type { Log, SubmitResult } from '../log/types.ts';

/** An event of the log's own; id and time are added where they are not given. */
export type OwnEvent = Omit<AuditEvent, 'action' | 'event_id' | 'occurred_at'> & {
  readonly action: `countersign.${string}`;
  /**
   * Given, together with `occurred_at`, where the same fact must never be recorded twice: the second time it is
   * answered with the first entry.
   */
  readonly event_id?: string;
  readonly occurred_at?: string;
};

export interface Recorded {
  readonly index: number;
  readonly eventId: string;
  readonly logTime: number;
  /** True when this very event was recorded before. */
  readonly known: boolean;
}

export interface Recorder {
  /** Durable when it resolves. Throws LogError as `submit` does; EventProblem means a bug in the caller. */
  record(event: OwnEvent, producerId?: string): Promise<Recorded>;
}

export interface RecorderOptions {
  readonly log: Pick<Log, 'submit'>;
  readonly prepareContext: (producerId: string) => PrepareContext;
  readonly nowMs: () => number;
  readonly newId: () => string;
}

export function createRecorder({ log, prepareContext, nowMs, newId }: RecorderOptions): Recorder {
  return {
    record: async (event, producerId = OWN_PRODUCER) => {
      const full = { event_id: newId(), occurred_at: new Date(nowMs()).toISOString(), ...event };
      const raw = new TextEncoder().encode(JSON.stringify(full));
      const prepared = prepareValue(parseEventJson(raw), raw, prepareContext(producerId), { reservedActions: true });
      const [result]: readonly (SubmitResult | undefined)[] = await log.submit([prepared]);
      if (result === undefined) throw new Error('a submission was answered with nothing');
      if (result.status === 'conflict') throw new OwnEventConflict(prepared.eventId, result.index);
      const { index, logTime, status } = result;
      return { index, logTime, eventId: prepared.eventId, known: status === 'duplicate' };
    },
  };
}

/** An id of the log's own was used for other content: two places disagree about one fact. */
export class OwnEventConflict extends Error {
  readonly eventId: string;
  readonly index: number;

  constructor(eventId: string, index: number) {
    super(`the log's own event ${eventId} was recorded before with other content, at index ${index}`);
    this.name = 'OwnEventConflict';
    this.eventId = eventId;
    this.index = index;
  }
}
