/**
 * A guard file that is lost or damaged, made again. What it protects from is a database that was set back, so everybody who
 * could know of a newer head is asked first: the head in the database, the acknowledged tree, every witness of the policy.
 */
import { join } from 'node:path';
import type { Hash, Hasher } from '../../proofs/hash.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { rangeRoot } from '../../proofs/range.ts';
import type { Store } from '../store/contract.ts';
import { GUARD_FILE, writeGuard } from './guard.ts';
import { loadState } from './load.ts';
import { rootAt } from './prove.ts';
import { RestoreError } from './restore-error.ts';
import { judgeWitnesses, type KnownHead, refuseNewer, refuseOthers } from './restore-heads.ts';
import { readOwnHeads } from './signed-heads.ts';
import { TreeReader } from './tree-reader.ts';
import { askWitnesses } from './witness-client.ts';

export interface RebuildGuardOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly directory: string;
  readonly origin: string;
  readonly policyText: string;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  /** Go on although witnesses do not answer that may hold a newer head. */
  readonly acceptSilentWitnesses: boolean;
}

export interface RebuiltGuard {
  readonly size: number;
  readonly root: Hash;
  /** Whose heads agree with the database. */
  readonly agrees: readonly { readonly holder: string; readonly size: number }[];
  readonly silent: readonly string[];
}

/** Throws RestoreError `behind`, `contradicted` or `unreachable`, and LogError `corrupt-data`; then nothing was changed. */
export async function rebuildGuard(options: RebuildGuardOptions): Promise<RebuiltGuard> {
  const { store, hasher, directory, origin } = options;
  const policy = parsePolicy(options.policyText);
  const state = await loadState(store, hasher);
  const reports = await askWitnesses({ policy, origin, timeoutMs: options.timeoutMs, fetch: options.fetch });
  const { heads: cosigned, silent } = judgeWitnesses(policy, origin, reports);
  if (silent.length > 0 && !options.acceptSilentWitnesses) {
    throw new RestoreError('unreachable', `these could hold a newer head, and do not answer: ${silent.join('; ')}`);
  }
  const own = await readOwnHeads(store, directory, policy, origin);
  const isOther = ({ holder }: { readonly holder: string }): boolean => holder !== 'the guard file';
  const heads: readonly KnownHead[] = [
    ...own.heads.filter(isOther).map((head) => ({ ...head, witnesses: [] })),
    ...cosigned,
  ];
  refuseNewer(state.range.size, heads);
  const source = { reader: new TreeReader(store, hasher), hasher, state };
  await refuseOthers((at) => rootAt(source, at), heads);
  // The whole tree is what it has to extend from now on: everything in it may have been signed.
  const { size } = state.range;
  const root = rangeRoot(state.range, hasher);
  await writeGuard(join(directory, GUARD_FILE), { origin, size, root });
  return { size, root, agrees: heads.map((head) => ({ holder: head.holder, size: head.size })), silent };
}
