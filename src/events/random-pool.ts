/** Random bytes from the operating system, fetched in blocks: one call for dozens of events instead of one for each. */
import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 4096;

/** A source that gives out every byte once, and keeps none that it gave out. */
export function createRandomPool(
  fill: (bytes: Uint8Array) => unknown = randomFillSync,
): (byteCount: number) => Uint8Array {
  const pool = new Uint8Array(POOL_BYTES);
  let next = POOL_BYTES;
  return (byteCount) => {
    if (byteCount > POOL_BYTES) {
      const bytes = new Uint8Array(byteCount);
      fill(bytes);
      return bytes;
    }
    if (next + byteCount > POOL_BYTES) {
      fill(pool);
      next = 0;
    }
    const bytes = pool.slice(next, next + byteCount);
    pool.fill(0, next, next + byteCount);
    next += byteCount;
    return bytes;
  };
}
