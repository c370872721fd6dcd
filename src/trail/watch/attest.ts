/**
 * The attestation of each day (S2): an entry that counts what the log took between two midnights in UTC, by class and by
 * action, zero included, and names the range of indices and the root over it. A day on which the process was down has one,
 * too. It is made when the first entry of a later day is seen, so that nothing can be added to the day any more; the same
 * entries give the same attestation.
 */
import { base64Encode } from '../../../proofs/bytes.ts';
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import type { Hash } from '../../../proofs/hash.ts';
import { LOG_ACTOR } from '../finding.ts';
import type { OwnEvent } from '../record.ts';
import type { Examined } from './examined.ts';
import { integerIn, integerOrNullIn, listIn, objectIn, textIn } from './state-values.ts';

export const ATTESTATION = 'countersign.attestation';

/** What the catalogue says about actions. */
export interface ActionClasses {
  readonly names: readonly string[];
  classOf(action: string): string | undefined;
}

export const NO_CLASSES: ActionClasses = { names: [], classOf: () => undefined };

/** One day, over. */
export interface DayCount {
  /** Days since 1970-01-01. */
  readonly day: number;
  readonly firstIndex: number;
  /** Exclusive. */
  readonly endIndex: number;
  readonly classes: ReadonlyMap<string, number>;
  readonly actions: ReadonlyMap<string, number>;
}

const DAY_US = 86_400_000_000;
const DAY_MS = 86_400_000;
const UNCLASSIFIED = 'unclassified';
const OWN_CLASS = 'countersign';
const OTHER_ACTIONS = 'other actions';
/** Actions that are counted by name; the rest is counted together. */
const MAX_ACTIONS = 1_000;
/** What an attestation lists by name; the rest, the rarest, is counted together. */
const MAX_LISTED_ACTIONS = 200;
const MAX_LISTED_CHARACTERS = 24_000;
/** Days without an entry that are attested one by one: ten years. */
const MAX_DAYS = 3_660;

export class DayCounter {
  readonly #classes: ActionClasses;
  #day: number | null = null;
  #firstIndex = 0;
  readonly #byClass = new Map<string, number>();
  readonly #byAction = new Map<string, number>();

  constructor(classes: ActionClasses) {
    this.#classes = classes;
  }

  /** Counts one entry. Returns the days that it ends, in order. */
  count({ index, logTimeUs, action, isOwn }: Examined): readonly DayCount[] {
    const day = Math.floor(logTimeUs / DAY_US);
    const ended = this.#day === null || day === this.#day ? [] : this.#end(this.#day, day, index);
    if (this.#day !== day) {
      this.#day = day;
      this.#firstIndex = index;
    }
    add(this.#byClass, isOwn ? OWN_CLASS : (this.#classes.classOf(action) ?? UNCLASSIFIED));
    add(this.#byAction, this.#byAction.size < MAX_ACTIONS || this.#byAction.has(action) ? action : OTHER_ACTIONS);
    return ended;
  }

  save(): JsonValue {
    return {
      day: this.#day,
      firstIndex: this.#firstIndex,
      byClass: [...this.#byClass].map((pair) => [...pair]),
      byAction: [...this.#byAction].map((pair) => [...pair]),
    };
  }

  restore(state: JsonValue): void {
    const { day, firstIndex, byClass, byAction } = objectIn(state, 'counts of the day');
    this.#day = integerOrNullIn(day, 'a day');
    this.#firstIndex = integerIn(firstIndex, 'an index');
    for (const [counts, list] of [
      [this.#byClass, byClass],
      [this.#byAction, byAction],
    ] as const) {
      for (const item of listIn(list, 'counts')) {
        const [name, count] = listIn(item, 'a count');
        counts.set(textIn(name, 'a name'), integerIn(count, 'a count'));
      }
    }
  }

  #end(from: number, to: number, endIndex: number): readonly DayCount[] {
    const counted: DayCount = {
      day: from,
      firstIndex: this.#firstIndex,
      endIndex,
      classes: new Map(this.#byClass),
      actions: new Map(this.#byAction),
    };
    this.#byClass.clear();
    this.#byAction.clear();
    const empty = Array.from({ length: Math.min(to - from - 1, MAX_DAYS) }, (_, i): DayCount => {
      return { day: from + 1 + i, firstIndex: endIndex, endIndex, classes: new Map(), actions: new Map() };
    });
    return [counted, ...empty];
  }
}

/** `root` is that of the tree of the first `endIndex` entries. */
export function attestationEvent(count: DayCount, classes: ActionClasses, root: Hash): OwnEvent {
  const day = dayText(count.day);
  const total = count.endIndex - count.firstIndex;
  const names = [...new Set([...classes.names, UNCLASSIFIED, OWN_CLASS, ...count.classes.keys()])].sort();
  return {
    event_id: `attestation.${day}`,
    occurred_at: `${dayText(count.day + 1)}T00:00:00Z`,
    action: ATTESTATION,
    actor: LOG_ACTOR,
    target: { type: 'day', id: day },
    outcome: { result: 'success' },
    details: `On ${day} (UTC) the log took ${total} entries${total === 0 ? '' : `, ${count.firstIndex} to ${count.endIndex - 1}`}.`,
    context: {
      day,
      from_index: count.firstIndex,
      to_index: count.endIndex,
      entries: total,
      root: base64Encode(root),
      classes: Object.fromEntries(names.map((name) => [name, count.classes.get(name) ?? 0])),
      actions: listedActions(count.actions),
    },
  };
}

/** The most frequent actions by name, and all others together. */
function listedActions(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  const sorted = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const listed = new Map<string, number>();
  let characters = 0;
  for (const [name, count] of sorted) {
    const fits = listed.size < MAX_LISTED_ACTIONS && characters + name.length <= MAX_LISTED_CHARACTERS;
    if (fits && name !== OTHER_ACTIONS && name !== '') {
      characters += name.length;
      listed.set(name, count);
    } else {
      listed.set(OTHER_ACTIONS, (listed.get(OTHER_ACTIONS) ?? 0) + count);
    }
  }
  return Object.fromEntries(listed);
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 'yyyy-mm-dd'.length);
}
