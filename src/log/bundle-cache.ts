/**
 * Full entry bundles that were checked against the tree, kept for who asks next: mirrors and monitors ask for the newest
 * ones all at once. They never change; what bounds them is their bytes.
 */

/** Of all kept bundles together. */
const MAX_KEPT_BYTES = 32 * 1024 * 1024;

export class BundleCache {
  /** Least recently used first. */
  readonly #bundles = new Map<number, Uint8Array>();
  #bytes = 0;

  /** The bundle, read by `read` unless it is kept. What cannot be read is not kept. */
  async get(index: number, read: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const kept = this.#bundles.get(index);
    if (kept !== undefined) {
      this.#bundles.delete(index);
      this.#bundles.set(index, kept);
      return kept;
    }
    const bundle = await read();
    if (this.#bundles.has(index)) return bundle;
    this.#bundles.set(index, bundle);
    this.#bytes += bundle.length;
    for (const [oldest, { length }] of this.#bundles) {
      if (this.#bytes <= MAX_KEPT_BYTES) break;
      this.#bundles.delete(oldest);
      this.#bytes -= length;
    }
    return bundle;
  }
}
