/**
 * The pull side: polls a log's newest head, builds the consistency proof itself from tiles, cosigns and posts the
 * cosignature back. So a witness needs no inbound port, and a log cannot choose which proof it shows.
 *
 *     fetch head -> its signature -> proof from tiles -> judge, record, sign (cosign-head.ts) -> post
 *
 * A log whose head is behind ours, or does not go with it, gets our cosigned head posted instead: it carries the log's
 * own signature, so that a log that was set back can see it and stop itself.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { checkConsistency } from '../proofs/check.ts';
import type { Checkpoint } from '../proofs/checkpoint.ts';
import { ProofError } from '../proofs/errors.ts';
import type { Hash } from '../proofs/hash.ts';
import { type HashReader, proveConsistency } from '../proofs/prove.ts';
import { subtreeHash } from '../proofs/subtree.ts';
import { tileHashReader } from '../proofs/tile.ts';
import { type Claim, cosignedHead, cosignHead, keepEvidence } from './cosign-head.ts';
import { messageOf, WitnessError } from './errors.ts';
import { makeEvidence } from './evidence.ts';
import { formatHead, type HeadRecord } from './head-record.ts';
import { type ClientOptions, fetchHead, fetchTile, postCosignatures } from './log-client.ts';
import { type JudgedHead, judgeHead, type KnownLog } from './logs.ts';
import type { PollOutcome } from './metrics.ts';
import type { WitnessParts } from './parts.ts';
import { Refused } from './reply.ts';
import { parseHead } from './request.ts';

export type FollowedLog = KnownLog & { readonly url: string };

export interface FollowOptions {
  readonly client: ClientOptions;
  readonly pollMs: number;
}

/** What a follower remembers between two polls, for itself and for health reports. */
export interface FollowMemory {
  /** Entity tag of a head that was dealt with completely. */
  etag?: string;
  outcome?: PollOutcome;
  error?: string;
  polledAtMs?: number;
}

const MAX_BACKOFF_MS = 10_000;
const GOOD: readonly PollOutcome[] = ['unchanged', 'cosigned', 'overtaken'];

/** Follows one log until the client's signal aborts. Never throws: what goes wrong is counted, logged and retried. */
export function followLog(
  parts: WitnessParts,
  log: FollowedLog,
  options: FollowOptions,
  memory: FollowMemory,
): Promise<void> {
  return pollRepeatedly(options, () => poll(parts, log, options.client, memory));
}

/** Polls until the client's signal aborts; the pauses become longer while nothing good comes of it. */
export async function pollRepeatedly(
  { client: { signal }, pollMs }: FollowOptions,
  pollOnce: () => Promise<PollOutcome>,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const outcome = await pollOnce();
    failures = GOOD.includes(outcome) ? 0 : failures + 1;
    const waitMs = Math.min(pollMs * 2 ** Math.min(failures, 16), Math.max(MAX_BACKOFF_MS, pollMs));
    await pause(waitMs, undefined, { signal }).catch(() => undefined);
  }
}

/** One poll, from head to post. */
export function poll(
  parts: WitnessParts,
  log: FollowedLog,
  client: ClientOptions,
  memory: FollowMemory,
): Promise<PollOutcome> {
  return reportPoll(parts, log, client, memory, () => pollHead(parts, log, client, memory));
}

/** Runs one poll of a log; how it ended is remembered, counted and, the first time, logged. */
export async function reportPoll(
  { metrics, logger, clock }: Pick<WitnessParts, 'metrics' | 'logger' | 'clock'>,
  log: FollowedLog,
  client: ClientOptions,
  memory: FollowMemory,
  work: () => Promise<PollOutcome>,
): Promise<PollOutcome> {
  let outcome: PollOutcome;
  try {
    outcome = await work();
    delete memory.error;
  } catch (error) {
    if (client.signal.aborted) return 'failed';
    outcome = outcomeOf(error);
    memory.error = messageOf(error);
    // A log that is down is told once, not at every poll.
    const level = memory.outcome === outcome ? 'debug' : 'warn';
    logger[level]({ origin: log.origin, outcome, error: memory.error }, 'a poll failed');
  }
  memory.outcome = outcome;
  memory.polledAtMs = clock();
  metrics.polled(log.origin, outcome);
  return outcome;
}

