/**
 * Events in: one as JSON or CloudEvent, or many as NDJSON (batch.ts). This is the hot path: the body is read once, as
 * bytes; `prepare` turns it into commitments; the log answers when the event is durable and integrated.
 *
 * 201 for a new event, 200 for one that is there already. With `Prefer: wait=N` the answer waits up to N seconds for the
 * cosigned receipt; without one in time it is the plain acknowledgement, and nothing is lost.
 */
import { Type } from '@sinclair/typebox';
import { SIGNED_MEDIA_TYPE } from '../events/prepare-signed.ts';
import { EventSchema } from '../events/schema.ts';
import { EventProblem, type Prepared } from '../events/types.ts';
import { takeBatch } from './batch.ts';
import { HttpProblem } from './problems.ts';
import { reportConflicts, reportRefused } from './refusals.ts';
import { type PlainAnswer, privateJsonAnswer } from './respond.ts';
import type { SubmitExchange, SubmitRoute } from './route.ts';
import { Acknowledgement, BatchLine } from './schemas.ts';
import {
  acknowledgement,
  conflictProblem,
  contextOf,
  prepareBody,
  type SubmissionForm,
  submitGroup,
} from './submission.ts';

export const submitRoutes: readonly SubmitRoute[] = [
  {
    method: 'POST',
    path: '/:log/events',
    access: 'submit',
    description: {
      summary: 'Submit one event, or a batch of them',
      parameters: [
        {
          name: 'Prefer',
          in: 'header',
          description: '`wait=N`: wait up to N seconds for the cosigned receipt.',
          schema: Type.String(),
        },
      ],
      body: {
        'application/json': EventSchema,
        'application/x-ndjson': Type.String({ description: 'One event a line.' }),
        'application/cloudevents+json': Type.Object({}, { description: 'CloudEvents 1.0; `data` is the event.' }),
        [SIGNED_MEDIA_TYPE]: Type.Object(
          {},
          { description: '{key, event, salts, signature}: signed by its producer.' },
        ),
      },
      answers: {
        200: {
          description: 'The event was there already; or, for a batch, what became of each line.',
          content: { 'application/json': Acknowledgement, 'application/x-ndjson': BatchLine },
        },
        201: {
          description: 'The event is durable, sequenced and integrated.',
          content: { 'application/json': Acknowledgement },
        },
        413: { description: 'Too large.' },
        415: { description: 'Not one of the content types above.' },
        422: { description: 'Not a valid event, or its event_id was used before for other content.' },
        503: { description: 'Overloaded or stopped: nothing was stored; try again after Retry-After.' },
      },
    },
    answer: submit,
  },
];

const ACCEPTED_TYPES = `application/json, application/x-ndjson, application/cloudevents+json, ${SIGNED_MEDIA_TYPE}`;

async function submit(exchange: SubmitExchange): Promise<PlainAnswer> {
  const contentType = exchange.c.req.header('content-type');
  switch (mediaType(contentType)) {
    case 'application/json':
      return submitOne(exchange, 'event');
    case 'application/cloudevents+json':
      return submitOne(exchange, 'cloudevent');
    case SIGNED_MEDIA_TYPE:
      return submitOne(exchange, 'signed');
    case 'application/x-ndjson':
      return takeBatch(exchange);
    default:
      throw new HttpProblem('unsupported-content-type', `Send one of: ${ACCEPTED_TYPES}; in UTF-8.`, {
        headers: { accept: ACCEPTED_TYPES },
      });
  }
}

/** Lower case, without parameters; '' if there is none or if it names a charset other than UTF-8. */
function mediaType(header: string | undefined): string {
  if (header === undefined) return '';
  if (header === 'application/json') return header;
  const [type = '', ...parameters] = header.toLowerCase().split(';');
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=');
    if (name.trim() === 'charset' && value.trim().replaceAll('"', '') !== 'utf-8') return '';
  }
  return type.trim();
}

async function submitOne(exchange: SubmitExchange, form: SubmissionForm): Promise<PlainAnswer> {
  const { c, served, services } = exchange;
  const { log } = served;
  const body = await services.bodies.read(c, services.limits.maxEventBytes);
  const prepared = await prepareOne(exchange, body, form);
  const [result] = await submitGroup(exchange, [prepared]);
  if (result === undefined) throw new Error('the log answered nothing for one event');
  if (result.status === 'conflict') {
    await reportConflicts(exchange, [{ eventId: prepared.eventId, index: result.index }]);
    throw conflictProblem(result.index);
  }
  const acknowledged = acknowledgement(prepared.eventId, result);
  const status = result.status === 'accepted' ? 201 : 200;
  const headers = { location: `/${log.name}/events/by-index/${result.index}` };
  const waitSeconds = services.waits.granted(c.req.header('prefer'));
  if (waitSeconds === undefined) return privateJsonAnswer(status, acknowledged, headers);

  const { published, applied } = await services.waits.forPublished(log, result.index, waitSeconds);
  const receipt = published ? await log.receipt(result.index) : undefined;
  return privateJsonAnswer(status, receipt === undefined ? acknowledged : { ...acknowledged, receipt }, {
    ...headers,
    ...(applied ? { 'preference-applied': `wait=${waitSeconds}` } : {}),
  });
}

async function prepareOne(exchange: SubmitExchange, body: Uint8Array, form: SubmissionForm): Promise<Prepared> {
  try {
    return await prepareBody(exchange, body, form, contextOf(exchange));
  } catch (error) {
    if (error instanceof EventProblem) await reportRefused(exchange, [{ bytes: body, problem: error }]);
    throw error;
  }
}
