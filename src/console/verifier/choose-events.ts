/**
 * Which of a bundle's matches are shown as cards: the first ones, and of the overrides of the rules as many again, so that
 * none of those is lost behind a thousand ordinary ones (REQUIREMENTS E9). Memory does not grow with the matches.
 */

import { textAt } from '../../../proofs/fields.ts';
import type { CheckedEvent } from '../../../proofs/opened-event.ts';

/** Cards of each kind. The others are counted, and were verified like these. */
export const MAX_SHOWN_EVENTS = 500;

export interface ChosenEvent {
  readonly event: CheckedEvent;
  /** 0-based, among the events that the bundle has. */
  readonly position: number;
}

export class EventChooser {
  total = 0;
  overrides = 0;
  denied = 0;
  failed = 0;
  #position = 0;
  readonly #overrides: ChosenEvent[] = [];
  readonly #others: ChosenEvent[] = [];

  add(event: CheckedEvent, result: 'match' | 'no-match' | 'cannot'): void {
    const position = this.#position++;
    if (result !== 'match') return;
    this.total++;
    const outcome = textAt(event.event, 'outcome', 'result');
    const isDenied = outcome === 'denied' || textAt(event.event, 'authorization', 'decision') === 'deny';
    if (isDenied) this.denied++;
    else if (outcome === 'failure') this.failed++;
    const overrides = isOverride(event);
    if (overrides) this.overrides++;
    const into = overrides ? this.#overrides : this.#others;
    if (into.length < MAX_SHOWN_EVENTS) into.push({ event, position });
  }

  chosen(): readonly ChosenEvent[] {
    return [...this.#overrides, ...this.#others];
  }
}

/** Emergency access, and decisions around the rules. */
export function isOverride({ event }: Pick<CheckedEvent, 'event'>): boolean {
  return event['break_glass'] === true || textAt(event, 'authorization', 'decision') === 'bypass';
}
