/**
 * `POST evidence` and what follows: a request is accepted as an entry, its bundle is made in the background, its state
 * can be asked for, and the zip is fetched whole or in parts (RFC 9110 ranges), by whoever asked for it.
 */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { Type } from '@sinclair/typebox';
import { MAX_CONTROL_CHARACTERS } from '../../proofs/manifest.ts';
import type { EvidenceDesk, EvidenceStatus } from '../evidence/desk.ts';
import { EvidenceError } from '../evidence/error.ts';
import { MAX_QUERY_CHARACTERS, pairOf, parsePairs, queryOf } from '../trail/query.ts';
import { readJsonBody } from './json-body.ts';
import { HttpProblem, PROBLEM_PREFIX, problemOf } from './problems.ts';
import { readQuery } from './query.ts';
import { READ_ENTRY_HEADER } from './reads.ts';
import { privateJson, SECURITY_HEADERS } from './respond.ts';
import type { Parameter, ServedLog, TokenExchange, TokenRoute } from './route.ts';

export const EvidenceQuestion = Type.Object(
  {
    query: Type.Optional(
      Type.String({ maxLength: MAX_QUERY_CHARACTERS, description: 'As in `?q=`; empty means every event.' }),
    ),
    from: Type.Optional(Type.String({ description: 'Log time, as in a query.' })),
    to: Type.Optional(Type.String({ description: 'Log time, as in a query; at most the moment of the request.' })),
    mode: Type.Optional(
      Type.Union([Type.Literal('complete'), Type.Literal('selected')], {
        description: 'complete (the default where the scope allows it) proves that nothing is left out.',
      }),
    ),
    pinned_size: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Size of a head that you hold: the bundle proves that it extends it.' }),
    ),
    control: Type.Optional(
      Type.Object(
        {
          id: Type.String({ minLength: 1, maxLength: MAX_CONTROL_CHARACTERS }),
          part: Type.String({ minLength: 1, maxLength: MAX_CONTROL_CHARACTERS }),
          mapping: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the mapping file.' }),
        },
        { additionalProperties: false, description: 'The control that the question belongs to, for the manifest.' },
      ),
    ),
  },
  { $id: 'EvidenceQuestion', additionalProperties: false },
);

export const EvidenceState = Type.Object(
  {
    id: Type.String(),
    state: Type.Union([Type.Literal('building'), Type.Literal('ready'), Type.Literal('failed')]),
    mode: Type.String(),
    start: Type.Integer(),
    end: Type.Integer(),
    entry: Type.Integer(),
    done: Type.Optional(Type.Integer()),
    total: Type.Optional(Type.Integer()),
    bytes: Type.Optional(Type.Integer()),
    sha256: Type.Optional(Type.String()),
    matched: Type.Optional(Type.Integer()),
    problem: Type.Optional(Type.String()),
    detail: Type.Optional(Type.String()),
  },
  { $id: 'EvidenceState' },
);

const ID: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'As `POST evidence` answered.',
  schema: Type.String(),
};

export const evidenceRoutes: readonly TokenRoute[] = [
  {
    method: 'POST',
    path: '/:log/evidence',
    access: 'auditor',
    description: {
      summary: 'Ask for an evidence bundle; it is made in the background',
      body: { 'application/json': EvidenceQuestion },
      answers: {
        202: { description: 'It is being made.', content: { 'application/json': EvidenceState } },
        403: { description: 'The question reaches beyond the scope of the token.' },
        422: { description: 'It cannot be proven as asked.' },
        503: { description: 'As many bundles as can be made at once are being made.' },
      },
    },
    handle: requestEvidence,
  },
  {
    method: 'GET',
    path: '/:log/evidence/:id',
    access: 'auditor',
    description: {
      summary: 'How far a bundle is',
      parameters: [ID],
      answers: {
        200: { description: 'Its state.', content: { 'application/json': EvidenceState } },
        404: { description: 'You have no such bundle.' },
      },
    },
    handle: evidenceState,
  },
  {
    method: 'GET',
    path: '/:log/evidence/:id/bundle.zip',
    access: 'auditor',
    description: {
      summary: 'The bundle, or a part of it (Range), with a strong ETag',
      parameters: [ID],
      answers: {
        200: { description: 'The zip.', content: { 'application/zip': Type.String() } },
        206: { description: 'A part of it.', content: { 'application/zip': Type.String() } },
        404: { description: 'You have no such bundle.' },
        409: { description: 'It is still being made, or no checkpoint covers it yet.' },
        416: { description: 'The bundle ends before the range begins.' },
      },
    },
    handle: evidenceFile,
  },
];

