/**
 * CloudEvents 1.0 in structured JSON mode (application/cloudevents+json) whose `data` is an event of ours. The envelope's
 * attributes are kept, all of them, as `context.cloudevent`; `id` and `time` stand in for an `event_id` and
 * `occurred_at` that the event does not have.
 */
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { EventProblem } from './types.ts';

const SPEC_VERSION = '1.0';
/** Where the envelope goes. */
const ENVELOPE_KEY = 'cloudevent';

/** The event in a CloudEvent, still to be validated. Throws EventProblem `invalid-cloudevent`. */
export function eventOfCloudEvent(value: JsonValue): JsonObject {
  if (!isObject(value)) throw invalid('', 'a CloudEvent is a JSON object');
  const { data, ...envelope } = value;
  if (envelope['specversion'] !== SPEC_VERSION) throw invalid('/specversion', `must be "${SPEC_VERSION}"`);
  for (const name of ['id', 'source', 'type']) {
    const attribute = envelope[name];
    if (typeof attribute !== 'string' || attribute === '') throw invalid(`/${name}`, 'must be a string, not empty');
  }
  const { id, time, data_base64: base64, datacontenttype } = envelope;
  if (base64 !== undefined) throw invalid('/data_base64', 'the event goes into data, as JSON');
  if (datacontenttype !== undefined && !isJsonType(datacontenttype)) {
    throw invalid('/datacontenttype', 'must be application/json');
  }
  if (!isObject(data)) throw invalid('/data', 'must be an event: a JSON object');
  const context = data['context'] ?? {};
  if (!isObject(context)) throw invalid('/data/context', 'must be an object');
  if (Object.hasOwn(context, ENVELOPE_KEY)) {
    throw invalid(`/data/context/${ENVELOPE_KEY}`, 'is where the envelope is kept, and cannot be given');
  }
  return {
    ...(id !== undefined && { event_id: id }),
    ...(time !== undefined && { occurred_at: time }),
    ...data,
    context: { ...context, [ENVELOPE_KEY]: envelope },
  };
}

function isJsonType(type: JsonValue): boolean {
  return typeof type === 'string' && /^application\/json\s*(;|$)/i.test(type);
}

function invalid(pointer: string, detail: string): EventProblem {
  return new EventProblem({ code: 'invalid-cloudevent', pointer, detail });
}
