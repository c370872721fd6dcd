/**
 * How a group of entries enters a raw log: bytes that the log never looks into, each a leaf as it is. Where duplicates
 * are suppressed, the same bytes have one index for ever: a row by leaf hash says which (rows.ts).
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import type { PutRow, Store } from '../store/contract.ts';
import type { Planner } from './group-plan.ts';
import { integrate, type Leaf } from './integrate.ts';
import { checkClock } from './log-time.ts';
import { decodeLeafRow, encodeIndex, leafKey } from './rows.ts';
import { type AddResult, LogError } from './types.ts';

export interface BytePlannerOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly nowUs: () => number;
  readonly deduplicate: boolean;
  /** From the tree, checked. */
  readonly leafHashAt: (index: number) => Promise<Hash>;
}

/** What a queued entry takes beside its bytes. */
const OVERHEAD_BYTES = 128;

export function planBytes(options: BytePlannerOptions): Planner<Uint8Array, AddResult> {
  const { store, hasher, nowUs, deduplicate } = options;
  const known = deduplicate ? new KnownLeaves(store) : undefined;
  return {
    byteCount: (entry) => entry.length + OVERHEAD_BYTES,
    // Bytes say nothing about who sent them.
    sourceOf: () => '',
    plan: async (entries, before) => {
      const hashes = entries.map((entry) => hasher.leaf(entry));
      const taken = await known?.find(hashes);
      const now = nowUs();
      checkClock(now, before.lastLogTime);
      const logTime = Math.max(now, before.lastLogTime);
      const leaves: Leaf[] = [];
      const results: AddResult[] = [];
      const firsts = new Map<string, number>();
      for (const [position, entry] of entries.entries()) {
        const leafHash = hashes[position] ?? hasher.leaf(entry);
        const name = known === undefined ? '' : nameOf(leafHash);
        const earlier = taken?.[position] ?? firsts.get(name);
        const index = earlier ?? before.range.size + leaves.length;
        results.push({ status: earlier === undefined ? 'accepted' : 'duplicate', index, leafHash });
        if (earlier !== undefined) continue;
        if (known !== undefined) firsts.set(name, index);
        leaves.push({ index, entry, leafHash, logTime, byteCount: entry.length });
      }
      const { state, rows } = integrate(before, leaves, hasher);
      known?.add(firsts);
      return {
        state,
        rows: known === undefined ? rows : [...rows, ...leafRows(leaves)],
        addsLeaves: leaves.length > 0,
        onDurable: () => known?.remove(firsts),
        resultAt: (position) => {
          const result = results[position];
          if (result === undefined) throw new LogError('log-stopped', 'an entry was neither new nor known');
          return taken?.[position] === undefined ? result : checkAgain(options, result);
        },
      };
    },
  };
}

/** The rows that find these leaves again by their bytes. */
export function leafRows(leaves: readonly Pick<Leaf, 'index' | 'leafHash'>[]): readonly PutRow[] {
  return leaves.map(({ index, leafHash }) => ({ key: leafKey(leafHash), value: encodeIndex(index) }));
}

/** Leaves in the store, and those of groups that were planned and are not durable yet. */
class KnownLeaves {
  readonly #store: Store;
  readonly #pending = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Pending ones first: a group that becomes durable in between is then in the store's answer, and none can slip through. */
  async find(hashes: readonly Hash[]): Promise<readonly (number | undefined)[]> {
    const pending = hashes.map((hash) => this.#pending.get(nameOf(hash)));
    const rows = await this.#store.getMany(hashes.map(leafKey));
    return hashes.map((_, i) => {
      const row = rows[i];
      return pending[i] ?? (row === undefined ? undefined : decodeLeafRow(row));
    });
  }

  add(firsts: ReadonlyMap<string, number>): void {
    for (const [name, index] of firsts) this.#pending.set(name, index);
  }

  remove(firsts: ReadonlyMap<string, number>): void {
    for (const name of firsts.keys()) this.#pending.delete(name);
  }
}

/** A row says which index the bytes had; the tree says whether that is so. */
async function checkAgain({ leafHashAt }: BytePlannerOptions, result: AddResult): Promise<AddResult> {
  const { index, leafHash } = result;
  if (equalBytes(await leafHashAt(index), leafHash)) return result;
  throw new LogError('corrupt-data', `the row that finds entry ${index} by its bytes was altered on disk`, { index });
}

function nameOf(hash: Hash): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString('latin1');
}
