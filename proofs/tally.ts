/** Counts over the events of a bundle, in the order in which they are examined; memory does not grow with them. */
import { type BundleFilter, evaluateFilter } from './filter.ts';
import type { CheckedEvent } from './opened-event.ts';
import { quote } from './quote.ts';

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

  add(query: BundleFilter, event: CheckedEvent): 'match' | 'no-match' | 'cannot' {
    const { index, entry, card, fields, withheld, erased } = event;
    const outcome = evaluateFilter(query, { producerId: entry.producerId, card, fields });
    this.examined++;
    this.erased += erased.length;
    if (outcome.result === 'match') {
      this.matched++;
      this.withheld += withheld.length;
      this.#nameMissing(index, 'withheld', withheld);
    } else if (outcome.result === 'cannot') {
      this.unevaluated++;
      if (this.#unevaluated.length < MAX_NAMED_EVENTS) {
        const { field } = outcome;
        const why = fields.has(field) ? 'does not say' : erased.includes(field) ? 'is erased' : 'is withheld';
        this.#unevaluated.push(`${index} (${quote(field)} ${why})`);
      }
    } else this.strange ??= index;
    this.#nameMissing(index, 'erased', erased);
    return outcome.result;
  }

  describeUnevaluated(): string {
    const rest = this.unevaluated - this.#unevaluated.length;
    return `${this.#unevaluated.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
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
