/**
 * Prepared events on their way from one thread to another: everything of a few hundred events in a handful of pieces, the
 * bytes in one that is handed over without a copy. Terms that several events have are sent once.
 *
 *   bytes     of each event: SHA-256 of the card (32), commitment of `log` (32), MAC of the content (16), contents
 *   numbers   of each line:  producer_seq or -1, occurred_at, byte count, bytes of the contents, number of terms;
 *             a line that was refused has -1 terms, and its faults stand in `refused`
 */
import { DIGEST_BYTES } from './digest.ts';
import type { LineOutcome } from './prepare-lines.ts';
import { type EventFault, EventProblem, type Prepared } from './types.ts';

export interface PackedLines {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly eventIds: readonly string[];
  readonly terms: readonly string[];
  /** Indices into `terms`, of one event after the other. */
  readonly termsOf: Uint16Array<ArrayBuffer>;
  readonly refused: readonly (readonly EventFault[])[];
}

const NUMBERS_PER_LINE = 5;
const MAC_BYTES = 16;
const FIXED_BYTES = 2 * DIGEST_BYTES + MAC_BYTES;
const REFUSED = -1;
const NO_SEQUENCE = -1;
/** Terms are numbered in 16 bits; an event has about a dozen. */
const MAX_TERMS = 0xffff;

/** Events that one piece may hold, so that their terms can be numbered. */
export const MAX_PACKED_LINES = 1_024;

export function packLines(outcomes: readonly LineOutcome[]): PackedLines {
  const { byteCount, termCount } = roomFor(outcomes);
  const bytes = new Uint8Array(byteCount);
  const numbers = new Float64Array(NUMBERS_PER_LINE * outcomes.length);
  const eventIds: string[] = [];
  const refused: (readonly EventFault[])[] = [];
  const numberOf = new Map<string, number>();
  const termsOf = new Uint16Array(termCount);
  let at = 0;
  let termAt = 0;
  for (let line = 0; line < outcomes.length; line++) {
    const one = outcomes[line];
    const start = NUMBERS_PER_LINE * line;
    if (one === undefined) continue;
    if (one instanceof EventProblem) {
      numbers[start + 4] = REFUSED;
      refused.push(one.faults);
      continue;
    }
    if (one.signature !== null) throw new Error('signed events are not prepared in lines');
    numbers[start] = one.producerSeq ?? NO_SEQUENCE;
    numbers[start + 1] = one.occurredAtUs;
    numbers[start + 2] = one.byteCount;
    numbers[start + 3] = one.contents.length;
    numbers[start + 4] = one.terms.length;
    eventIds.push(one.eventId);
    for (const term of one.terms) {
      let number = numberOf.get(term);
      if (number === undefined) {
        number = numberOf.size;
        numberOf.set(term, number);
      }
      termsOf[termAt++] = number;
    }
    bytes.set(one.cardHash, at);
    bytes.set(one.logCommitment, at + DIGEST_BYTES);
    bytes.set(one.contentMac, at + 2 * DIGEST_BYTES);
    bytes.set(one.contents, at + FIXED_BYTES);
    at += FIXED_BYTES + one.contents.length;
  }
  if (numberOf.size > MAX_TERMS) throw new Error('too many terms for one piece');
  return { bytes, numbers, eventIds, terms: [...numberOf.keys()], termsOf, refused };
}

/** What may change hands instead of being copied. */
export function transferable({ bytes, numbers, termsOf }: PackedLines): ArrayBuffer[] {
  return [bytes.buffer, numbers.buffer, termsOf.buffer];
}

/** The same outcomes again; `producerIdAt` says who sent a line. */
export function unpackLines(packed: PackedLines, producerIdAt: (line: number) => string): readonly LineOutcome[] {
  const { bytes, numbers, eventIds, terms, termsOf, refused } = packed;
  const outcomes: LineOutcome[] = [];
  let at = 0;
  let eventCount = 0;
  let termAt = 0;
  let refusedCount = 0;
  for (let line = 0; line < numbers.length / NUMBERS_PER_LINE; line++) {
    const start = NUMBERS_PER_LINE * line;
    const [producerSeq = 0, occurredAtUs = 0, byteCount = 0, contentsBytes = 0, termCount = 0] = [
      numbers[start],
      numbers[start + 1],
      numbers[start + 2],
      numbers[start + 3],
      numbers[start + 4],
    ];
    if (termCount === REFUSED) {
      outcomes.push(problemOf(refused[refusedCount++] ?? []));
      continue;
    }
    const own: string[] = [];
    for (const end = termAt + termCount; termAt < end; termAt++) own.push(terms[termsOf[termAt] ?? 0] ?? '');
    const macAt = at + 2 * DIGEST_BYTES;
    const end = at + FIXED_BYTES + contentsBytes;
    outcomes.push({
      eventId: eventIds[eventCount++] ?? '',
      producerId: producerIdAt(line),
      producerSeq: producerSeq === NO_SEQUENCE ? null : producerSeq,
      cardHash: bytes.subarray(at, at + DIGEST_BYTES),
      logCommitment: bytes.subarray(at + DIGEST_BYTES, macAt),
      contents: bytes.subarray(at + FIXED_BYTES, end),
      signature: null,
      contentMac: bytes.subarray(macAt, macAt + MAC_BYTES),
      terms: own,
      occurredAtUs,
      byteCount,
    } satisfies Prepared);
    at = end;
  }
  return outcomes;
}

function problemOf([first, ...more]: readonly EventFault[]): EventProblem {
  if (first === undefined) throw new Error('a line was refused without a fault');
  return new EventProblem(first, ...more);
}

function roomFor(outcomes: readonly LineOutcome[]): { readonly byteCount: number; readonly termCount: number } {
  let byteCount = 0;
  let termCount = 0;
  for (const one of outcomes) {
    if (one instanceof EventProblem) continue;
    byteCount += FIXED_BYTES + one.contents.length;
    termCount += one.terms.length;
  }
  return { byteCount, termCount };
}
