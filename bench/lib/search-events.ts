/**
 * The events of bench/search.ts: what a filter can ask of event `i` follows from its number, so that every answer can be
 * checked. They are put straight into the log, in the server's process and before it listens: through the front door,
 * ten million events take an hour.
 *
 * From `submit` on they go the way of all events: entries, tree, contents, ids, search terms, heads. What comes before
 * that is made cheaply: all have the same salts, so that a field that many have in common is committed to once. They say
 * what `prepareEvent` makes of the same JSON, which is compared, and what is stored verifies as always.
 */
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { CARD_LABEL, LOG_FIELD_ID } from '../../proofs/card.ts';
import { CborWriter } from '../../proofs/cbor-writer.ts';
import { commitField, SALT_BYTES } from '../../proofs/commitment.ts';
import { fieldTexts, logText } from '../../src/events/contents.ts';
import { prepareEvent } from '../../src/events/prepare.ts';
import { searchTerm, termsOf } from '../../src/events/terms.ts';
import type { PrepareContext, Prepared } from '../../src/events/types.ts';
import type { Log } from '../../src/log/types.ts';
import { nativeHasher } from '../../src/store/native-hasher.ts';

const DAYS = 150;
const DAY_MS = 86_400_000;
const FIRST_DAY_MS = Date.UTC(2026, 0, 1);
/** Actors and targets are taken in turn. */
export const ACTORS = 20_000;
const TARGETS = 100_000;
/** Sets of 150 events, equally far apart over the whole log; each request asks for another one, so that little is warm. */
export const SPREADS = 50;
const SPREAD_EVENTS = 150;
const RULES = 7;
const ACTIONS = ['role.grant', 'role.revoke', 'user.create', 'user.suspend'] as const;

const GROUP_EVENTS = 1000;
const PROGRESS_GROUPS = 500;
/** Events that are compared with what `prepareEvent` makes of them. */
const COMPARED_EVENTS = 100;

/** Events of the actor `u_N`, with N below ACTORS. */
export function eventsOfActor(actor: number, eventCount: number): number {
  return Math.ceil(Math.max(0, eventCount - actor) / ACTORS);
}

/** The one event of `actor:u_unique`. */
function uniqueEvent(eventCount: number): number {
  return Math.floor(eventCount / 2) + Math.min(12_345, Math.floor(eventCount / 4));
}

function spreadOf(i: number, eventCount: number): number {
  return i % Math.max(1, Math.floor(eventCount / SPREAD_EVENTS));
}

function dayOf(i: number, eventCount: number): number {
  return Math.floor((i / eventCount) * DAYS);
}

function dayStartMs(day: number): number {
  return FIRST_DAY_MS + day * DAY_MS;
}

function idOf(i: number): string {
  return `b${String(i).padStart(12, '0')}`;
}

function eventOf(i: number, eventCount: number) {
  const even = i % 2 === 0;
  const spread = spreadOf(i, eventCount);
  return {
    event_id: idOf(i),
    occurred_at: new Date(dayStartMs(dayOf(i, eventCount))).toISOString(),
    tenant: even ? 'acme' : 'umbrella',
    actor: { type: 'user', id: i === uniqueEvent(eventCount) ? 'u_unique' : `u_${i % ACTORS}`, role: 'member' },
    action: ACTIONS[i % ACTIONS.length] ?? '',
    target: { type: even ? 'user' : 'invoice', id: `t_${i % TARGETS}` },
    outcome: { result: even ? ('success' as const) : ('denied' as const) },
    authorization: { decision: 'allow' as const, rule: `policy.access.v${i % RULES}#owner` },
    ...(spread < SPREADS ? { correlation_id: `spread-${spread}` } : {}),
    context: {
      granted_role: 'viewer',
      revoked_role: 'viewer',
      request_id: `req_${i % ACTORS}`,
      note: 'x'.repeat(140),
    },
  };
}

/** Submits the events, from the first on; each is accepted. */
export async function fillLog(log: Log, context: PrepareContext, eventCount: number): Promise<void> {
  const startedMs = performance.now();
  const prepare = createPrepare(context, eventCount);
  for (let first = 0; first < eventCount; first += GROUP_EVENTS) {
    const count = Math.min(GROUP_EVENTS, eventCount - first);
    const results = await log.submit(Array.from({ length: count }, (_, i) => prepare(first + i)));
    if (results.some(({ status }) => status !== 'accepted')) throw new Error(`events from ${first} on were not taken`);
    if ((first / GROUP_EVENTS + 1) % PROGRESS_GROUPS !== 0) continue;
    process.stdout.write(`${first + count} events, ${Math.round((performance.now() - startedMs) / 1000)} s\n`);
  }
}

/** A field of an event, and which of its values: events with the same variant have the same one. */
type Variant = readonly [id: Exclude<keyof MadeEvent, 'event_id'>, variant: number];
type MadeEvent = ReturnType<typeof eventOf>;

