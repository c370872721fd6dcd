/**
 * Which keys of one kind of row were ever written, in memory and roughly (Bloom 1970, in blocks of one cache line). Nearly
 * every event that comes is new, and asking the database whether its id is there costs more than the answer is worth: a
 * look into several files, each of which counts for LevelDB as a reason to compact the first of them. What was surely never
 * written is not looked for; one in a hundred new ones is all the same.
 *
 * Built from the rows themselves, in the background after the start; until that is through, everything is looked for.
 * Nothing of it is stored, so that nothing of it can be wrong on disk.
 */
import type { RangeOptions, Store } from '../store/contract.ts';
import { keyAfter } from './rows.ts';

/** Memory beyond which this is given up, and everything is looked for: 44 million keys. */
const MAX_BYTES = 64 * 1024 * 1024;
const BITS_PER_KEY = 12;
/** A filter has room for twice the keys that are there when it is made; the next one for twice as many again. */
const MIN_KEYS = 262_144;
/** 512 bits: what a processor fetches at once. */
const BLOCK_WORDS = 16;
const BLOCK_BITS = 32 * BLOCK_WORDS;
const PROBES = 6;
/** Rows read at once while it is built: a millisecond or two. Behind each page a rest of four times as long. */
const PAGE_ROWS = 1_000;
const RESTS = 4;

export class KnownKeys {
  readonly #store: Store;
  readonly #filters: KeyFilter[];
  readonly #building: Promise<void>;
  #isComplete = false;
  #isClosed = false;

  /** `all` are the bounds of the rows, `expected` is how many there are about. */
  constructor(store: Store, all: Pick<RangeOptions, 'gte' | 'lt'>, expected: number) {
    this.#store = store;
    this.#filters = [new KeyFilter(Math.max(MIN_KEYS, 2 * expected))];
    this.#building = this.#build(all);
  }

  /** One row a key, undefined where there is none. Throws StoreError. */
  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    if (!this.#isComplete) return this.#store.getMany(keys);
    const wanted = keys.filter((key) => this.#mayHold(key));
    if (wanted.length === 0) return keys.map(() => undefined);
    const found = await this.#store.getMany(wanted);
    let next = 0;
    return keys.map((key) => (key === wanted[next] ? found[next++] : undefined));
  }

  /** Before the rows are written: a key too many is harmless, one too few would be an id that is taken twice. */
  add(keys: readonly Uint8Array[]): void {
    for (const key of keys) this.#add(key);
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#building;
  }

  #add(key: Uint8Array): void {
    const last = this.#filters.at(-1);
    if (last === undefined) return;
    if (last.isFull) this.#filters.push(new KeyFilter(2 * last.capacity));
    this.#filters.at(-1)?.add(key);
    const bytes = this.#filters.reduce((sum, { byteCount }) => sum + byteCount, 0);
    if (bytes <= MAX_BYTES) return;
    this.#filters.length = 0;
    this.#isComplete = false;
  }

  #mayHold(key: Uint8Array): boolean {
    for (const filter of this.#filters) if (filter.mayHold(key)) return true;
    return false;
  }

  async #build({ gte, lt }: Pick<RangeOptions, 'gte' | 'lt'>): Promise<void> {
    let from = gte;
    for (;;) {
      const startedMs = performance.now();
      // What cannot be read stays unknown: then whoever asks for a key has it looked for, and is told.
      const rows = await this.#store.range({ gte: from, lt, limit: PAGE_ROWS }).catch(() => undefined);
      if (rows === undefined || this.#isClosed || this.#filters.length === 0) return;
      for (const { key } of rows) this.#add(key);
      const last = rows.at(-1);
      if (last === undefined) break;
      from = keyAfter(last.key);
      if (rows.length === PAGE_ROWS) await rest(RESTS * (performance.now() - startedMs));
    }
    this.#isComplete = true;
  }
}

class KeyFilter {
  /** Keys that it is made for. */
  readonly capacity: number;
  readonly #words: Uint32Array;
  readonly #blockCount: number;
  #count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#blockCount = Math.ceil((capacity * BITS_PER_KEY) / BLOCK_BITS);
    this.#words = new Uint32Array(this.#blockCount * BLOCK_WORDS);
  }

  get isFull(): boolean {
    return this.#count >= this.capacity;
  }

  get byteCount(): number {
    return this.#words.byteLength;
  }

  add(key: Uint8Array): void {
    const { block, step } = this.#placeOf(key);
    let probe = step;
    for (let i = 0; i < PROBES; i++, probe = next(probe)) {
      const bit = probe >>> 23;
      const at = block + (bit >>> 5);
      this.#words[at] = (this.#words[at] ?? 0) | (1 << (bit & 31));
    }
    this.#count++;
  }

  mayHold(key: Uint8Array): boolean {
    const { block, step } = this.#placeOf(key);
    let probe = step;
    for (let i = 0; i < PROBES; i++, probe = next(probe)) {
      const bit = probe >>> 23;
      if ((((this.#words[block + (bit >>> 5)] ?? 0) >>> (bit & 31)) & 1) === 0) return false;
    }
    return true;
  }

  #placeOf(key: Uint8Array): { readonly block: number; readonly step: number } {
    const [high, low] = mixed(key);
    return { block: Math.floor((high / 2 ** 32) * this.#blockCount) * BLOCK_WORDS, step: low };
  }
}

/** Two numbers of 32 bits from all bytes of a key (the steps of MurmurHash3, with two starts). */
function mixed(key: Uint8Array): readonly [number, number] {
  let a = 0x9747b28c;
  let b = 0x3c6ef372;
  for (let i = 0; i < key.length; i++) {
    const byte = key[i] ?? 0;
    a = Math.imul(a ^ byte, 0x5bd1e995);
    a ^= a >>> 15;
    b = Math.imul(b ^ byte, 0x01000193);
  }
  return [finished(a), finished(b)];
}

function finished(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The next probe: its upper nine bits are a place in the block. */
function next(probe: number): number {
  return (Math.imul(probe, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
