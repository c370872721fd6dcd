/**
 * What the server promised, kept as it arrived and read after the run, so that reading it costs the run nothing: per
 * event number the index and the leaf hash of its acknowledgement.
 */
import { Buffer } from 'node:buffer';
import type { EventSource } from './events.ts';

const HASH_BYTES = 32;
const NOT_ACKNOWLEDGED = -1;

export class Acknowledgements {
  readonly #events: EventSource;
  #bodies: Buffer[] = [];
  #indices: Float64Array = new Float64Array(1024).fill(NOT_ACKNOWLEDGED);
  #leafHashes: Buffer = Buffer.alloc(1024 * HASH_BYTES);
  #count = 0;

  constructor(events: EventSource) {
    this.#events = events;
  }

  /** The body of an answer: one acknowledgement a line. */
  add(body: Buffer): void {
    this.#bodies.push(body);
  }

  /** Reads what was added. Throws if anything was not accepted, or acknowledged twice. */
  settle(): void {
    for (const body of this.#bodies) {
      for (const line of body.toString('latin1').split('\n')) if (line !== '') this.#read(line);
    }
    this.#bodies = [];
  }

  get count(): number {
    return this.#count;
  }

  /** Undefined if the event was not acknowledged. */
  indexOf(number: number): number | undefined {
    const index = this.#indices[number] ?? NOT_ACKNOWLEDGED;
    return index === NOT_ACKNOWLEDGED ? undefined : index;
  }

  leafHashOf(number: number): Uint8Array {
    return this.#leafHashes.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES);
  }

  #read(line: string): void {
    const { status, event_id, index, leaf_hash }: Readonly<Record<string, unknown>> = JSON.parse(line);
    const number = typeof event_id === 'string' ? this.#events.numberOf(event_id) : undefined;
    if (number === undefined || status !== 'accepted' || typeof index !== 'number' || typeof leaf_hash !== 'string') {
      throw new Error(`not the acknowledgement of an event that was sent: ${line.slice(0, 300)}`);
    }
    if (this.indexOf(number) !== undefined) throw new Error(`event ${number} was acknowledged twice`);
    this.#grow(number + 1);
    this.#indices[number] = index;
    if (this.#leafHashes.write(leaf_hash, number * HASH_BYTES, HASH_BYTES, 'base64') !== HASH_BYTES) {
      throw new Error(`a leaf hash is not ${HASH_BYTES} bytes: ${leaf_hash}`);
    }
    this.#count++;
  }

  #grow(count: number): void {
    if (count <= this.#indices.length) return;
    const length = Math.max(count, 2 * this.#indices.length);
    const indices = new Float64Array(length).fill(NOT_ACKNOWLEDGED);
    indices.set(this.#indices);
    const leafHashes = Buffer.alloc(length * HASH_BYTES);
    leafHashes.set(this.#leafHashes);
    this.#indices = indices;
    this.#leafHashes = leafHashes;
  }
}
