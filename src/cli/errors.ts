/**
 * How a command fails: one error type that says what happened and what to do, and the exit codes of every verb.
 * Expected failures are thrown as CliError and printed in one place, program.ts.
 */

/** The exit codes, also printed at the end of `--help`. */
export const EXIT = {
  /** Everything asked for was done. verify: PASS. */
  done: 0,
  /** It was refused, is not there, or is false. verify: FAIL. */
  failed: 1,
  /** Wrong usage, unreadable input, or not finished in time. verify: INCOMPLETE. */
  incomplete: 2,
  /** The log did not answer. Nothing is known about what it stored; sending the same again is safe. */
  unreachable: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Why a command failed. A closed union; with --json it is printed as `error.code`. */
export type CliErrorCode =
  | 'usage'
  | 'unreadable-input'
  | 'no-network'
  | 'already-exists'
  | 'already-running'
  | 'port-taken'
  | 'insecure-listen'
  | 'child-failed'
  | 'refused'
  | 'not-found'
  | 'unreachable'
  | 'timed-out'
  | 'unexpected-answer'
  | 'demo-failed';

const EXIT_OF: Readonly<Record<CliErrorCode, ExitCode>> = {
  usage: EXIT.incomplete,
  'unreadable-input': EXIT.incomplete,
  'no-network': EXIT.incomplete,
  'already-exists': EXIT.failed,
  'already-running': EXIT.failed,
  'port-taken': EXIT.failed,
  'insecure-listen': EXIT.incomplete,
  'child-failed': EXIT.failed,
  refused: EXIT.failed,
  'not-found': EXIT.failed,
  unreachable: EXIT.unreachable,
  'timed-out': EXIT.incomplete,
  'unexpected-answer': EXIT.failed,
  'demo-failed': EXIT.failed,
};

export class CliError extends Error {
  readonly code: CliErrorCode;
  /** What to do about it, one sentence each. */
  readonly advice: readonly string[];

  constructor(code: CliErrorCode, message: string, ...advice: readonly string[]) {
    super(message);
    this.name = 'CliError';
    this.code = code;
    this.advice = advice;
  }

  get exitCode(): ExitCode {
    return EXIT_OF[this.code];
  }
}

/** The message of anything that was thrown; errors of Node's network layer hide theirs in `cause`. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message || error.cause.name}` : '';
  return `${error.message || error.name}${cause}`;
}

/** The `code` of a Node error (`ENOENT`, `EADDRINUSE`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
