/**
 * Commit: an event's fields to the two digests that its entry holds, the hash of the card and the commitment of the
 * field `log` (DESIGN.md, Formats). The last stage of the write side; what it returns depends on nothing but its
 * arguments.
 */
import { canonicalJson } from '../../proofs/canonical-json.ts';
import { type CardField, cardHash, encodeCard, LOG_FIELD_ID } from '../../proofs/card.ts';
import { commitField, deriveSalt } from '../../proofs/commitment.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import type { FieldText } from './types.ts';

export interface CommitInput {
  readonly fields: readonly FieldText[];
  readonly logValueText: string;
  /** 16 bytes, of this event alone. */
  readonly secret: Uint8Array;
  /** Salts that the producer brought; all others derive from `secret`. */
  readonly salts: ReadonlyMap<string, Uint8Array> | null;
  readonly hasher: Hasher;
}

export function commit(input: CommitInput): { readonly cardHash: Hash; readonly logCommitment: Hash } {
  const { fields, logValueText, secret, salts, hasher } = input;
  const open = (id: string, valueText: string): Hash =>
    commitField(salts?.get(id) ?? deriveSalt(secret, id, hasher), id, valueText, hasher);
  const card = fields.map(([id, valueText]): CardField => [id, open(id, valueText)]);
  return { cardHash: cardHash(encodeCard(card), hasher), logCommitment: open(LOG_FIELD_ID, logValueText) };
}

/** What the log itself says about an event, committed to beside the producer's card. */
export interface LogValue {
  /** Version of the catalogue that the event was checked against. */
  readonly catalogue: string | null;
  /** The catalogue's class of the action, null if it has none. Entries from before it was kept lack the member. */
  readonly eventClass: string | null;
  /** Version of the redaction rules that were applied. */
  readonly redaction: string | null;
  /** Measured offset of the log's clock. */
  readonly clockOffsetUs: number | null;
  /** HMAC-SHA-256 of the bytes as they arrived, base64; the key stays with the log (REQUIREMENTS W4). */
  readonly raw: string;
}

/** RFC 8785 text of the field `log`. */
export function logValueText({ catalogue, eventClass, redaction, clockOffsetUs, raw }: LogValue): string {
  return canonicalJson({ catalogue, class: eventClass, clock_offset_us: clockOffsetUs, raw, redaction });
}
