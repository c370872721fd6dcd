/**
 * `POST add`: opaque bytes into a raw log. The answer is the decimal index and nothing else, given once the entry is
 * durable and integrated: any load generator of this ecosystem speaks that.
 */
import { Type } from '@sinclair/typebox';
import { MAX_BUNDLE_ENTRY_BYTES } from '../../proofs/tile.ts';
import { LogError } from '../log/types.ts';
import { type PlainAnswer, SECURITY_HEADERS, TEXT_CONTENT_TYPE } from './respond.ts';
import type { HotExchange, RawRoute, ServedRawLog } from './route.ts';

export const addRoutes: readonly RawRoute[] = [
  {
    method: 'POST',
    path: '/:log/add',
    access: 'raw',
    description: {
      summary: 'Add bytes to a raw log',
      body: { 'application/octet-stream': Type.String({ format: 'binary', maxLength: MAX_BUNDLE_ENTRY_BYTES }) },
      answers: {
        200: {
          description: 'The index, in decimal digits: the entry is durable and integrated, and keeps it for ever.',
          content: { 'text/plain': Type.String({ pattern: '^[0-9]+$' }) },
        },
        404: { description: 'No such log, or one of audit events.' },
        413: { description: 'Too large.' },
        503: { description: 'Overloaded or stopped: nothing was stored; try again after Retry-After.' },
      },
    },
    answer: add,
  },
];

const HEADERS = { ...SECURITY_HEADERS, 'content-type': TEXT_CONTENT_TYPE, 'cache-control': 'no-store' } as const;

async function add(exchange: HotExchange<ServedRawLog>): Promise<PlainAnswer> {
  const { c, served, services } = exchange;
  const { log } = served;
  const { bodies, metrics } = services;
  const entry = await bodies.read(c, MAX_BUNDLE_ENTRY_BYTES);
  const startedMs = performance.now();
  try {
    const [result] = await log.add([entry]);
    if (result === undefined) throw new Error('the log answered nothing for one entry');
    metrics.submitTook(log.name, performance.now() - startedMs);
    metrics.submitted(log.name, result.status, 1);
    return { status: 200, headers: HEADERS, body: `${result.index}` };
  } catch (error) {
    if (error instanceof LogError && error.code === 'overloaded') metrics.submitted(log.name, 'overloaded', 1);
    throw error;
  }
}