/** In the order of the card; `event_id`, which has no variants, stands between `correlation_id` and `occurred_at`. */
function variantsOf(i: number, eventCount: number): readonly Variant[] {
  const spread = spreadOf(i, eventCount);
  return [
    ['action', i % ACTIONS.length],
    ['actor', i === uniqueEvent(eventCount) ? ACTORS : i % ACTORS],
    ['authorization', i % RULES],
    ['context', i % ACTORS],
    ...(spread < SPREADS ? [['correlation_id', spread] as const] : []),
    ['occurred_at', dayOf(i, eventCount)],
    ['outcome', i % 2],
    ['target', i % TARGETS],
    ['tenant', i % 2],
  ];
}

interface EncodedField {
  /** In the contents of an event: id, text and salt. */
  readonly contents: Uint8Array;
  /** In its card: id and commitment. */
  readonly card: Uint8Array;
  readonly terms: readonly string[];
}

function createPrepare(context: PrepareContext, eventCount: number): (i: number) => Prepared {
  const { producerId } = context;
  const encoder = new TextEncoder();
  const properly = (i: number): Prepared =>
    prepareEvent(encoder.encode(JSON.stringify(eventOf(i, eventCount))), context);
  const model = properly(0);
  const producerTerm = searchTerm('producer', producerId);
  const salt = new Uint8Array(SALT_BYTES).fill(7);
  const writer = new CborWriter();
  const encode = (id: keyof MadeEvent, value: JsonValue, terms: readonly string[]): EncodedField => {
    const text = canonicalJson(value);
    const commitment = commitField(salt, id, text, nativeHasher);
    return {
      contents: writer.restart().array(3).text(id).text(text).bytes(salt).copy(),
      card: writer.restart().array(2).text(id).bytes(commitment).copy(),
      terms,
    };
  };
  const kept = new Map<string, EncodedField[]>();
  const encodeOnce = ([id, variant]: Variant, i: number): EncodedField => {
    const variants = kept.get(id) ?? [];
    kept.set(id, variants);
    const known = variants[variant];
    if (known !== undefined) return known;
    const event = eventOf(i, eventCount);
    const field = encode(id, event[id] ?? null, termsOfField(id, event, context));
    variants[variant] = field;
    return field;
  };
  const log = logText(model.contents);
  const logCommitment = commitField(salt, LOG_FIELD_ID, log, nativeHasher);
  const logContents = new CborWriter().array(2).text(log).bytes(salt).copy();
  const prepare = (i: number): Prepared => {
    const variants = variantsOf(i, eventCount);
    const fields = variants.map((variant) => encodeOnce(variant, i));
    const eventId = idOf(i);
    fields.splice(variants.length - AFTER_EVENT_ID, 0, encode('event_id', eventId, []));
    writer.restart().array(2).text(CARD_LABEL).array(fields.length);
    for (const { card } of fields) writer.encoded(card);
    const cardHash = nativeHasher.sha256(writer.view());
    writer.restart().array(3).null().array(fields.length);
    for (const { contents } of fields) writer.encoded(contents);
    const contents = writer.encoded(logContents).copy();
    const contentMac = new Uint8Array(model.contentMac.length);
    new DataView(contentMac.buffer).setFloat64(0, i);
    const terms = [producerTerm, ...fields.flatMap((field) => field.terms)];
    const occurredAtUs = 1000 * dayStartMs(dayOf(i, eventCount));
    return { ...model, eventId, cardHash, logCommitment, contents, contentMac, occurredAtUs, terms };
  };
  for (let i = 0; i < Math.min(COMPARED_EVENTS, eventCount); i++) {
    const [made, proper] = [prepare(i), properly(i)].map(({ contents, terms, eventId, occurredAtUs }) =>
      JSON.stringify([fieldTexts(contents), terms.toSorted(), eventId, occurredAtUs]),
    );
    if (made !== proper) throw new Error(`event ${i} is made wrongly: ${made} and not ${proper}`);
  }
  return prepare;
}

/** Fields behind `event_id` in the card. */
const AFTER_EVENT_ID = 4;

/** Which terms a field brings, by the letters that they begin with (src/events/terms.ts). */
const LETTERS: Readonly<Record<string, string>> = {
  action: 'vpc',
  actor: 'a',
  authorization: 'r',
  correlation_id: 'k',
  occurred_at: 'd',
  outcome: 'o',
  target: 'ty',
  tenant: 'n',
};

function termsOfField(
  id: keyof MadeEvent,
  event: MadeEvent,
  { classOf, producerId }: PrepareContext,
): readonly string[] {
  const occurredAtUs = 1000 * Date.parse(event.occurred_at);
  const terms = termsOf(event, { producerId, eventClass: classOf?.(event.action), occurredAtUs });
  return terms.filter((term) => LETTERS[id]?.includes(term.charAt(0)));
}
