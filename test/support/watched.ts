/** A watched log to test with: the real log, recorder and watch, with a clock, a disk and a network of the test's choice. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Prepared } from '../../src/events/types.ts';
import { createApp } from '../../src/http/app.ts';
import { type RunningServer, serveApp } from '../../src/http/server.ts';
import type { Log } from '../../src/log/types.ts';
import { memoryTokenStore, type Role, type TokenStore } from '../../src/trail/access.ts';
import type { ListedFinding } from '../../src/trail/findings.ts';
import { createRecorder, type Recorder } from '../../src/trail/record.ts';
import { openTrail } from '../../src/trail/trail.ts';
import { watchConfig } from '../../src/trail/watch/config.ts';
import { openWatch, type Watch, type WatchOptions } from '../../src/trail/watch/watch.ts';
import { ask, testContexts } from './http.ts';
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

export interface WatchedServer extends WatchedLog, Pick<RunningServer, 'url' | 'host' | 'port'> {
  readonly producer: string;
  readonly auditor: string;
  readonly admin: string;
  readonly tokens: TokenStore;
  /** Posts events as the producer; each answer is a 2xx. */
  readonly post: (...events: readonly Readonly<Record<string, unknown>>[]) => Promise<void>;
}

/** The same behind HTTP, with a real clock, as the log `test`. */
export async function serveWatched(directory: string, options: WatchedOptions = {}): Promise<WatchedServer> {
  const watched = await openWatched(directory, options);
  const { log, watch } = watched;
  const contexts = testContexts();
  const trail = await openTrail({ log, prepareContext: contexts });
  const tokens = memoryTokenStore();
  const create = async (role: Role) => (await tokens.create({ role, name: role })).token;
  const [producer, auditor, admin] = [await create('producer'), await create('auditor'), await create('admin')];
  const app = createApp({ logs: new Map([['test', { log, tokens, prepareContext: contexts, trail, watch }]]) });
  const server = await serveApp(app, { limits: { closeGraceMs: 1_000 } });
  const { url, host, port } = server;
  return {
    ...watched,
    ...{ url, host, port, producer, auditor, admin, tokens },
    post: async (...events) => {
      for (const json of events) {
        const answer = await ask(server, '/test/events', { token: producer, json });
        if (answer.status >= 300) throw new Error(answer.text);
      }
    },
    close: async () => {
      await server.close();
      await trail.close();
      await watched.close();
    },
  };
}
