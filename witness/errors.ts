/**
 * The witness's own failures. Requests that are merely refused are not here: each has its answer in reply.ts. The
 * code is API (the command's exit text and the tests use it), the message says what to do.
 */

export type WitnessErrorCode =
  | 'config-invalid'
  | 'key-invalid'
  | 'key-missing'
  | 'key-file-too-open'
  | 'key-name-differs'
  | 'agent-unavailable'
  | 'agent-refused'
  | 'agent-key-missing'
  | 'store-locked'
  | 'store-failed'
  | 'state-corrupt'
  | 'state-lost'
  | 'state-moved'
  | 'clock-unset'
  | 'overloaded'
  | 'closed'
  | 'log-unreachable'
  | 'log-answer-invalid';

export class WitnessError extends Error {
  readonly code: WitnessErrorCode;

  constructor(code: WitnessErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'WitnessError';
    this.code = code;
  }
}

/** The message of anything thrown, for a log line or an error that wraps it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
