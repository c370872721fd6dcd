/**
 * The conductor of the write side: untrusted bytes in, a prepared event out, or an EventProblem and nothing happened.
 *
 *   parse (strict-json) ─▶ identity ─▶ validate ─▶ redact ─▶ split into fields ─▶ commit ─▶ Prepared, for src/log
 *
 * Nothing here waits or touches the disk, but for names that wait for their ids; clock, randomness and keys arrive in the
 * context.
 */
import { canonicalJson, type JsonObject, type JsonValue } from '../../proofs/canonical-json.ts';
import { LOG_FIELD_ID } from '../../proofs/card.ts';
import { SALT_BYTES } from '../../proofs/commitment.ts';
import { splitFields } from '../../proofs/fields.ts';
import { CanonicalWriter } from './canonical-writer.ts';
import { eventOfCloudEvent } from './cloudevent.ts';
import { commit, type FieldPlace, type LogValue } from './commit.ts';
import { writeDigest } from './digest.ts';
import type { IdentityResolver, Unresolved } from './identity.ts';
import { MAX_EVENT_BYTES } from './limits.ts';
import { hmacSha256 } from './mac.ts';
import { checkSalts, needsRedaction, type SignedParts, signedPaths } from './signed-parts.ts';
import { parseEventJson } from './strict-json.ts';
import { termsOf } from './terms.ts';
import { parseTimeUs } from './time.ts';
import { EventProblem, type PrepareContext, type Prepared, type RedactStage } from './types.ts';
import { compileValidate } from './validate.ts';

const CONTENT_MAC_BYTES = 16;
const validate = compileValidate();

export interface PrepareOptions {
  /** The log's own events may use actions that begin with `countersign.`. */
  readonly reservedActions?: boolean;
  /** The event was signed by its producer, who committed to it with salts of their own. */
  readonly signed?: SignedParts;
  /** The event as it was sent, where names in it were replaced by ids since: idempotency goes by what was sent. */
  readonly sent?: JsonValue;
}

/** The redaction stage of a log that has no redaction rules. */
export const redactNothing: RedactStage = (event) => event;

/** One JSON event. Throws EventProblem. */
export function prepareEvent(bytes: Uint8Array, context: PrepareContext): Prepared {
  return prepareValue(parseEventJson(bytes), bytes, context);
}

/** One CloudEvent in structured JSON mode whose `data` is the event. Throws EventProblem. */
export function prepareCloudEvent(bytes: Uint8Array, context: PrepareContext): Prepared {
  const event = eventOfCloudEvent(parseEventJson(bytes));
  return withinData(() => prepareValue(event, bytes, context));
}

/** The same for a log that resolves names (identity.ts): what could not be resolved is told beside the event. */
export async function prepareNamed(
  bytes: Uint8Array,
  form: 'event' | 'cloudevent',
  identity: IdentityResolver,
  context: PrepareContext,
): Promise<{ readonly prepared: Prepared; readonly unresolved: readonly Unresolved[] }> {
  const parsed = parseEventJson(bytes);
  const sent = form === 'event' ? parsed : eventOfCloudEvent(parsed);
  const { value, unresolved } = await identity.resolve(sent);
  const prepare = (): Prepared => prepareValue(value, bytes, context, value === sent ? {} : { sent });
  return { prepared: form === 'event' ? prepare() : withinData(prepare), unresolved };
}

function withinData(prepare: () => Prepared): Prepared {
  try {
    return prepare();
  } catch (error) {
    throw error instanceof EventProblem ? error.within('/data') : error;
  }
}

/**
 * A value that was parsed strictly, with the bytes it came from. Throws EventProblem. The log's own events come this
 * way too, with `reservedActions`.
 */
