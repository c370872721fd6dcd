/**
 * One event: opened, or its receipt. By its id, which several producers may have used (409 until `?producer=` says which),
 * or by its index below `events/by-index/`. No id can be mistaken for an index there: an id is one path segment.
 */
import { Type } from '@sinclair/typebox';
import { base64Encode } from '../../proofs/bytes.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { parseTlogProof } from '../../proofs/tlog-proof.ts';
import { LogError, type StoredEvent } from '../log/types.ts';
import { openedEventOf } from '../trail/open.ts';
import { HttpProblem } from './problems.ts';
import { decimal, readQuery } from './query.ts';
import { JSON_CONTENT_TYPE, privateJson, respond, SECURITY_HEADERS, TEXT_CONTENT_TYPE } from './respond.ts';
import type { Parameter, TokenExchange, TokenRoute } from './route.ts';
import { EventProof, OpenedEventJson } from './schemas.ts';

const ID: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The event_id.',
  schema: Type.String(),
};
const INDEX: Parameter = {
  name: 'index',
  in: 'path',
  required: true,
  description: 'Index of the event, from 0.',
  schema: Type.Integer({ minimum: 0 }),
};
const PRODUCER: Parameter = {
  name: 'producer',
  in: 'query',
  description: 'The producer, where several used the same event_id.',
  schema: Type.String(),
};
const PREFER: Parameter = {
  name: 'Prefer',
  in: 'header',
  description: '`wait=N`: wait up to N seconds for the event to be published.',
  schema: Type.String(),
};

const OPENED_ANSWERS = {
  200: { description: 'The opened event.', content: { 'application/json': OpenedEventJson } },
  404: { description: 'There is no such event.' },
  409: { description: 'Several producers used this event_id.' },
};
const PROOF_ANSWERS = {
  200: {
    description: 'The receipt: a C2SP tlog-proof file whose `extra` is the entry, or the same as JSON.',
    content: { 'text/plain': Type.String(), 'application/json': EventProof },
  },
  404: { description: 'There is no such event.' },
  409: { description: 'Not yet under a published checkpoint (try again after Retry-After), or an ambiguous event_id.' },
};

export const eventRoutes: readonly TokenRoute[] = [
  {
    method: 'GET',
    path: '/:log/events/by-index/:index{[0-9]+}',
    access: 'auditor',
    description: { summary: 'One opened event, by index', parameters: [INDEX], answers: OPENED_ANSWERS },
    handle: async (exchange) => openedAnswer(await eventByIndex(exchange)),
  },
  {
    method: 'GET',
    path: '/:log/events/by-index/:index{[0-9]+}/proof',
    access: 'auditor',
    description: { summary: 'Receipt of an event, by index', parameters: [INDEX, PREFER], answers: PROOF_ANSWERS },
    handle: async (exchange) => proofAnswer(exchange, await eventByIndex(exchange)),
  },
  {
    method: 'GET',
    path: '/:log/events/:id',
    access: 'auditor',
    description: { summary: 'One opened event, by event_id', parameters: [ID, PRODUCER], answers: OPENED_ANSWERS },
    handle: async (exchange) => openedAnswer(await eventById(exchange)),
  },
  {
    method: 'GET',
    path: '/:log/events/:id/proof',
    access: 'auditor',
    description: {
      summary: 'Receipt of an event, by event_id',
      parameters: [ID, PRODUCER, PREFER],
      answers: PROOF_ANSWERS,
    },
    handle: async (exchange) => proofAnswer(exchange, await eventById(exchange)),
  },
];

async function eventByIndex({ c, served: { log } }: TokenExchange): Promise<StoredEvent> {
  readQuery(c, []);
  const index = decimal(c.req.param('index') ?? '', 'index');
  const stored = await log.eventAt(index);
  if (stored === undefined) throw new HttpProblem('unknown-event', `The log has no event ${index}.`);
  return stored;
}

async function eventById({ c, served: { log } }: TokenExchange): Promise<StoredEvent> {
  const producer = readQuery(c, ['producer']).get('producer');
  const indices = await log.findEvent(c.req.param('id') ?? '', producer);
  const [index, ...others] = indices;
  if (index === undefined) throw new HttpProblem('unknown-event', 'The log has no event of this id.');
  if (others.length > 0) {
    throw new LogError('ambiguous-event-id', 'Say which with ?producer=, or take one by its index.', {
      indices: indices.join(', '),
    });
  }
  const stored = await log.eventAt(index);
  if (stored === undefined) throw new Error(`event ${index} is in the index of ids and not in the log`);
  return stored;
}

function openedAnswer(stored: StoredEvent): Response {
  return respond(200, `${formatOpenedEvent(openedEventOf(stored))}\n`, {
    ...SECURITY_HEADERS,
    'content-type': JSON_CONTENT_TYPE,
    'cache-control': 'no-store',
  });
}

async function proofAnswer({ c, served: { log }, services }: TokenExchange, stored: StoredEvent): Promise<Response> {
  const form = chosenForm(c.req.header('accept'));
  const waitSeconds = services.waits.granted(c.req.header('prefer'));
  const waited =
    waitSeconds === undefined ? undefined : await services.waits.forPublished(log, stored.index, waitSeconds);
  const receipt = await log.receipt(stored.index);
  if (receipt === undefined) throw notYetPublished(stored.index, log.publishedSize());
  const headers = { vary: 'accept', ...(waited?.applied ? { 'preference-applied': `wait=${waitSeconds}` } : {}) };
  if (form === 'json') return privateJson(200, proofJson(stored, receipt), headers);
  return respond(200, receipt, {
    ...SECURITY_HEADERS,
    'content-type': TEXT_CONTENT_TYPE,
    'cache-control': 'no-store',
    'content-disposition': `attachment; filename="${stored.index}.tlog-proof"`,
    ...headers,
  });
}

/** The file unless JSON is asked for by name: what a browser or curl sends means the file. */
function chosenForm(accept: string | undefined): 'text' | 'json' {
  if (accept === undefined) return 'text';
  const types = accept.split(',').map((type) => type.split(';')[0]?.trim().toLowerCase() ?? '');
  if (types.some((type) => type === 'text/plain')) return 'text';
  if (types.some((type) => type === 'application/json')) return 'json';
  if (types.some((type) => type === '*/*' || type === 'text/*')) return 'text';
  if (types.some((type) => type === 'application/*')) return 'json';
  throw new HttpProblem('not-acceptable', 'A receipt is text/plain or application/json.');
}

function proofJson(stored: StoredEvent, receipt: string): object {
  const { index, proof, checkpoint } = parseTlogProof(receipt);
  return {
    index,
    size: parseCheckpoint(checkpoint).checkpoint.size,
    leaf_hash: base64Encode(stored.leafHash),
    proof: proof.map((hash) => base64Encode(hash)),
    checkpoint,
    entry: base64Encode(stored.entry),
    receipt,
  };
}

function notYetPublished(index: number, publishedSize: number): HttpProblem {
  return new HttpProblem(
    'not-yet-published',
    `The event ${index} is durable; the published checkpoint covers ${publishedSize} events and will follow.`,
    { headers: { 'retry-after': '1' }, members: { index, published_size: publishedSize } },
  );
}