async function pollHead(
  parts: WitnessParts,
  log: FollowedLog,
  client: ClientOptions,
  memory: FollowMemory,
): Promise<PollOutcome> {
  const fetched = await fetchHead(client, log.url, memory.etag);
  if (fetched === 'unchanged') {
    await post(parts, client, log);
    return 'unchanged';
  }
  delete memory.etag;
  const parsed = parseHead(fetched.head);
  if (parsed.checkpoint.origin !== log.origin) throw new Refused('unknown-origin', 'the head is that of another log');
  const offered = judgeHead(log, parsed, parts.verifyOptions);
  const outcome = await follow(parts, log, client, await cosignedHead(parts, log.origin), offered);
  if (outcome !== 'cosigned') {
    // The log may well refuse this: that it stops itself is a courtesy, not a condition.
    await post(parts, client, log).catch(() => undefined);
    return outcome;
  }
  await post(parts, client, log);
  // Only now is this head dealt with: after a failure on the way the next poll begins again.
  if (fetched.etag !== undefined) memory.etag = fetched.etag;
  return outcome;
}

async function follow(
  parts: WitnessParts,
  log: FollowedLog,
  client: ClientOptions,
  held: HeadRecord | undefined,
  offered: JudgedHead,
): Promise<PollOutcome> {
  const { size, body } = offered.checkpoint;
  if (held !== undefined && size < held.checkpoint.size) {
    await keepEvidence(parts, makeEvidence({ kind: 'rollback', held, offered, via: 'poll', nowMs: parts.clock() }));
    return 'behind';
  }
  if (held?.checkpoint.body === body) return 'cosigned';
  const claim = await claimFromTiles(client, log.url, held?.checkpoint, offered.checkpoint);
  try {
    await cosignHead(parts, offered, claim, 'poll');
    return 'cosigned';
  } catch (error) {
    return outcomeOfRefusal(error);
  }
}

/** What it means for a poll that our own judgement refused the head. Throws what is no such refusal. */
export function outcomeOfRefusal(error: unknown): PollOutcome {
  if (!(error instanceof Refused)) throw error;
  if (error.code === 'other-root' || error.code === 'bad-empty-root') return 'two-roots';
  if (error.code === 'bad-proof') return 'inconsistent';
  if (error.code === 'old-differs') return 'overtaken';
  throw error;
}

/** The consistency proof from what we hold to the head; when it fails, also the root that the head's tree has there. */
export async function claimFromTiles(
  client: ClientOptions,
  url: string,
  held: Checkpoint | undefined,
  offered: Checkpoint,
): Promise<Claim> {
  const oldSize = held?.size ?? 0;
  if (held === undefined || oldSize === 0 || oldSize === offered.size) return { oldSize, proof: [] };
  const read = tileHashReader((tile) => fetchTile(client, url, tile), offered.size);
  const proof = await proveConsistency(oldSize, offered.size, read);
  if (holds(held, offered, proof)) return { oldSize, proof };
  return { oldSize, proof, prefixRoot: await prefixRoot(oldSize, read) };
}

function prefixRoot(size: number, read: HashReader): Promise<Hash> {
  return subtreeHash(0, size, read);
}

function holds(held: Checkpoint, offered: Checkpoint, proof: readonly Hash[]): boolean {
  try {
    checkConsistency({ from: held.size, to: offered.size, fromRoot: held.root, toRoot: offered.root, proof });
    return true;
  } catch (error) {
    if (error instanceof ProofError) return false;
    throw error;
  }
}

/**
 * Posts the head that we hold, with our lines, unless the log got it a moment ago. It is posted again from time to
 * time while it is the newest: a log that crashed has forgotten who had cosigned.
 */
async function post(parts: WitnessParts, client: ClientOptions, log: FollowedLog): Promise<void> {
  const { deliveries, clock } = parts;
  const ours = await cosignedHead(parts, log.origin);
  if (ours === undefined || deliveries.isRecent(ours.checkpoint, clock())) return;
  await postCosignatures(client, log.url, formatHead(ours));
  deliveries.delivered(ours.checkpoint, clock());
}

function outcomeOf(error: unknown): PollOutcome {
  if (error instanceof Refused) return 'refused';
  if (error instanceof WitnessError && error.code === 'log-unreachable') return 'unreachable';
  if (error instanceof ProofError || (error instanceof WitnessError && error.code === 'log-answer-invalid')) {
    return 'bad-answer';
  }
  return 'failed';
}
