/**
 * What waits to be written, in one line for each producer: a producer who sends more than the log can take waits behind
 * itself, and not before everybody else. Within a line the order is that of arrival.
 *
 * The queue is bounded as a whole. Once it is half full, what one producer may hold is bounded as well, to an even share
 * between those that wait and one more: there is always room for whoever comes next.
 */
export interface Waiting {
  /** Whose line it stands in. */
  readonly source: string;
  readonly itemCount: number;
  readonly byteCount: number;
}

export interface QueueBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
}

interface Line<Entry> {
  readonly entries: Entry[];
  items: number;
  bytes: number;
}

export class FairQueue<Entry extends Waiting> {
  readonly #bounds: QueueBounds;
  /** By source, in the order in which they get their turn. */
  readonly #lines = new Map<string, Line<Entry>>();
  #items = 0;
  #bytes = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get itemCount(): number {
    return this.#items;
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** False, and nothing is kept, if it does not fit. */
  push(entry: Entry): boolean {
    if (!this.#fits(entry)) return false;
    const line = this.#lines.get(entry.source) ?? { entries: [], items: 0, bytes: 0 };
    this.#lines.set(entry.source, line);
    line.entries.push(entry);
    this.#count(line, entry, 1);
    return true;
  }

  /** The next entries, one of each line in turn, until they have `maxItems` items or more. */
  take(maxItems: number): readonly Entry[] {
    const taken: Entry[] = [];
    for (let items = 0; items < maxItems; ) {
      const [first] = this.#lines;
      const entry = first?.[1].entries.shift();
      if (first === undefined || entry === undefined) break;
      const [source, line] = first;
      this.#count(line, entry, -1);
      // To the end of the round, or out of it.
      this.#lines.delete(source);
      if (line.entries.length > 0) this.#lines.set(source, line);
      taken.push(entry);
      items += entry.itemCount;
    }
    return taken;
  }

  /** Everything, and the queue is empty. */
  takeAll(): readonly Entry[] {
    return this.take(Number.POSITIVE_INFINITY);
  }

  #fits({ source, itemCount, byteCount }: Entry): boolean {
    const { maxItems, maxBytes } = this.#bounds;
    const items = this.#items + itemCount;
    const bytes = this.#bytes + byteCount;
    if (items > maxItems || bytes > maxBytes) return false;
    if (this.isEmpty || (items <= maxItems / 2 && bytes <= maxBytes / 2)) return true;
    const own = this.#lines.get(source);
    const sources = this.#lines.size + (own === undefined ? 1 : 0);
    const share = 1 / (sources + 1);
    return (own?.items ?? 0) + itemCount <= maxItems * share && (own?.bytes ?? 0) + byteCount <= maxBytes * share;
  }

  #count(line: Line<Entry>, { itemCount, byteCount }: Entry, sign: 1 | -1): void {
    line.items += sign * itemCount;
    line.bytes += sign * byteCount;
    this.#items += sign * itemCount;
    this.#bytes += sign * byteCount;
  }
}
