/**
 * The pull side of a mirror: follows a log's newest head, copies the entries, cosigns what it then holds, and posts the
 * cosignature back. So a mirror needs no inbound port, and no log that knows how to feed it.
 *
 *     fetch head -> its signature -> consistency from tiles -> record as pending
 *       -> bundles, each proven against the head -> copy, durable -> mirror checkpoint -> sign -> post
 */
import type { Checkpoint } from '../proofs/checkpoint.ts';
import { parseCheckpoint } from '../proofs/checkpoint.ts';
import { ProofError } from '../proofs/errors.ts';
import { tileHashReader } from '../proofs/tile.ts';
import { keepEvidence, recordHead } from './cosign-head.ts';
import { messageOf, WitnessError } from './errors.ts';
import { makeEvidence } from './evidence.ts';
import { claimFromTiles, type FollowedLog, type FollowMemory, outcomeOfRefusal, reportPoll } from './follow.ts';
import type { HeadRecord } from './head-record.ts';
import { type ClientOptions, postCosignatures } from './log-client.ts';
import { type JudgedHead, judgeHead } from './logs.ts';
import type { PollOutcome } from './metrics.ts';
import { cachedTiles, type FetchedNote, fetchNote, fetchPackage, firstOf } from './mirror-client.ts';
import type { MirrorParts } from './mirror-parts.ts';
import { packageRanges } from './mirror-wire.ts';
import type { MirroredLog } from './mirrored-log.ts';
import { Refused } from './reply.ts';
import { parseHead } from './request.ts';

/** Bundles fetched at once and written in one batch; 64 MiB at the very most. */
const WINDOW_PACKAGES = 4;

export interface PullMemory extends FollowMemory {
  /** `checkpoint` for a log that has no `head`, the newest signed head before it is published. */
  path?: 'head' | 'checkpoint';
}

/** One poll, from head to post. */
export function pull(
  parts: MirrorParts,
  log: FollowedLog,
  client: ClientOptions,
  memory: PullMemory,
): Promise<PollOutcome> {
  return reportPoll(parts, log, client, memory, async () => {
    const mirror = parts.mirrored.get(log.origin);
    if (mirror === undefined) throw new WitnessError('config-invalid', `there is no copy of "${log.origin}"`);
    const outcome = await pullHead(parts, log, mirror, client, memory);
    // What the log does with our lines, and whether it has those of others, does not make the copy any worse.
    await post(parts, client, log, mirror).catch((error: unknown) => {
      parts.logger.debug({ origin: log.origin, error: messageOf(error) }, 'the log did not take our lines');
    });
    await adoptWitnessLines(parts, log, mirror, client);
    return outcome;
  });
}

async function pullHead(
  parts: MirrorParts,
  log: FollowedLog,
  mirror: MirroredLog,
  client: ClientOptions,
  memory: PullMemory,
): Promise<PollOutcome> {
  const fetched = await fetchNewest(client, log.url, memory);
  if (fetched === 'unchanged') return 'unchanged';
  delete memory.etag;
  const parsed = parseHead(fetched.bytes);
  if (parsed.checkpoint.origin !== log.origin) throw new Refused('unknown-origin', 'the head is that of another log');
  const offered = judgeHead(log, parsed, parts.verifyOptions);
  const recorded = await record(parts, log, client, offered);
  if (typeof recorded === 'string') return recorded;
  mirror.remember(recorded);
  await copyEntries(mirror, client, log.url, recorded.checkpoint);
  const committed = await mirror.commit(parts, recorded);
  if (committed === undefined) return 'overtaken';
  // Only now is this head dealt with: after a failure on the way the next poll begins again.
  if (fetched.etag !== undefined) memory.etag = fetched.etag;
  return 'cosigned';
}

async function fetchNewest(client: ClientOptions, url: string, memory: PullMemory): Promise<FetchedNote | 'unchanged'> {
  const fetched = await fetchNote(client, `${url}/${memory.path ?? 'head'}`, memory.etag);
  if (fetched !== 'missing') return fetched;
  // A tiled log need not have a `head`; every one has a `checkpoint`.
  const published = await fetchNote(client, `${url}/checkpoint`);
  if (published === 'missing' || published === 'unchanged') {
    throw new WitnessError('log-answer-invalid', `${url}/checkpoint: there is none`);
  }
  memory.path = 'checkpoint';
  return published;
}

/** Records the head as pending, or says why not. */
async function record(
  parts: MirrorParts,
  log: FollowedLog,
  client: ClientOptions,
  offered: JudgedHead,
): Promise<HeadRecord | PollOutcome> {
  const { state } = parts;
  const held = await state.head(log.origin);
  const { size, body } = offered.checkpoint;
  if (held !== undefined && size < held.checkpoint.size) {
    await keepEvidence(parts, makeEvidence({ kind: 'rollback', held, offered, via: 'poll', nowMs: parts.clock() }));
    return 'behind';
  }
  if (held?.checkpoint.body === body) return held;
  const claim = await claimFromTiles(client, log.url, held?.checkpoint, offered.checkpoint);
  try {
    return await state.exclusively(log.origin, () => recordHead(parts, offered, claim, 'poll'));
  } catch (error) {
    return outcomeOfRefusal(error);
  }
}

/** Copies what is missing up to this head. Every bundle is proven against it before it is written. */
async function copyEntries({ copy }: MirroredLog, client: ClientOptions, url: string, head: Checkpoint): Promise<void> {
  const read = tileHashReader(cachedTiles(client, url), head.size);
  while (copy.size < head.size) {
    client.signal.throwIfAborted();
    const ranges = firstOf(packageRanges(copy.size, head.size), WINDOW_PACKAGES);
    const packages = await Promise.all(ranges.map((range) => fetchPackage(client, url, head, range, read)));
    try {
      await copy.append(head, packages);
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      throw new WitnessError(
        'log-answer-invalid',
        `${url}: the entries from ${copy.size} on are not those of the log's own head of size ${head.size}`,
        error,
      );
    }
  }
}

/** Posts the mirror checkpoint with our lines, unless the log got it a moment ago (see follow.ts). */
async function post(parts: MirrorParts, client: ClientOptions, log: FollowedLog, mirror: MirroredLog): Promise<void> {
  const { deliveries, clock } = parts;
  const held = mirror.mirrored?.checkpoint;
  if (held === undefined || deliveries.isRecent(held, clock())) return;
  const note = await mirror.served(parts);
  if (note === undefined) return;
  deliveries.delivered(held, clock());
  await postCosignatures(client, log.url, note);
}

async function adoptWitnessLines(
  { witnesses, verifyOptions, logger }: MirrorParts,
  log: FollowedLog,
  mirror: MirroredLog,
  client: ClientOptions,
): Promise<void> {
  if (!mirror.lacksWitnesses(witnesses.length)) return;
  try {
    const published = await fetchNote(client, `${log.url}/checkpoint`);
    if (typeof published === 'string') return;
    await mirror.keepWitnessLines(parseCheckpoint(published.bytes), witnesses, verifyOptions);
  } catch (error) {
    logger.debug({ origin: log.origin, error: messageOf(error) }, 'the published checkpoint could not be used');
  }
}
