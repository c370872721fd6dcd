/**
 * How a group of entries enters a raw log: bytes that the log never looks into, each a leaf as it is. Where duplicates
 * are suppressed, the same bytes have one index for ever: a row by leaf hash says which (rows.ts).
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import type { PutRow } from '../store/contract.ts';
import type { Planner } from './group-plan.ts';
import { integrate, type Leaf } from './integrate.ts';
import type { KnownKeys } from './known-keys.ts';
import { checkClock } from './log-time.ts';
import { decodeLeafRow, encodeIndex, leafKey } from './rows.ts';
import { type AddResult, LogError } from './types.ts';

export interface BytePlannerOptions {
  /** The rows of known leaves, where duplicates are suppressed. */
  readonly leaves: Pick<KnownKeys, 'getMany' | 'add'> | undefined;
  readonly hasher: Hasher;
  readonly nowUs: () => number;
  /** From the tree, checked. */
  readonly leafHashAt: (index: number) => Promise<Hash>;
}

/** What a queued entry takes beside its bytes. */
const OVERHEAD_BYTES = 128;

export function planBytes(options: BytePlannerOptions): Planner<Uint8Array, AddResult> {
  const { hasher, nowUs } = options;
  const known = options.leaves === undefined ? undefined : new KnownLeaves(options.leaves);
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
        rows: known === undefined ? rows : [...rows, ...known.rowsOf(leaves)],
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
  readonly #stored: Pick<KnownKeys, 'getMany' | 'add'>;
  readonly #pending = new Map<string, number>();

  constructor(stored: Pick<KnownKeys, 'getMany' | 'add'>) {
    this.#stored = stored;
  }

  /** Pending ones first: a group that becomes durable in between is then in the store's answer, and none can slip through. */
  async find(hashes: readonly Hash[]): Promise<readonly (number | undefined)[]> {
    const pending = hashes.map((hash) => this.#pending.get(nameOf(hash)));
    const rows = await this.#stored.getMany(hashes.map(leafKey));
    return hashes.map((_, i) => {
      const row = rows[i];
      return pending[i] ?? (row === undefined ? undefined : decodeLeafRow(row));
    });
  }

  /** Of leaves that are about to be written. */
  rowsOf(leaves: readonly Leaf[]): readonly PutRow[] {
    const rows = leafRows(leaves);
    this.#stored.add(rows.map(({ key }) => key));
    return rows;
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
