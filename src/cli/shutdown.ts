/**
 * When a process that stays should end: on SIGTERM, SIGINT or SIGHUP, or (with --until-stdin-closes) when whoever
 * started it is gone, so that no network outlives a test that was ended by force.
 */

/** Resolves with the reason, once. */
export function shutdownAsked(options: { readonly untilStdinCloses: boolean }): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
    if (!options.untilStdinCloses) return;
    process.stdin.on('end', () => resolve('standard input was closed'));
    process.stdin.on('error', () => resolve('standard input was closed'));
    process.stdin.resume();
  });
}
