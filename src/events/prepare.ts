/**
 * The conductor of the write side: untrusted bytes in, a prepared event out, or an EventProblem and nothing happened.
 *
 *   parse (strict-json) ─▶ identity ─▶ validate ─▶ redact ─▶ split into fields ─▶ commit ─▶ Prepared, for src/log
 *
 * Nothing here waits or touches the disk, but for names that wait for their ids; clock, randomness and keys arrive in the
 * context.
 */
import { Buffer } from 'node:buffer';
import { canonicalJson, type JsonObject, type JsonValue } from '../../proofs/canonical-json.ts';
import { compareFieldIds } from '../../proofs/card.ts';
import { SALT_BYTES } from '../../proofs/commitment.ts';
import { splitFields } from '../../proofs/fields.ts';
import { eventOfCloudEvent } from './cloudevent.ts';
import { commit, logValueText } from './commit.ts';
import type { IdentityResolver, Unresolved } from './identity.ts';
import { MAX_EVENT_BYTES } from './limits.ts';
import { hmacSha256 } from './mac.ts';
import { checkSalts, needsRedaction, type SignedParts, signedPaths } from './signed-parts.ts';
import { parseEventJson } from './strict-json.ts';
import { termsOf } from './terms.ts';
import { parseTimeUs } from './time.ts';
import { EventProblem, type FieldText, type PrepareContext, type Prepared, type RedactStage } from './types.ts';
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
  const members = memberTexts(event);
  const text = objectText(members);
  const byteCount = Buffer.byteLength(text);
  if (byteCount > MAX_EVENT_BYTES) {
    const detail = `the event has ${byteCount} bytes in its RFC 8785 form, ${MAX_EVENT_BYTES} are allowed`;
    throw new EventProblem({ code: 'too-large', pointer: '', detail });
  }
  const { signed } = options;
  const redacted = context.redact(event, text, signed !== undefined);
  const kept = redacted === event ? event : validate(redacted, options);
  if (kept.event_id !== event.event_id) throw new Error('redaction changed the event_id');
  if (signed !== undefined && kept !== event) throw needsRedaction();
  const paths = signed === undefined ? context.separatePaths(kept.action) : signedPaths(signed, kept, context);
  const fields = kept === event && paths.length === 0 ? members : fieldTexts(kept, paths, event, members);
  if (signed !== undefined) checkSalts(signed, fields);
  const eventClass = context.classOf?.(kept.action);
  const log = logValueText({
    catalogue: context.catalogueVersion,
    eventClass: eventClass ?? null,
    redaction: context.redactionVersion,
    clockOffsetUs: context.clockOffsetUs,
    raw: hmacSha256(context.macKeys.raw, raw, 'base64'),
  });
  const secret = context.randomBytes(SALT_BYTES);
  const occurredAtUs = occurredAt(kept.occurred_at);
  const salts = signed?.salts ?? null;
  const producerSeq = kept.producer_seq ?? null;
  const committed = commit({ fields, logValueText: log, secret, salts, hasher: context.hasher });
  signed?.verify(producerSeq, committed.cardHash);
  return {
    eventId: kept.event_id,
    producerId: context.producerId,
    producerSeq,
    ...committed,
    signature: signed?.signature ?? null,
    secret,
    salts,
    fields,
    logValueText: log,
    contentMac: contentMac(options.sent === undefined ? text : canonicalJson(options.sent), context.macKeys.content),
    terms:
      context.searchable === false ? [] : termsOf(kept, { producerId: context.producerId, eventClass, occurredAtUs }),
    occurredAtUs,
    byteCount,
  };
}

/** Each top-level member as it is committed to when nothing is taken out of it, in the card's order. */
function memberTexts(event: JsonObject): readonly FieldText[] {
  // A validated event has ASCII names only, for which sort() gives the order of bytes and of RFC 8785 alike.
  return Object.keys(event)
    .sort()
    .map((name): FieldText => [name, canonicalJson(event[name] ?? null)]);
}

/** The RFC 8785 text of an object with these members; their names need no escapes. */
function objectText(members: readonly FieldText[]): string {
  return `{${members.map(([name, valueText]) => `"${name}":${valueText}`).join(',')}}`;
}

/** What neither redaction nor a path touched is the very value that `before` has, and keeps its text. */
function fieldTexts(
  event: JsonObject,
  separatePaths: readonly string[],
  before: JsonObject,
  textsBefore: readonly FieldText[],
): readonly FieldText[] {
  const texts = new Map(textsBefore);
  const fields = splitFields(event, separatePaths).map(([id, value]): FieldText => {
    const text = before[id] === value ? texts.get(id) : undefined;
    return [id, text ?? canonicalJson(value)];
  });
  return fields.sort(([a], [b]) => compareFieldIds(a, b));
}

/** Of the event as submitted, before redaction: what was sent twice is the same even if the rules have changed. */
function contentMac(text: string, key: Uint8Array): Uint8Array {
  const characters = hmacSha256(key, text, 'binary');
  const mac = new Uint8Array(CONTENT_MAC_BYTES);
  for (let i = 0; i < CONTENT_MAC_BYTES; i++) mac[i] = characters.charCodeAt(i);
  return mac;
}

function occurredAt(text: string): number {
  const us = parseTimeUs(text);
  if (us === undefined) throw new Error('a validated event has no valid occurred_at');
  return us;
}
