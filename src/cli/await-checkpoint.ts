/**
 * The published checkpoint as a client sees it, verified under the policy that it was given, and waiting until it
 * covers what was submitted.
 */
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { checkCheckpoint, type Policy } from '../../proofs/policy.ts';
import { exchange, pause, refusal, UnavailableError } from './client.ts';
import { CliError } from './errors.ts';
import type { Io } from './io.ts';
import type { Target } from './target.ts';

export interface PublishedCheckpoint {
  readonly note: string;
  readonly origin: string;
  readonly size: number;
  /** Names (in the policy) of the witnesses that cosigned; undefined without a policy to check it with. */
  readonly witnesses: readonly string[] | undefined;
}

const POLL_MS = 200;

/**
 * The newest published checkpoint, undefined while there is none. Throws ProofError if it does not pass the policy,
 * UnavailableError if the log does not answer.
 */
export async function readCheckpoint(
  io: Io,
  target: Target,
  policy: Policy | undefined,
): Promise<PublishedCheckpoint | undefined> {
  const url = `${target.logUrl}/checkpoint`;
  const answer = await exchange(io, { ...target, token: undefined }, url, {});
  if (answer.status === 404 && answer.text.includes('no-head-yet')) return undefined;
  if (answer.status !== 200) throw refusal(url, answer);
  const note = answer.text;
  if (policy === undefined) {
    const { origin, size } = parseCheckpoint(note).checkpoint;
    return { note, origin, size, witnesses: undefined };
  }
  const { checkpoint, witnesses } = checkCheckpoint(policy, note);
  return { note, origin: checkpoint.origin, size: checkpoint.size, witnesses: witnesses.map(({ name }) => name) };
}

/** Waits until the published checkpoint has at least `size` leaves. Throws CliError `timed-out`. */
export async function awaitCheckpoint(
  io: Io,
  target: Target,
  policy: Policy | undefined,
  size: number,
  timeoutMs: number,
): Promise<PublishedCheckpoint> {
  const deadlineMs = io.nowMs() + timeoutMs;
  for (;;) {
    const published = await readIfReachable(io, target, policy);
    if (published !== undefined && published.size >= size) return published;
    if (io.nowMs() > deadlineMs) throw notCovered(target, size, published?.size ?? 0, timeoutMs);
    await pause(POLL_MS);
  }
}

async function readIfReachable(
  io: Io,
  target: Target,
  policy: Policy | undefined,
): Promise<PublishedCheckpoint | undefined> {
  try {
    return await readCheckpoint(io, target, policy);
  } catch (error) {
    if (error instanceof UnavailableError) return undefined;
    throw error;
  }
}

function notCovered(target: Target, size: number, published: number, timeoutMs: number): CliError {
  return new CliError(
    'timed-out',
    `after ${timeoutMs / 1000} s the published checkpoint covers ${published} entries, not yet ${size}`,
    'The events are stored and keep their indices; the quorum of witnesses has not cosigned them yet.',
    `${target.baseUrl}/healthz says which witness is missing. Run the same command again to wait further.`,
  );
}
