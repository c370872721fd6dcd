/**
 * `POST /add-entries` (C2SP tlog-mirror): a client uploads entries, package by package, each with a proof that it belongs
 * to a checkpoint that this mirror has recorded as pending. Every package that verifies is durable before the next one is
 * looked at, so an upload that breaks off has lost nothing.
 *
 *     header 400 -> log 404 -> pending 422, 409 -> each package 422, saved -> all of them: commit, sign 200; else 202
 *
 * The body is a stream of any length. In memory there is one package of it; a package that takes too long to arrive ends
 * the upload as if the client had gone.
 */
import { ProofError } from '../proofs/errors.ts';
import { formatSignatureLines } from '../proofs/note.ts';
import { answer } from './handler.ts';
import type { HeadRecord } from './head-record.ts';
import type { MirrorParts } from './mirror-parts.ts';
import {
  BodyEnded,
  type ByteSource,
  byteSource,
  formatMirrorInfo,
  MIRROR_INFO,
  packageRanges,
  readPackage,
  readUploadHeader,
  type UploadHeader,
} from './mirror-wire.ts';
import type { MirroredLog } from './mirrored-log.ts';
import { accepted, Refused, type Reply, TEXT } from './reply.ts';

/** Entries of an upload that the mirror has already. A client that knows nothing is told where to begin. */
export const MAX_EXCESS_ENTRIES = 1_024;
/** For one package, of at most 16 MiB, or the header, to arrive. */
const PACKAGE_TIMEOUT_MS = 60_000;

export function addEntries(parts: MirrorParts, body: AsyncIterable<Uint8Array>): Promise<Reply> {
  return answer(parts, 'add-entries', () =>
    parts.uploads.hold(async () => {
      const source = byteSource(body);
      const header = await readHeader(source);
      const mirror = parts.mirrored.get(header.origin);
      if (mirror === undefined) throw new Refused('unknown-origin', 'this mirror does not know the origin');
      const current = await parts.state.head(header.origin);
      if (current === undefined)
        return unprocessable('no pending checkpoint of this log yet: send add-checkpoint first');
      const pending = pendingOf(parts, mirror, header);
      if (pending === undefined || !fits(mirror, header)) return conflict(parts, mirror, pending ?? current);
      return takePackages(parts, mirror, pending, header, source);
    }),
  );
}

async function readHeader(source: ByteSource): Promise<UploadHeader> {
  try {
    return await inTime(readUploadHeader(source));
  } catch (error) {
    if (error instanceof BodyEnded) throw new Refused('malformed', 'the header is not complete');
    if (!(error instanceof ProofError)) throw error;
    if (error.code === 'size-too-large') throw new Refused('size-too-large', `${error.code}: ${error.message}`);
    throw new Refused('malformed', error.message);
  }
}

/** The checkpoint that the upload ends at, unless it is below the mirror checkpoint or was never pending here. */
function pendingOf({ tickets }: MirrorParts, mirror: MirroredLog, header: UploadHeader): HeadRecord | undefined {
  if (header.end < (mirror.mirrored?.checkpoint.size ?? 0)) return undefined;
  const known = mirror.pendingOf(header.end);
  if (known !== undefined) return known;
  const ticketed = tickets.open(header.origin, header.ticket);
  return ticketed?.checkpoint.size === header.end ? ticketed : undefined;
}

function fits({ copy }: MirroredLog, { start, end }: UploadHeader): boolean {
  return start <= copy.size && Math.min(end, copy.size) - start <= MAX_EXCESS_ENTRIES;
}

async function takePackages(
  parts: MirrorParts,
  mirror: MirroredLog,
  pending: HeadRecord,
  { start, end }: UploadHeader,
  source: ByteSource,
): Promise<Reply> {
  let saved = false;
  try {
    for (const range of packageRanges(start, end)) {
      const one = await inTime(readPackage(source, range));
      await mirror.copy.append(pending.checkpoint, [one]);
      saved = true;
    }
  } catch (error) {
    if (error instanceof ProofError) return unprocessable(`a package does not belong to the checkpoint: ${error.code}`);
    if (!(error instanceof BodyEnded)) throw error;
    if (!saved) throw new Refused('malformed', 'the body ended before the first package was complete');
    return mirrorInfo(202, parts, mirror, pending);
  }
  const committed = await mirror.commit(parts, pending);
  if (committed !== undefined) return accepted(formatSignatureLines(committed.cosignatures));
  return conflict(parts, mirror, (await parts.state.head(mirror.origin)) ?? pending);
}

async function inTime<T>(reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new BodyEnded('the client is too slow')), PACKAGE_TIMEOUT_MS);
  });
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
  }
}

function conflict(parts: MirrorParts, mirror: MirroredLog, pending: HeadRecord): Reply {
  return mirrorInfo(409, parts, mirror, pending);
}

function mirrorInfo(status: 202 | 409, { tickets }: MirrorParts, { copy }: MirroredLog, pending: HeadRecord): Reply {
  const info = { pendingSize: pending.checkpoint.size, nextEntry: copy.size, ticket: tickets.issue(pending) };
  return { status, contentType: MIRROR_INFO, body: formatMirrorInfo(info) };
}

function unprocessable(message: string): Reply {
  return { status: 422, contentType: TEXT, body: `${message}\n` };
}
