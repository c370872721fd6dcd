/** Reading stored events for evidence: a few at a time, so that memory stays bounded and the writer has its turn. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Log, StoredEvent } from '../log/types.ts';

export interface EventSource {
  readonly log: Pick<Log, 'eventsAt'>;
  readonly signal: AbortSignal;
}

/** Events that are read from the log at once. */
const READ_EVENTS = 64;

export async function* eventsIn(source: EventSource, start: number, end: number): AsyncGenerator<StoredEvent> {
  for (let from = start; from < end; from += READ_EVENTS) {
    const width = Math.min(READ_EVENTS, end - from);
    yield* await readEvents(
      source,
      Array.from({ length: width }, (_, i) => from + i),
    );
  }
}

/** The indices ascend. */
export async function* eventsAt(source: EventSource, indices: readonly number[]): AsyncGenerator<StoredEvent> {
  for (let from = 0; from < indices.length; from += READ_EVENTS) {
    yield* await readEvents(source, indices.slice(from, from + READ_EVENTS));
  }
}

async function readEvents({ log, signal }: EventSource, indices: readonly number[]): Promise<readonly StoredEvent[]> {
  signal.throwIfAborted();
  // Submissions and requests have their turn between two reads.
  await breathe();
  return log.eventsAt(indices);
}
