/**
 * Small pieces of memory cut from large ones. What lives for a few milliseconds, some hundred thousand times a second, costs
 * more to get from the allocator and to give back than to fill; a large piece is given back when nobody has a part of it.
 */
import { Buffer } from 'node:buffer';

const POOL_BYTES = 64 * 1024;
/** Larger pieces stand alone, so that little of a pool is left over. */
const MAX_PIECE_BYTES = 8 * 1024;

export class BytePool {
  #pool: Buffer = Buffer.alloc(0);
  #next = 0;

  /** Of this length, and of nobody else; what is in it is not said. */
  take(byteCount: number): Uint8Array {
    if (byteCount > MAX_PIECE_BYTES) return new Uint8Array(byteCount);
    if (this.#next + byteCount > this.#pool.length) {
      this.#pool = Buffer.allocUnsafeSlow(POOL_BYTES);
      this.#next = 0;
    }
    const start = this.#next;
    this.#next += byteCount;
    return new Uint8Array(this.#pool.buffer, start, byteCount);
  }
}
