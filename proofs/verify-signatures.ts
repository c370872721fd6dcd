/** The producers' signatures of a bundle's events, counted in the order in which they are examined. */
import type { BundleReport } from './bundle-claims.ts';
import type { CheckedEvent } from './opened-event.ts';
import type { ProducerKeyRing } from './producer-keys.ts';
import { nameSome } from './quote.ts';
import { MAX_NAMED_EVENTS } from './tally.ts';

export class SignatureTally {
  readonly #report: BundleReport;
  readonly #origin: string;
  readonly #keys: ProducerKeyRing;
  #verified = 0;
  #unsigned = 0;
  #unregistered = 0;
  readonly #named: number[] = [];

  constructor(report: BundleReport, origin: string, keys: ProducerKeyRing) {
    this.#report = report;
    this.#origin = origin;
    this.#keys = keys;
  }

  add({ index, entry }: CheckedEvent): void {
    const result = this.#report.attempt('producer-signatures', () => this.#keys.check(this.#origin, index, entry));
    if (result === 'verified') this.#verified++;
    else if (result === 'unsigned') this.#unsigned++;
    else if (result === 'unregistered') {
      this.#unregistered++;
      if (this.#named.length < MAX_NAMED_EVENTS) this.#named.push(index);
    }
  }

  /** Nothing is claimed where nothing is signed. */
  judge(): void {
    if (this.#unregistered > 0) {
      const which = nameSome(this.#named.map(String), this.#unregistered);
      this.#report.incomplete('producer-signatures', `no registration of the key is shown for these events: ${which}`);
    } else if (this.#verified > 0) {
      const others = this.#unsigned === 0 ? '' : `; ${this.#unsigned} carry none`;
      const sentence = `the producer's signature verifies for ${this.#verified} events, under keys registered then`;
      this.#report.pass('producer-signatures', sentence + others);
    }
  }
}
