/**
 * SHA-256 of the first bytes of a buffer, written where it is needed: Node's one-shot hash, for which a text of one
 * character a byte is the fastest answer. An event takes some twenty of these, so nothing is made for them that can be
 * kept: a view of the first n bytes is as dear as hashing them.
 */
import { hash } from 'node:crypto';

export const DIGEST_BYTES = 32;

/** Views beyond this length are made when they are needed. */
const MAX_KEPT_VIEW = 2_048;

export class DigestInput {
  readonly bytes: Buffer;
  /** The view of the first n bytes, at n. */
  readonly #views: (Uint8Array | undefined)[];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#views = new Array(Math.min(bytes.length, MAX_KEPT_VIEW) + 1).fill(undefined);
  }

  /** The digest of the first bytes, one character a byte. */
  digest(byteCount: number): string {
    return hash('sha256', this.#view(byteCount), 'binary');
  }

  #view(byteCount: number): Uint8Array {
    let view = this.#views[byteCount];
    if (view === undefined) {
      view = this.bytes.subarray(0, byteCount);
      if (byteCount <= MAX_KEPT_VIEW) this.#views[byteCount] = view;
    }
    return view;
  }
}

/** Writes what `digest` gave, or its first bytes. */
export function writeDigest(into: Uint8Array, offset: number, digest: string, byteCount: number = DIGEST_BYTES): void {
  for (let i = 0; i < byteCount; i++) into[offset + i] = digest.charCodeAt(i);
}
