/**
 * Redaction: what it replaces, and what it says about it. It stands between validation and commitment, so that what it
 * takes out was never hashed and never stored (REQUIREMENTS W3).
 */
import type { JsonObject, JsonValue } from '../../../proofs/canonical-json.ts';

/** Every reason for a replacement. A closed union: rule ids appear in markers and reports, docs/redaction.md lists them. */
export type RedactionRule =
  | 'card-number'
  | 'card-cvv'
  | 'card-track'
  | 'card-pin'
  | 'password'
  | 'one-time-code'
  | 'secret'
  | 'api-key'
  | 'cloud-key'
  | 'private-key'
  | 'jwt'
  | 'token'
  | 'authorization'
  | 'cookie'
  | 'url-credentials'
  | 'unstable-text'
  | 'minimise-ip'
  | 'minimise-time';

/** One replacement: where in the result (RFC 6901; names in it are already redacted) and why. */
export interface Replacement {
  readonly pointer: string;
  readonly rule: RedactionRule;
}

export interface Redacted<T extends JsonValue> {
  /** The very object that was given, if nothing was replaced. */
  readonly value: T;
  readonly replacements: readonly Replacement[];
}

export interface Redactor {
  /** Names the rules and the allow list; it goes into the field `log` of every event. */
  readonly version: string;
  /**
   * Redacts an event. `text` is its JSON text, if the caller has it. Throws EventProblem `secret-in-identifier` if the
   * secret is in a member that must not change, such as event_id or actor.id.
   */
  readonly redactEvent: (event: JsonObject, text?: string) => Redacted<JsonObject>;
  /** Redacts any JSON value. */
  readonly redactValue: (value: JsonValue) => Redacted<JsonValue>;
  /** Redacts text that goes elsewhere, such as a pointer or a message about an event that was refused. */
  readonly redactText: (text: string) => string;
}
