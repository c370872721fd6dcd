/** Counts over the events of a bundle, in the order in which they are examined; memory does not grow with them. */
import { type BundleFilter, evaluateFilter, type FilterResult } from './filter.ts';
import type { CheckedEvent } from './opened-event.ts';
import { nameSome, quote } from './quote.ts';

/** Events that are named one by one; of the others there is only the number. */
export const MAX_NAMED_EVENTS = 20;

export class Tally {
  examined = 0;
  matched = 0;
  unevaluated = 0;
  /** Fields of matches that are not shown. */
  withheld = 0;
  /** Fields, of any event, that are said to be erased. */
  erased = 0;
  /** The first event that is no match. */
  strange: number | undefined;
  readonly #unevaluated: string[] = [];
  readonly #missing: string[] = [];

  add(query: BundleFilter, event: CheckedEvent): FilterResult['result'] {
    const result = this.evaluate(query, event);
    if (result === 'match') this.countWithheld(event);
    this.countErased(event);
    return result;
  }

  /** Whether the event is a match; fields that are missing are not counted. */
  evaluate(query: BundleFilter, event: CheckedEvent): FilterResult['result'] {
    const outcome = evaluateFilter(query, { ...event, producerId: event.entry.producerId });
    this.examined++;
    if (outcome.result === 'match') this.matched++;
    else if (outcome.result === 'no-match') this.strange ??= event.index;
    else this.nameUnevaluated(event.index, describeHidden(event, outcome.field));
    return outcome.result;
  }

  nameUnevaluated(index: number, why: string): void {
    this.unevaluated++;
    if (this.#unevaluated.length < MAX_NAMED_EVENTS) this.#unevaluated.push(`${index} (${why})`);
  }

  countWithheld({ index, withheld, contentsLost }: CheckedEvent): void {
    this.withheld += withheld.length;
    this.#nameMissing(index, 'withheld', withheld);
    if (contentsLost && this.#missing.length < MAX_NAMED_EVENTS) {
      this.#missing.push(`event ${index}: all contents are lost, as the log says`);
    }
  }

  countErased({ index, erased }: CheckedEvent): void {
    this.erased += erased.length;
    this.#nameMissing(index, 'erased', erased);
  }

  describeUnevaluated(): string {
    return nameSome(this.#unevaluated, this.unevaluated);
  }

  /** The first events of which fields are missing, by name. */
  describeMissing(): readonly string[] {
    return this.#missing;
  }

  #nameMissing(index: number, why: 'withheld' | 'erased', ids: readonly string[]): void {
    if (ids.length === 0 || this.#missing.length >= MAX_NAMED_EVENTS) return;
    this.#missing.push(
      `event ${index}: ${why}${why === 'erased' ? ', as the log says' : ''}: ${ids.map(quote).join(', ')}`,
    );
  }
}

function describeHidden({ fields, erased, contentsLost }: CheckedEvent, field: string): string {
  if (contentsLost) return 'its contents are lost';
  return `${quote(field)} ${fields.has(field) ? 'does not say' : erased.includes(field) ? 'is erased' : 'is withheld'}`;
}
