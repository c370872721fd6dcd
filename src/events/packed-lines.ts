/**
 * Prepared events on their way from one thread to another: everything of a few hundred events in a handful of pieces, the
 * bytes in one that is handed over without a copy. Actions and terms that several events have are sent once.
 *
 *   bytes     of each event: SHA-256 of the card (32), commitment of `log` (32), MAC of the content (16), contents
 *   numbers   of each line:  producer_seq or -1, occurred_at, byte count, bytes of the contents, number of terms, action;
 *             a line that was refused has -1 terms, and its faults stand in `refused`
 *
 * There they stay packed: what an event is asked for is made when it is asked, and needs no place until then.
 */
import { DIGEST_BYTES } from './digest.ts';
import type { LineOutcome } from './prepare-lines.ts';
import { type EventFault, EventProblem, type Prepared } from './types.ts';

export interface PackedLines {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly eventIds: readonly string[];
  readonly actions: readonly string[];
  readonly terms: readonly string[];
  /** Indices into `terms`, of one event after the other. */
  readonly termsOf: Uint16Array<ArrayBuffer>;
  readonly refused: readonly (readonly EventFault[])[];
}

const NUMBERS_PER_LINE = 6;
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
  const actions = new Numbering();
  const terms = new Numbering();
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
    numbers[start + 5] = actions.numberOf(one.action);
    for (const term of one.terms) termsOf[termAt++] = terms.numberOf(term);
    bytes.set(one.cardHash, at);
    bytes.set(one.logCommitment, at + DIGEST_BYTES);
    bytes.set(one.contentMac, at + 2 * DIGEST_BYTES);
    bytes.set(one.contents, at + FIXED_BYTES);
    at += FIXED_BYTES + one.contents.length;
  }
  if (terms.all.length > MAX_TERMS) throw new Error('too many terms for one piece');
  return { bytes, numbers, eventIds, actions: actions.all, terms: terms.all, termsOf, refused };
}

/** Texts by numbers from 0 on, in the order in which they first came. */
class Numbering {
  readonly all: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.all.length);
    return this.all.push(text) - 1;
  }
}

/** What may change hands instead of being copied. */
export function transferable({ bytes, numbers, termsOf }: PackedLines): ArrayBuffer[] {
  return [bytes.buffer, numbers.buffer, termsOf.buffer];
}

/** The same outcomes again; `producerIdAt` says who sent a line. */
export function unpackLines(packed: PackedLines, producerIdAt: (line: number) => string): readonly LineOutcome[] {
  const { numbers, eventIds, actions, refused } = packed;
  const outcomes: LineOutcome[] = [];
  let at = 0;
  let eventCount = 0;
  let termAt = 0;
  let refusedCount = 0;
  for (let line = 0, start = 0; start < numbers.length; line++, start += NUMBERS_PER_LINE) {
    const termCount = numbers[start + 4] ?? 0;
    if (termCount === REFUSED) {
      outcomes.push(problemOf(refused[refusedCount++] ?? []));
      continue;
    }
    const end = at + FIXED_BYTES + (numbers[start + 3] ?? 0);
    const event = new PackedEvent(packed, start, { at, end, termAt, termEnd: termAt + termCount });
    event.eventId = eventIds[eventCount++] ?? '';
    event.action = actions[numbers[start + 5] ?? 0] ?? '';
    event.producerId = producerIdAt(line);
    outcomes.push(event);
    at = end;
    termAt += termCount;
  }
  return outcomes;
}

/** Where an event stands in a piece: its bytes, and its terms. */
interface PackedPlace {
  readonly at: number;
  readonly end: number;
  readonly termAt: number;
  readonly termEnd: number;
}

class PackedEvent implements Prepared {
  eventId = '';
  action = '';
  producerId = '';
  readonly #packed: PackedLines;
  /** Of its numbers. */
  readonly #start: number;
  readonly #place: PackedPlace;

  constructor(packed: PackedLines, start: number, place: PackedPlace) {
    this.#packed = packed;
    this.#start = start;
    this.#place = place;
  }

  get producerSeq(): number | null {
    const number = this.#packed.numbers[this.#start] ?? NO_SEQUENCE;
    return number === NO_SEQUENCE ? null : number;
  }

  get occurredAtUs(): number {
    return this.#packed.numbers[this.#start + 1] ?? 0;
  }

  get byteCount(): number {
    return this.#packed.numbers[this.#start + 2] ?? 0;
  }

  get cardHash(): Uint8Array {
    return this.#bytes(0, DIGEST_BYTES);
  }

  get logCommitment(): Uint8Array {
    return this.#bytes(DIGEST_BYTES, 2 * DIGEST_BYTES);
  }

  get contentMac(): Uint8Array {
    return this.#bytes(2 * DIGEST_BYTES, FIXED_BYTES);
  }

  get contents(): Uint8Array {
    return this.#bytes(FIXED_BYTES, this.#place.end - this.#place.at);
  }

  get signature(): null {
    return null;
  }

  get terms(): readonly string[] {
    const { terms, termsOf } = this.#packed;
    const own: string[] = [];
    for (let at = this.#place.termAt; at < this.#place.termEnd; at++) own.push(terms[termsOf[at] ?? 0] ?? '');
    return own;
  }

  #bytes(from: number, to: number): Uint8Array {
    return this.#packed.bytes.subarray(this.#place.at + from, this.#place.at + to);
  }
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
