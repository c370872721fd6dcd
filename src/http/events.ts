/**
 * One event: opened, or its receipt. By its id, which several producers may have used (409 until `?producer=` says which),
 * or by its index below `events/by-index/`. No id can be mistaken for an index there: an id is one path segment.
 *
 * Beyond the scope of the token an index is 403, because everybody knows that it exists; an id is 404, because nobody
 * beyond the scope shall learn whether it does. Both are entries.
 */
import { Type } from '@sinclair/typebox';
import { base64Encode } from '../../proofs/bytes.ts';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import { parseCheckpoint } from '../../proofs/checkpoint.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { parseTlogProof } from '../../proofs/tlog-proof.ts';
import { MAX_EVENT_ID_CHARACTERS } from '../events/limits.ts';
import { LogError, type StoredEvent } from '../log/types.ts';
import { openedEventOf } from '../trail/open.ts';
import { isInScope, OutOfScope } from '../trail/scope.ts';
import { tokenActor } from '../trail/trail.ts';
import { recordRefusal } from './authenticate.ts';
import { HttpProblem } from './problems.ts';
import { decimal, readQuery } from './query.ts';
import { type Read, recordRead } from './reads.ts';
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
  410: { description: 'The log was restored from a mirror: the contents are lost, the receipt can still be had.' },
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
    handle: async (exchange) => openedAnswer(exchange, await eventByIndex(exchange)),
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
    handle: async (exchange) => openedAnswer(exchange, await eventById(exchange)),
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

async function eventByIndex(exchange: TokenExchange): Promise<StoredEvent> {
  const { c, served, token } = exchange;
  readQuery(c, []);
  const index = decimal(c.req.param('index') ?? '', 'index');
  const stored = await served.log.eventAt(index);
  if (stored === undefined) {
    await recordRead(exchange, nothingThere({ index }));
    throw new HttpProblem('unknown-event', `The log has no event ${index}.`);
  }
  if (await isInScope(served.log, token.scope, stored)) return stored;
  throw new OutOfScope('index', 'the scope of this token does not cover this event');
}

async function eventById(exchange: TokenExchange): Promise<StoredEvent> {
  const { c, served } = exchange;
  const producer = readQuery(c, ['producer']).get('producer');
  const id = c.req.param('id') ?? '';
  const found = await served.log.eventsAt(await served.log.findEvent(id, producer));
  const visible = await visibleOf(exchange, found);
  const [stored, ...others] = visible;
  if (stored === undefined) {
    if (found.length > 0) await recordRefusal(c, served, tokenActor(exchange.token), 'out-of-scope');
    else await recordRead(exchange, nothingThere({ event_id: id.slice(0, MAX_EVENT_ID_CHARACTERS) }));
    throw new HttpProblem('unknown-event', 'The log has no event of this id.');
  }
  if (others.length > 0) {
    throw new LogError('ambiguous-event-id', 'Say which with ?producer=, or take one by its index.', {
      indices: visible.map(({ index }) => index).join(', '),
    });
  }
  return stored;
}

async function visibleOf({ served, token }: TokenExchange, found: readonly StoredEvent[]): Promise<StoredEvent[]> {
  const visible: StoredEvent[] = [];
  for (const stored of found) if (await isInScope(served.log, token.scope, stored)) visible.push(stored);
  return visible;
}

function nothingThere(asked: JsonObject): Read {
  return { action: 'countersign.read.event', results: 0, failure: 'unknown-event', context: asked };
}

async function openedAnswer(exchange: TokenExchange, stored: StoredEvent): Promise<Response> {
  if (stored.contentsLost) {
    const asked = { what: 'event', index: stored.index };
    await recordRead(exchange, {
      action: 'countersign.read.event',
      results: 0,
      failure: 'contents-lost',
      context: asked,
    });
    throw new HttpProblem('contents-lost', `The contents of event ${stored.index} are lost: its receipt is at /proof.`);
  }
  const text = `${formatOpenedEvent(openedEventOf(stored))}\n`;
  return respond(200, text, {
    ...SECURITY_HEADERS,
    'content-type': JSON_CONTENT_TYPE,
    'cache-control': 'no-store',
    ...(await recordOne(exchange, stored, 'event')),
  });
}

async function proofAnswer(exchange: TokenExchange, stored: StoredEvent): Promise<Response> {
  const { c, served, services } = exchange;
  const { log } = served;
  const form = chosenForm(c.req.header('accept'));
  const waitSeconds = services.waits.granted(c.req.header('prefer'));
  const waited =
    waitSeconds === undefined ? undefined : await services.waits.forPublished(log, stored.index, waitSeconds);
  const receipt = await log.receipt(stored.index);
  // Nothing is given away yet: whoever waits for the receipt asks again, and only the answer is a read.
  if (receipt === undefined) throw notYetPublished(stored.index, log.publishedSize());
  const headers = {
    vary: 'accept',
    ...(waited?.applied ? { 'preference-applied': `wait=${waitSeconds}` } : {}),
    ...(await recordOne(exchange, stored, 'receipt')),
  };
  if (form === 'json') return privateJson(200, proofJson(stored, receipt), headers);
  return respond(200, receipt, {
    ...SECURITY_HEADERS,
    'content-type': TEXT_CONTENT_TYPE,
    'cache-control': 'no-store',
    'content-disposition': `attachment; filename="${stored.index}.tlog-proof"`,
    ...headers,
  });
}

function recordOne(
  exchange: TokenExchange,
  { index }: StoredEvent,
  what: 'event' | 'receipt',
): Promise<Readonly<Record<string, string>>> {
  return recordRead(exchange, { action: 'countersign.read.event', index, results: 1, context: { what } });
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
