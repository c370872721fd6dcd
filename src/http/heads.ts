/**
 * Heads and keys, anyone's to read: the published checkpoint, the newest signed head for witnesses to fetch, `log.json`,
 * and the way back for cosignatures.
 *
 * Spec: C2SP tlog-tiles (checkpoint), tlog-checkpoint, tlog-cosignature.
 */
import { hash } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { MAX_BUNDLE_ENTRY_BYTES } from '../../proofs/tile.ts';
import { MAX_EVENT_BYTES } from '../events/limits.ts';
import { HttpProblem } from './problems.ts';
import { type PlainAnswer, PUBLIC_HEADERS, publicJson, TEXT_CONTENT_TYPE } from './respond.ts';
import { type HotExchange, type HotReadRoute, isRaw, type LogExchange, type PublicRoute } from './route.ts';
import { CosignaturesAnswer, LogDescription } from './schemas.ts';

const NOTE_CONTENT = { 'text/plain': Type.String({ description: 'A signed note (C2SP tlog-checkpoint).' }) };

export const headRoutes: readonly (PublicRoute | HotReadRoute)[] = [
  {
    method: 'GET',
    path: '/:log/checkpoint',
    access: 'hot',
    description: {
      summary: 'The newest checkpoint that the quorum of witnesses has cosigned',
      answers: {
        200: { description: 'The published checkpoint.', content: NOTE_CONTENT },
        304: { description: 'It is still the one named in If-None-Match.' },
        404: { description: 'Nothing was published yet.' },
      },
    },
    answer: (exchange) =>
      noteAnswer(exchange, exchange.served.log.checkpoint(), 'No checkpoint has reached the quorum yet.'),
  },
  {
    method: 'GET',
    path: '/:log/head',
    access: 'hot',
    description: {
      summary: 'The newest signed head, cosigned or not, for witnesses to fetch',
      answers: {
        200: { description: 'The newest signed head.', content: NOTE_CONTENT },
        304: { description: 'It is still the one named in If-None-Match.' },
        404: { description: 'Nothing was signed yet.' },
      },
    },
    answer: (exchange) => noteAnswer(exchange, exchange.served.log.head(), 'The log has not signed a head yet.'),
  },
  {
    method: 'GET',
    path: '/:log/log.json',
    access: 'public',
    description: {
      summary: 'Name, origin, keys, policy and limits of the log',
      answers: { 200: { description: 'What the log is.', content: { 'application/json': LogDescription } } },
    },
    handle: describeLog,
  },
  {
    method: 'POST',
    path: '/:log/cosignatures',
    access: 'public',
    description: {
      summary: 'Hand in cosignatures for a head that the log signed',
      body: NOTE_CONTENT,
      answers: {
        200: { description: 'How many were verified and kept.', content: { 'application/json': CosignaturesAnswer } },
        409: { description: 'Not a head that this log signed.' },
        422: { description: 'No cosignature verified.' },
      },
    },
    handle: takeCosignatures,
  },
];

function noteAnswer({ c, services }: HotExchange, note: string | undefined, missing: string): PlainAnswer {
  if (note === undefined) throw new HttpProblem('no-head-yet', missing);
  const headers = services.noteHeaders(note);
  const known = namesEtag(c.req.header('if-none-match'), headers.etag);
  return known ? { status: 304, headers, body: null } : { status: 200, headers, body: note };
}

/** The headers of a note, with its entity tag. */
export type NoteHeaders = (note: string) => Readonly<Record<string, string>> & { readonly etag: string };

/** Notes that are asked for now: the checkpoint and the head of each log, and little that is older. */
const MAX_KEPT_NOTES = 64;

/** Kept, because the same text is asked for thousands of times before the next one comes. */
export function createNoteHeaders(): NoteHeaders {
  const kept = new Map<string, ReturnType<NoteHeaders>>();
  return (note) => {
    const known = kept.get(note);
    if (known !== undefined) return known;
    const etag = `"${hash('sha256', note, 'hex').slice(0, 32)}"`;
    const headers = { ...PUBLIC_HEADERS, 'content-type': TEXT_CONTENT_TYPE, 'cache-control': 'no-cache', etag };
    if (kept.size >= MAX_KEPT_NOTES) kept.clear();
    kept.set(note, headers);
    return headers;
  };
}

/** RFC 9110 §13.1.2: a list of entity tags, compared weakly, or `*`. */
function namesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

function describeLog({ served, services: { limits } }: LogExchange): Response {
  const { log } = served;
  return publicJson({
    name: log.name,
    origin: log.origin,
    kind: log.kind,
    ...(isRaw(served) ? { deduplicates: served.log.deduplicates, open: served.open } : {}),
    vkeys: log.policy.logs.filter(({ key }) => key.name === log.origin).map(({ key }) => key.vkey),
    policy: log.policyText,
    limits: isRaw(served)
      ? { entry_bytes: MAX_BUNDLE_ENTRY_BYTES }
      : {
          event_bytes: MAX_EVENT_BYTES,
          batch_bytes: limits.maxBatchBytes,
          batch_lines: limits.maxBatchLines,
          batch_receipts: limits.maxBatchReceipts,
          page_events: limits.maxPageEvents,
          wait_seconds: limits.maxWaitSeconds,
        },
  });
}

async function takeCosignatures({ c, served, services }: LogExchange): Promise<Response> {
  const note = await services.bodies.read(c, services.limits.maxCosignatureBytes);
  const { accepted } = await served.log.addCosignatures(note);
  return publicJson({ accepted });
}
