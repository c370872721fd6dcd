/**
 * The order of names, remembered: events of one kind have their members in one order, again and again, so that sorting
 * them is looking up how they were sorted the last time. What was sorted is also kept encoded, for whoever writes it.
 */

/** The names of one object, sorted. */
export interface NameOrder {
  readonly names: readonly string[];
  /** Where each of the sorted names stood. */
  readonly positions: readonly number[];
  /** Each of the sorted names, encoded. */
  readonly encoded: readonly Uint8Array[];
}

interface Step {
  readonly next: Map<string, Step>;
  order: NameOrder | undefined;
}

/** Names beyond this are sorted again each time; producers choose names, so that memory has to end somewhere. */
const MAX_STEPS = 8_192;

const RECENT_SLOTS = 256;
const RECENT_STRIDE = 37;

export class KnownOrders {
  readonly #compare: (a: string, b: string) => number;
  readonly #encode: (name: string) => Uint8Array;
  readonly #first: Step = { next: new Map(), order: undefined };
  #stepCount = 0;
  /** What was asked for last, by a number that few kinds of objects share: most answers are found here. */
  readonly #recent: (readonly [names: readonly string[], order: NameOrder] | undefined)[] = [];

  constructor(compare: (a: string, b: string) => number, encode: (name: string) => Uint8Array) {
    this.#compare = compare;
    this.#encode = encode;
  }

  orderOf(names: readonly string[]): NameOrder {
    const slot = (RECENT_STRIDE * names.length + (names[0]?.charCodeAt(0) ?? 0)) % RECENT_SLOTS;
    const recent = this.#recent[slot];
    if (recent !== undefined && areSame(recent[0], names)) return recent[1];
    const order = this.#find(names);
    this.#recent[slot] = [names, order];
    return order;
  }

  #find(names: readonly string[]): NameOrder {
    let step = this.#first;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] ?? '';
      let next = step.next.get(name);
      if (next === undefined) {
        if (this.#stepCount === MAX_STEPS) return this.#sort(names);
        this.#stepCount++;
        next = { next: new Map(), order: undefined };
        step.next.set(name, next);
      }
      step = next;
    }
    step.order ??= this.#sort(names);
    return step.order;
  }

  #sort(names: readonly string[]): NameOrder {
    const positions = names.map((_, i) => i).sort((a, b) => this.#compare(names[a] ?? '', names[b] ?? ''));
    const sorted = positions.map((at) => names[at] ?? '');
    return { names: sorted, positions, encoded: sorted.map((name) => this.#encode(name)) };
  }
}

function areSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
