/** A watched log to test with: the real log, recorder and watch, with a clock, a disk and a network of the test's choice. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Prepared } from '../../src/events/types.ts';
import type { Log } from '../../src/log/types.ts';
import type { ListedFinding } from '../../src/trail/findings.ts';
import { createRecorder, type Recorder } from '../../src/trail/record.ts';
import { watchConfig } from '../../src/trail/watch/config.ts';
import { openWatch, type Watch, type WatchOptions } from '../../src/trail/watch/watch.ts';
import { testContexts } from './http.ts';
import { openTestLog, preparedEvent } from './test-log.ts';

export interface WatchedLog {
  readonly log: Log;
  readonly recorder: Recorder;
  readonly watch: Watch;
  readonly stateFile: string;
  /** Submits events with these numbers, one after the other. */
  readonly submit: (...events: readonly Prepared[]) => Promise<void>;
  /** Every finding there is, oldest first, after everything was examined. */
  readonly findings: () => Promise<readonly ListedFinding[]>;
  readonly close: () => Promise<void>;
}

export interface WatchedOptions {
  /** As in watch.json. */
  readonly config?: object;
  readonly watch?: Partial<WatchOptions>;
  readonly log?: Parameters<typeof openTestLog>[1];
  readonly nowUs?: () => number;
  /** What the watch gets instead of the log, and instead of the recorder. */
  readonly alterLog?: (log: Log) => Log;
  readonly alterRecorder?: (recorder: Recorder) => Recorder;
}

export async function openWatched(directory: string, options: WatchedOptions = {}): Promise<WatchedLog> {
  const nowUs = options.nowUs ?? (() => Date.now() * 1_000);
  const { log } = await openTestLog(directory, { nowUs, ...options.log });
  const recorder = createRecorder({
    log,
    prepareContext: testContexts(),
    nowMs: () => nowUs() / 1_000,
    newId: randomUUID,
  });
  const stateFile = join(directory, 'watch.state');
  const watch = await openWatch({
    log: options.alterLog?.(log) ?? log,
    recorder: options.alterRecorder?.(recorder) ?? recorder,
    stateFile,
    config: watchConfig(options.config ?? {}),
    nowMs: () => nowUs() / 1_000,
    ...options.watch,
  });
  return {
    log,
    recorder,
    watch,
    stateFile,
    submit: async (...events) => {
      for (const event of events) await log.submit([event]);
    },
    findings: async () => {
      // What was found is an entry itself; once that was examined too, nothing more follows.
      await watch.caughtUp();
      await watch.caughtUp();
      const { findings } = await watch.findings.page({ limit: 10_000 });
      return [...findings].reverse();
    },
    close: async () => {
      await watch.close();
      await log.close();
    },
  };
}

/** An event with a number, at a time (microseconds) that its producer claims. */
export function numbered(seq: number, occurredAtUs = Date.now() * 1_000, producer = 'tok_a'): Prepared {
  const event = preparedEvent(
    `${producer}-${seq}`,
    { actor: { type: 'user', id: 'u_1' }, outcome: { result: 'success' } },
    producer,
  );
  return { ...event, producerSeq: seq, occurredAtUs };
}
