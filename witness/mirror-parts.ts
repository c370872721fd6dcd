/** What every request and every poll of one mirror shares. mirror.ts puts it together. */
import type { VerifierKey } from '../proofs/key.ts';
import type { MirroredLog } from './mirrored-log.ts';
import type { WitnessParts } from './parts.ts';
import { Refused } from './reply.ts';
import type { Tickets } from './tickets.ts';

export interface MirrorParts extends WitnessParts {
  /** By origin; there is one for each log of `logs`. */
  readonly mirrored: ReadonlyMap<string, MirroredLog>;
  readonly tickets: Tickets;
  readonly uploads: UploadSlots;
  /** Witnesses whose lines on a published checkpoint are worth keeping. */
  readonly witnesses: readonly VerifierKey[];
}

/** Uploads under way at one time; each may hold a package of 16 MiB in memory. */
const MAX_UPLOADS = 16;

export class UploadSlots {
  #used = 0;

  /** Runs the work if there is room. Refused `overloaded` otherwise. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#used >= MAX_UPLOADS) throw new Refused('overloaded', 'too many uploads at once; try again');
    this.#used++;
    try {
      return await work();
    } finally {
      this.#used--;
    }
  }
}
