/**
 * What travels through the write side, src/events: the validated event, the problems it can have, and the prepared
 * event that the log sequences.
 *
 *   bytes ─▶ strict-json ─▶ schema ─▶ redact ─▶ commit ─▶ Prepared ─▶ src/log
 */
import type { JsonObject } from '../../proofs/canonical-json.ts';
import type { Hash } from '../../proofs/hash.ts';

/** One field as it is committed to: its id and the RFC 8785 text of its value. */
export type FieldText = readonly [fieldId: string, valueText: string];

/**
 * An event that was checked, redacted and committed to: everything the log needs to sequence it, and nothing that
 * depends on the index or the time it will get.
 */
export interface Prepared {
  readonly eventId: string;
  readonly action: string;
  /** Public pseudonym of the producer (a token's or key's id), never a person's name. */
  readonly producerId: string;
  readonly producerSeq: number | null;
  /** SHA-256 of the card of `fields`. */
  readonly cardHash: Hash;
  /** Commitment of the field `log`; it is not in the card. */
  readonly logCommitment: Hash;
  /** The producer's Ed25519 signature over the submission, 64 bytes. */
  readonly signature: Uint8Array | null;
  /** The fields with their salts, and the field `log` with its own: what opens the commitments (contents.ts). */
  readonly contents: Uint8Array;
  /** 16 bytes that are equal exactly if the content is (idempotency); keyed, so that it discloses nothing. */
  readonly contentMac: Uint8Array;
  /** Search terms, see terms.ts. Unique, unsorted. */
  readonly terms: readonly string[];
  /** `occurred_at` in microseconds since the Unix epoch. The text itself is kept verbatim in the field. */
  readonly occurredAtUs: number;
  /** Bytes of the event's canonical JSON, for accounting and limits. */
  readonly byteCount: number;
}

/**
 * Takes secrets out of an event before anything is committed to (write-rules.ts). It must not change `event_id`, and may
 * refuse with EventProblem: what is signed cannot be changed at all. `text` is the event's RFC 8785 form.
 */
export type RedactStage = (event: JsonObject, text: string, isSigned: boolean) => JsonObject;

/** Two keys of the log: one for the raw-input hash that an entry commits to, one for idempotency. */
export interface MacKeys {
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
}

/** What `prepare` needs from outside: who submits, the log's keys and versions, randomness. */
export interface PrepareContext {
  readonly producerId: string;
  readonly macKeys: MacKeys;
  /** Cryptographically random bytes. */
  readonly randomBytes: (byteCount: number) => Uint8Array;
  /** Dotted paths that become fields of their own in events about this action, to be withheld or erased alone. */
  readonly separatePaths: (action: string) => readonly string[];
  readonly redact: RedactStage;
  /** The catalogue's class of an action, by which it can be searched for; none while there is no catalogue. */
  readonly classOf?: (action: string) => string | undefined;
  /** False: the event gets no search terms and is found by its id and its index only. */
  readonly searchable?: boolean;
  /** Version of the catalogue the event was checked against; null while there is none. */
  readonly catalogueVersion: string | null;
  readonly redactionVersion: string | null;
  /** Measured offset of the log's clock, in microseconds; null while it is not measured. */
  readonly clockOffsetUs: number | null;
}

/** Every reason for which an event is refused. A closed union: these are API and appear in problem documents. */
export type EventProblemCode =
  | 'invalid-utf8'
  | 'invalid-json'
  | 'duplicate-member'
  | 'unsafe-integer'
  | 'number-out-of-range'
  | 'lone-surrogate'
  | 'too-deep'
  | 'too-many-members'
  | 'too-large'
  | 'not-an-object'
  | 'unknown-member'
  | 'missing-member'
  | 'invalid-member'
  | 'invalid-cloudevent'
  | 'unknown-action'
  | 'missing-field'
  | 'secret-in-identifier'
  | 'signed-needs-redaction'
  | 'invalid-submission'
  | 'salts-mismatch'
  | 'unknown-producer-key'
  | 'bad-producer-signature'
  | 'empty-body'
  | 'too-many-lines';

/** One fault in an event: where (RFC 6901 JSON pointer, '' is the whole event) and what, for an on-call engineer. */
export interface EventFault {
  readonly code: EventProblemCode;
  readonly pointer: string;
  readonly detail: string;
}

/** Why an event was refused: at least one fault; `code` is that of the first. Nothing of it was stored. */
export class EventProblem extends Error {
  readonly code: EventProblemCode;
  readonly faults: readonly EventFault[];

  constructor(first: EventFault, ...more: readonly EventFault[]) {
    super(first.pointer === '' ? first.detail : `${first.pointer}: ${first.detail}`);
    this.name = 'EventProblem';
    this.code = first.code;
    this.faults = [first, ...more];
  }

  /** The same problem of an event that is a member of something larger. */
  within(pointer: string): EventProblem {
    const [first, ...more] = this.faults.map((fault) => ({ ...fault, pointer: pointer + fault.pointer }));
    return first === undefined ? this : new EventProblem(first, ...more);
  }
}