export function prepareValue(
  value: JsonValue,
  raw: Uint8Array,
  context: PrepareContext,
  options: PrepareOptions = {},
): Prepared {
  const event = validate(value, options);
  const { signed, sent } = options;
  const members = placeMembers(event);
  const text = texts.text(0);
  const byteCount = texts.length;
  if (byteCount > MAX_EVENT_BYTES) {
    const detail = `the event has ${byteCount} bytes in its RFC 8785 form, ${MAX_EVENT_BYTES} are allowed`;
    throw new EventProblem({ code: 'too-large', pointer: '', detail });
  }
  const submitted = sent === undefined ? texts.bytes.subarray(0, byteCount) : canonicalJson(sent);
  const contentMac = contentMacOf(submitted, context.macKeys.content);
  const redacted = context.redact(event, text, signed !== undefined);
  const kept = redacted === event ? event : validate(redacted, options);
  if (kept.event_id !== event.event_id) throw new Error('redaction changed the event_id');
  if (signed !== undefined && kept !== event) throw needsRedaction();
  const paths = signed === undefined ? context.separatePaths(kept.action) : signedPaths(signed, kept, context);
  const fields = kept === event && paths.length === 0 ? members : placeFields(kept, paths, event, members);
  const eventClass = context.classOf?.(kept.action);
  const log = placeValue(LOG_FIELD_ID, {
    catalogue: context.catalogueVersion,
    class: eventClass ?? null,
    clock_offset_us: context.clockOffsetUs,
    raw: hmacSha256(context.macKeys.raw, raw, 'base64'),
    redaction: context.redactionVersion,
  } satisfies LogValue);
  const salts = saltsOf(fields, signed, context);
  const committed = commit({ texts: texts.bytes, fields, log, salts });
  const producerSeq = kept.producer_seq ?? null;
  signed?.verify(producerSeq, committed.cardHash);
  const { producerId } = context;
  const occurredAtUs = occurredAt(kept.occurred_at);
  return {
    eventId: kept.event_id,
    action: kept.action,
    producerId,
    producerSeq,
    ...committed,
    signature: signed?.signature ?? null,
    contentMac,
    terms: context.searchable === false ? [] : termsOf(kept, { producerId, eventClass, occurredAtUs }),
    occurredAtUs,
    byteCount,
  };
}

/** The texts of one event at a time: its RFC 8785 form, and behind it what is committed to in another form. */
const texts = new CanonicalWriter();

/** Writes the event, and tells where each of its members stands. */
function placeMembers(event: JsonObject): readonly FieldPlace[] {
  const places: FieldPlace[] = [];
  texts.restart();
  texts.writeMembers(event, (id, start, end) => places.push({ id, start, end }));
  return places;
}

function placeValue(id: string, value: JsonValue): FieldPlace {
  const start = texts.length;
  texts.write(value);
  return { id, start, end: texts.length };
}

/** What neither redaction nor a path touched is the very value that `before` has, and stays where it stands. */
function placeFields(
  event: JsonObject,
  separatePaths: readonly string[],
  before: JsonObject,
  placesBefore: readonly FieldPlace[],
): readonly FieldPlace[] {
  return splitFields(event, separatePaths).map(([id, value]) => {
    const place = before[id] === value ? placesBefore.find((one) => one.id === id) : undefined;
    return place ?? placeValue(id, value);
  });
}

/** 16 bytes for each field and 16 for `log`: random, but for those that a producer brought. */
function saltsOf(fields: readonly FieldPlace[], signed: SignedParts | undefined, context: PrepareContext): Uint8Array {
  const salts = context.randomBytes(SALT_BYTES * (fields.length + 1));
  if (signed === undefined) return salts;
  const ids = fields.map(({ id }) => id);
  checkSalts(signed, ids);
  for (const [i, id] of ids.entries()) salts.set(signed.salts.get(id) ?? [], SALT_BYTES * i);
  return salts;
}

/** Of the event as submitted, before redaction: what was sent twice is the same even if the rules have changed. */
export function contentMacOf(submitted: Uint8Array | string, key: Uint8Array): Uint8Array {
  const characters = hmacSha256(key, submitted, 'binary');
  const mac = new Uint8Array(CONTENT_MAC_BYTES);
  writeDigest(mac, 0, characters, CONTENT_MAC_BYTES);
  return mac;
}

function occurredAt(text: string): number {
  const us = parseTimeUs(text);
  if (us === undefined) throw new Error('a validated event has no valid occurred_at');
  return us;
}
