/** Random bytes from the operating system, fetched in blocks: one call for dozens of events instead of one for each. */
import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 16_384;

/** A source that gives out every byte once. */
export function createRandomPool(
  fill: (bytes: Uint8Array) => unknown = randomFillSync,
): (byteCount: number) => Uint8Array {
  let pool = new Uint8Array(0);
  let next = 0;
  return (byteCount) => {
    if (byteCount > POOL_BYTES) {
      const bytes = new Uint8Array(byteCount);
      fill(bytes);
      return bytes;
    }
    if (next + byteCount > pool.length) {
      // Not filled again: parts of the old one may still be in use.
      pool = new Uint8Array(POOL_BYTES);
      fill(pool);
      next = 0;
    }
    const start = next;
    next += byteCount;
    return pool.subarray(start, next);
  };
}