async function requestEvidence({ c, served, services, token }: TokenExchange): Promise<Response> {
  const {
    query = '',
    from,
    to,
    mode,
    pinned_size: pinned,
    control,
  } = await readJsonBody(c, services, EvidenceQuestion);
  const pairs = [
    ...parsePairs(query, 'query'),
    ...(from === undefined ? [] : [pairOf('from', from, from, 'from')]),
    ...(to === undefined ? [] : [pairOf('to', to, to, 'to')]),
  ];
  const request = { query: queryOf(pairs), scope: token.scope, mode, pinned, control };
  return stateAnswer(served, await deskOf(served).request(request, token));
}

/** The answer to whoever asked for a bundle: where it will be. */
export function stateAnswer({ log }: Pick<ServedLog, 'log'>, status: EvidenceStatus): Response {
  return privateJson(202, stateJson(status), {
    location: `/${encodeURIComponent(log.name)}/evidence/${status.id}`,
    [READ_ENTRY_HEADER]: `${status.entry}`,
  });
}

function evidenceState({ c, served, token }: TokenExchange): Response {
  readQuery(c, []);
  return privateJson(200, stateJson(deskOf(served).status(c.req.param('id') ?? '', token)));
}

function evidenceFile({ c, served, token }: TokenExchange): Response {
  readQuery(c, []);
  const id = c.req.param('id') ?? '';
  const { file, bytes, sha256 } = deskOf(served).open(id, token);
  const etag = `"${sha256}"`;
  const headers = {
    ...SECURITY_HEADERS,
    etag,
    'content-type': 'application/zip',
    'content-disposition': `attachment; filename="${served.log.name}-evidence-${id}.zip"`,
    'accept-ranges': 'bytes',
    'cache-control': 'no-store',
  };
  const condition = c.req.header('if-range');
  const wanted = condition === undefined || condition === etag ? c.req.header('range') : undefined;
  const part = wanted === undefined ? undefined : readRange(wanted, bytes);
  if (part === 'unsatisfiable') {
    throw new HttpProblem('range-not-satisfiable', `The bundle has ${bytes} bytes.`, {
      headers: { 'content-range': `bytes */${bytes}` },
    });
  }
  const { start, end } = part ?? { start: 0, end: bytes };
  const body = c.req.method === 'HEAD' ? null : streamOf(file, start, end);
  return new Response(body, {
    status: part === undefined ? 200 : 206,
    headers: {
      ...headers,
      'content-length': `${end - start}`,
      ...(part === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes}` }),
    },
  });
}

/** One range, half-open; undefined for anything else, which RFC 9110 §14.2 lets a server answer with the whole. */
function readRange(text: string, bytes: number): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text) ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes : Math.min(bytes, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  return start >= end ? 'unsatisfiable' : { start, end };
}

function streamOf(file: string, start: number, end: number): ReadableStream<Uint8Array> {
  const stream: unknown = Readable.toWeb(createReadStream(file, { start, end: end - 1 }));
  if (stream instanceof ReadableStream) return stream;
  throw new TypeError('the platform made no web stream');
}

function stateJson({ id, mode, range, entry, current }: EvidenceStatus): object {
  const { state } = current;
  const about = { id, state, mode, start: range.start, end: range.end, entry };
  if (current.state === 'building') return { ...about, done: current.done, total: current.total };
  if (current.state === 'ready') {
    const { bytes, sha256, counts } = current;
    return { ...about, bytes, sha256, matched: counts.matched };
  }
  const { code, detail } = problemOf(current.error);
  return { ...about, problem: PROBLEM_PREFIX + code, detail };
}

export function deskOf({ evidence }: Pick<ServedLog, 'evidence'>): EvidenceDesk {
  if (evidence !== undefined) return evidence;
  throw new EvidenceError('no-evidence-here', 'This server makes no evidence bundles.');
}
