/**
 * The events of the benchmarks: 600 bytes each as sent, like the example of DESIGN.md, different in what the search index
 * sees (actors, targets, actions, outcomes), written into a buffer without building any object. An event's number is in
 * its id, so that whatever comes back can be told apart.
 */
import { Buffer } from 'node:buffer';

export const EVENT_BYTES = 600;

/** How ids are ordered: `ulid` grow with time, `uuid` are spread over all keys of the store. */
export type IdKind = 'ulid' | 'uuid';

export const ACTORS = 20_000;
export const TARGETS = 100_000;
/** All in the starter catalogue, with nothing that these events do not have. */
const ACTIONS = [
  'role.create',
  'role.delete',
  'role.update',
  'user.create',
  'user.delete',
  'user.suspend',
  'session.logout',
  'billing.plan.change',
  'billing.address.update',
  'invoice.void',
  'payment.void',
  'price.change',
  'customer.view',
  'customer.export',
  'record.update',
  'report.export',
] as const;

const ZERO = 0x30;
const HEX = '0123456789abcdef';
/** As mixed as the characters of a real ULID: a long run of digits would be looked at as if it were a card number. */
const SPELLING = 'G7HJ4KMN2PQRS8TV';
const NUMBER_DIGITS = 12;
const ULID_TIME = '01JH2K8Q';

export interface EventSource {
  /** Writes event `number` at `offset`: always EVENT_BYTES. */
  write(into: Buffer, offset: number, number: number): void;
  /** The number of the event with this id; undefined for any other id. */
  numberOf(eventId: string): number | undefined;
  idOf(number: number): string;
}

/** `run` is 6 hex digits that no other source has, so that several sources can fill one log. */
export function createEvents(run: string, kind: IdKind = 'ulid'): EventSource {
  const own = spell(run);
  /** By template and by digits of the number, made when they are needed. */
  const forms: Form[][] = TEMPLATES.map(() => []);
  const idOf = (number: number): string => {
    const digits = spell(number.toString(16).padStart(NUMBER_DIGITS, '0'));
    if (kind === 'ulid') return `${ULID_TIME}${own}${digits}`;
    const spread = (Math.imul(number + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
    return `${spread}-4b1d-4f00-8a${run.slice(0, 2)}-${digits}`;
  };
  return {
    idOf,
    numberOf: (eventId) => {
      const number = Number.parseInt(unspell(eventId.slice(-NUMBER_DIGITS)), 16);
      return Number.isSafeInteger(number) && idOf(number) === eventId ? number : undefined;
    },
    write: (into, offset, number) => {
      const mixed = mix(number);
      const id = idOf(number);
      const template = mixed % TEMPLATES.length;
      const digits = String(number).length;
      const ofTemplate = forms[template] ?? [];
      const form = ofTemplate[digits] ?? makeForm(template, id.length, digits);
      ofTemplate[digits] = form;
      into.set(form.bytes, offset);
      into.write(id, offset + ID_AT, 'latin1');
      writeDigits(into, offset + form.actorAt, mixed % ACTORS, NUMBER_WIDTH);
      writeDigits(into, offset + form.targetAt, (mixed >>> 8) % TARGETS, NUMBER_WIDTH);
      writeDigits(into, offset + form.requestAt, number % 1_000_000, NUMBER_WIDTH);
      writeDigits(into, offset + form.sequenceAt, number, form.sequenceDigits);
    },
  };
}

/** Event `number` as bytes of its own. */
export function eventBytes(events: EventSource, number: number): Buffer {
  const bytes = Buffer.alloc(EVENT_BYTES);
  events.write(bytes, 0, number);
  return bytes;
}

const FILLER = 'on-call rotation of the platform team ';
const MIDDLE =
  '","role":"admin","session":"s_1f9c77","auth":{"method":"sso","provider":"okta"}},"target":{"type":"user","id":"u_';
/** One a combination of action and outcome: what stands before the actor's number, and behind the target's. */
const TEMPLATES = ACTIONS.flatMap((action, i) =>
  (['success', 'success', 'success', 'denied'] as const).map((result): readonly [string, string] => [
    `,"occurred_at":"2026-01-${String(1 + (i % 28)).padStart(2, '0')}T14:32:07.123456Z","tenant":"acme","actor":{"type":"user","id":"u_`,
    `"},"action":"${action}","outcome":{"result":"${result}"},"authorization":{"decision":"${result === 'denied' ? 'deny' : 'allow'}","rule":"policy.${action}.v3#owner"},"changes":[{"path":"/roles","before":["member"],"after":["member","admin"]}],"context":{"ip":"203.0.113.40","request_id":"req_`,
  ]),
);

const BEFORE_ID = '{"event_id":"';
const ID_AT = BEFORE_ID.length;
const END = '"}';
/** Digits of an actor's, a target's and a request's number. */
const NUMBER_WIDTH = 6;

/** An event with all that others of its kind have in common, and where its own goes. */
interface Form {
  readonly bytes: Buffer;
  readonly actorAt: number;
  readonly targetAt: number;
  readonly requestAt: number;
  readonly sequenceAt: number;
  readonly sequenceDigits: number;
}

/** The load generator shares the processors with the server it measures: an event costs it a copy and a few digits. */
function makeForm(template: number, idLength: number, sequenceDigits: number): Form {
  const [before, after] = TEMPLATES[template] ?? ['', ''];
  const number = '0'.repeat(NUMBER_WIDTH);
  const toActor = `${BEFORE_ID}${'0'.repeat(idLength)}"${before}`;
  const toTarget = `${toActor}${number}${MIDDLE}`;
  const toRequest = `${toTarget}${number}${after}`;
  const toSequence = `${toRequest}${number}"},"producer_seq":`;
  const text = `${toSequence}${'0'.repeat(sequenceDigits)},"reason":"`;
  const room = EVENT_BYTES - text.length - END.length;
  if (room < 0) throw new Error('the template of the events is too long');
  return {
    bytes: Buffer.from(`${text}${FILLER.repeat(1 + room / FILLER.length).slice(0, room)}${END}`, 'latin1'),
    actorAt: toActor.length,
    targetAt: toTarget.length,
    requestAt: toRequest.length,
    sequenceAt: toSequence.length,
    sequenceDigits,
  };
}

function spell(hex: string): string {
  let spelt = '';
  for (let i = 0; i < hex.length; i++) spelt += SPELLING.charAt(HEX.indexOf(hex.charAt(i)));
  return spelt;
}

function unspell(text: string): string {
  return text.replace(/./g, (character) => HEX.charAt(SPELLING.indexOf(character)) || 'x');
}

/** Neighbouring numbers become unrelated ones (the finaliser of MurmurHash3). */
function mix(number: number): number {
  let mixed = number + 1;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function writeDigits(into: Buffer, offset: number, value: number, width: number): void {
  let rest = value;
  for (let at = offset + width - 1; at >= offset; at--) {
    into[at] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
