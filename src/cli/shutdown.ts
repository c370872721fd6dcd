/**
 * When a process that stays should end: on SIGTERM, SIGINT or SIGHUP, or (with --until-stdin-closes) when whoever
 * started it is gone, so that no network outlives a test that was ended by force. Later signals are ignored: stopping
 * is bounded, and a process manager may well send two.
 */
import { Socket } from 'node:net';

/** Resolves with the reason, once. */
export function shutdownAsked(options: { readonly untilStdinCloses: boolean }): Promise<string> {
  const signalled = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
  if (!options.untilStdinCloses) return signalled;
  const { stdin } = process;
  const closed = new Promise<string>((resolve) => {
    for (const event of ['end', 'error'] as const) stdin.on(event, () => resolve('standard input was closed'));
  });
  stdin.resume();
  // Listening for its end must not itself keep the process alive.
  if (stdin instanceof Socket) stdin.unref();
  return Promise.race([signalled, closed]);
}
