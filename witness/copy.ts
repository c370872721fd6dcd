/**
 * A copy of a log: every entry and the tree over them, durable, and nothing taken on trust. Entries come in as packages
 * (C2SP tlog-mirror) that are proven to belong to a signed tree before a byte is written; what goes out again is checked
 * against the tree first. The copy signs nothing and knows no heads: mirrored-log.ts does.
 *
 *     package -> subtree proof -> entries, tiles and the new range in one fsynced batch
 *
 * A crash before the batch leaves the copy as it was, one after it leaves it longer. There is no state in between.
 */
import { equalBytes } from '../proofs/bytes.ts';
import type { Checkpoint } from '../proofs/checkpoint.ts';
import { ProofError } from '../proofs/errors.ts';
import type { Hash } from '../proofs/hash.ts';
import type { HashReader } from '../proofs/prove.ts';
import { rangeAt, rangeRoot } from '../proofs/range.ts';
import { checkSubtreeConsistency } from '../proofs/subtree.ts';
import { encodeEntryBundle, type TileResource, tileWidthAt } from '../proofs/tile.ts';
import { rootOfHashes } from '../proofs/tree.ts';
import type { CopyRows } from './copy-rows.ts';
import { type CopyState, extendCopy, loadCopy } from './copy-state.ts';
import { CopyTree } from './copy-tree.ts';
import { messageOf, WitnessError } from './errors.ts';
import { type EntryPackage, roundDown } from './mirror-wire.ts';
import { nativeHasher } from './native-hasher.ts';
import type { Row } from './rows.ts';

export class LogCopy {
  readonly #rows: CopyRows;
  readonly #tree: CopyTree;
  #state: CopyState;
  /** Appends are made one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #failure: string | undefined;

  private constructor(rows: CopyRows, state: CopyState) {
    this.#rows = rows;
    this.#state = state;
    this.#tree = new CopyTree(rows, () => this.#state);
  }

  /** Reads back and checks the right edge and the newest entries. Throws `state-corrupt` naming what does not fit. */
  static async open(rows: CopyRows): Promise<LogCopy> {
    return new LogCopy(rows, await loadCopy(rows));
  }

  /** The next entry: how many there are. */
  get size(): number {
    return this.#state.range.size;
  }

  /** Why this copy cannot be relied on any more; nothing is signed over it then. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Stored nodes of the copied tree, each checked. */
  get read(): HashReader {
    return (nodes) => this.#checked(() => this.#tree.nodes(nodes));
  }

  /** Root over the first entries. Throws `state-corrupt` when what is on disk does not hold together. */
  async rootAt(size: number): Promise<Hash> {
    return rangeRoot(await rangeAt(size, this.read), nativeHasher);
  }

  /**
   * Adds packages, in order, that belong to the tree of `head`, which the caller knows to extend all that is here. What
   * is here already is not written again. Throws `bad-subtree-proof`, or `invalid-argument` for a gap. On a bad proof
   * the packages before it are kept.
   */
  append(head: Checkpoint, packages: readonly EntryPackage[]): Promise<void> {
    const mine = this.#last.then(() => this.#append(head, packages));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** The bytes of a tile or bundle, checked; undefined where the copy has none. */
  async resource({ level, index, width }: TileResource): Promise<Uint8Array | undefined> {
    if (width > tileWidthAt(level === 'entries' ? 0 : level, index, this.size)) return undefined;
    return this.#checked(async () =>
      level === 'entries'
        ? encodeEntryBundle(await this.#tree.entries(index, width))
        : this.#tree.tile({ level, index, width }),
    );
  }

  /** Writes a row of whoever signs over this copy, durably. */
  async put(row: Row): Promise<void> {
    if (this.#failure !== undefined) throw new WitnessError('store-failed', this.#failure);
    await this.#commit([row]);
  }

  /** Lets what is being written finish. */
  async settle(): Promise<void> {
    await this.#last;
  }

  async #append(head: Checkpoint, packages: readonly EntryPackage[]): Promise<void> {
    if (this.#failure !== undefined) throw new WitnessError('store-failed', this.#failure);
    const fresh: Uint8Array[] = [];
    const hashes: Hash[] = [];
    let bad: ProofError | undefined;
    for (const one of packages) {
      const next = this.size + fresh.length;
      if (one.start > next) throw new ProofError('invalid-argument', `a gap before entry ${one.start}`);
      try {
        const leaves = await this.#authenticate(head, one, hashes);
        const known = Math.min(one.entries.length, next - one.start);
        fresh.push(...one.entries.slice(known));
        hashes.push(...leaves.slice(known));
      } catch (error) {
        if (!(error instanceof ProofError)) throw error;
        bad = error;
        break;
      }
    }
    if (fresh.length > 0) await this.#write(fresh, hashes);
    if (bad !== undefined) throw bad;
  }

  /** The leaf hashes of a package that was proven to be part of the head's tree. `pending`: those not yet written. */
  async #authenticate(head: Checkpoint, one: EntryPackage, pending: readonly Hash[]): Promise<readonly Hash[]> {
    const { start, end, entries, proof } = one;
    const rounded = roundDown(start);
    const before = await this.#leaves(rounded, start, pending);
    const leaves = entries.map((entry) => nativeHasher.leaf(entry));
    const subtreeHash = rootOfHashes([...before, ...leaves], nativeHasher);
    const { size, root } = head;
    checkSubtreeConsistency({ start: rounded, end, size, subtreeHash, root, proof }, nativeHasher);
    return leaves;
  }

  async #leaves(from: number, to: number, pending: readonly Hash[]): Promise<readonly Hash[]> {
    const { size } = this;
    const indices = Array.from({ length: to - from }, (_, i) => from + i);
    const stored = await this.read(indices.filter((index) => index < size).map((index) => ({ level: 0, index })));
    return [...stored, ...pending.slice(Math.max(0, from - size), Math.max(0, to - size))];
  }

  async #write(entries: readonly Uint8Array[], hashes: readonly Hash[]): Promise<void> {
    const { state, rows } = extendCopy(this.#state, entries, hashes);
    // The commit point of the copy.
    await this.#commit(rows);
    this.#state = state;
  }

  async #commit(rows: readonly Row[]): Promise<void> {
    try {
      await this.#rows.write(rows);
    } catch (error) {
      // Nobody knows what the disk holds now: nothing more is written or signed until it was read back at a start.
      this.#fail(error);
      throw error;
    }
  }

  async #checked<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof WitnessError && error.code === 'state-corrupt') this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= messageOf(error);
  }
}

/** Whether the copy holds the tree of this head. Throws `state-corrupt` when what is on disk does not hold together. */
export async function holdsTree(copy: LogCopy, { size, root }: Checkpoint): Promise<boolean> {
  return size <= copy.size && equalBytes(await copy.rootAt(size), root);
}
