/**
 * When a process that stays should end: on SIGTERM, SIGINT or SIGHUP; when whoever started it is gone, so that no network
 * outlives a test that was ended by force, or an `npm start` whose shell does not pass signals on. Later signals are
 * ignored: stopping is bounded, and a process manager may well send two.
 */
import { Socket } from 'node:net';

export interface ShutdownOptions {
  /** End when standard input ends. */
  readonly untilStdinCloses: boolean;
  /** End when the parent process has ended. */
  readonly untilParentEnds: boolean;
}

const PARENT_CHECK_MS = 500;

/** Resolves with the reason, once. */
export function shutdownAsked(options: ShutdownOptions): Promise<string> {
  const reasons = [signalled()];
  if (options.untilStdinCloses) reasons.push(stdinClosed());
  if (options.untilParentEnds) reasons.push(parentEnded());
  return Promise.race(reasons);
}

function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
}

function stdinClosed(): Promise<string> {
  const { stdin } = process;
  const closed = new Promise<string>((resolve) => {
    for (const event of ['end', 'error'] as const) stdin.on(event, () => resolve('standard input was closed'));
  });
  stdin.resume();
  // Listening for its end must not itself keep the process alive.
  if (stdin instanceof Socket) stdin.unref();
  return closed;
}

/** A process whose parent ends is given another one. */
function parentEnded(): Promise<string> {
  const parent = process.ppid;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      resolve('the process that started this one has ended');
    }, PARENT_CHECK_MS);
    timer.unref();
  });
}
