/**
 * What was read of the search index and checked, kept for the next question: what one term has in a run of sealed blocks,
 * which never changes. Questions are asked again, with another page or another filter beside it; a filter of many
 * values over ten million events reads thousands of rows. Bounded by bytes, least recently used first.
 */
import type { Container } from './postings.ts';

/** The blocks of the run in which the term occurs, ascending. */
export type Run = readonly (readonly [block: number, container: Container])[];

const MAX_BYTES = 24 * 1024 * 1024;
/** What an entry takes beside the offsets. */
const RUN_BYTES = 256;
const CONTAINER_BYTES = 160;
const LISTED_BYTES = 8;

export class CheckedRuns {
  readonly #runs = new Map<string, Run>();
  #bytes = 0;

  get(term: string, from: number, to: number): Run | undefined {
    const name = nameOf(term, from, to);
    const run = this.#runs.get(name);
    if (run === undefined) return undefined;
    this.#runs.delete(name);
    this.#runs.set(name, run);
    return run;
  }

  put(term: string, from: number, to: number, run: Run): void {
    const name = nameOf(term, from, to);
    const replaced = this.#runs.get(name);
    if (replaced !== undefined) this.#bytes -= bytesOf(replaced);
    this.#runs.delete(name);
    this.#runs.set(name, run);
    this.#bytes += bytesOf(run);
    for (const [oldest, its] of this.#runs) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#runs.delete(oldest);
      this.#bytes -= bytesOf(its);
    }
  }
}

function nameOf(term: string, from: number, to: number): string {
  return `${from} ${to} ${term}`;
}

function bytesOf(run: Run): number {
  return run.reduce((sum, [, container]) => sum + CONTAINER_BYTES + offsetBytes(container), RUN_BYTES);
}

function offsetBytes(container: Container): number {
  return container instanceof Uint32Array ? container.byteLength : LISTED_BYTES * container.length;
}
