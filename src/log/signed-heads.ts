/**
 * Everything that a log's directory says about heads of the log: the head and the published checkpoint in the database, the
 * guard, and the newest acknowledged tree. Each is judged by itself; whether they agree is for who reads them.
 */
import { join } from 'node:path';
import { utf8Decode } from '../../proofs/bytes.ts';
import { parseCheckpoint, verifyCheckpoint } from '../../proofs/checkpoint.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Hash } from '../../proofs/hash.ts';
import { checkCheckpoint, logKeysAt, type Policy } from '../../proofs/policy.ts';
import type { Store } from '../store/contract.ts';
import { readAcknowledged } from './acknowledged.ts';
import { type Damage, damage } from './damage.ts';
import { ACKNOWLEDGED_FILE, GUARD_FILE, type GuardedHead, readGuard } from './guard.ts';
import { readRow } from './read-damaged.ts';
import { HEAD_KEY, PUBLISHED_KEY } from './rows.ts';
import { LogError } from './types.ts';

export interface OwnHead {
  /** For people: `the guard file`. */
  readonly holder: string;
  readonly size: number;
  readonly root: Hash;
}

export interface OwnHeads {
  readonly heads: readonly OwnHead[];
  readonly damages: readonly Damage[];
}

/** Without a store, as after the loss of the database, what is beside it. */
export async function readOwnHeads(
  store: Store | undefined,
  directory: string,
  policy: Policy,
  origin: string,
): Promise<OwnHeads> {
  const heads: OwnHead[] = [];
  const damages: Damage[] = [];
  const note = async (key: Uint8Array, holder: string, judge: (note: string) => GuardedHead): Promise<void> => {
    const row = store === undefined ? undefined : await readRow(store, key);
    if (row === undefined) return;
    try {
      const { size, root } = judge(utf8Decode(row));
      heads.push({ holder, size, root });
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      damages.push(
        damage('head-damaged', null, `${holder} is not good under the policy (${error.code}: ${error.message})`),
      );
    }
  };
  await note(HEAD_KEY, 'the signed head', (text) => {
    const { size } = parseCheckpoint(text).checkpoint;
    return verifyCheckpoint(text, logKeysAt(policy, origin, size), origin).checkpoint;
  });
  await note(PUBLISHED_KEY, 'the published checkpoint', (text) => checkCheckpoint(policy, text).checkpoint);
  try {
    const guard = await readGuard(join(directory, GUARD_FILE));
    if (guard === undefined) {
      if (heads.length > 0) damages.push(damage('guard-damaged', null, 'the guard file is missing'));
    } else if (guard.origin === origin) heads.push({ holder: 'the guard file', size: guard.size, root: guard.root });
    else damages.push(damage('guard-damaged', null, `the guard file is that of another log, ${guard.origin}`));
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    damages.push(damage('guard-damaged', null, error.message));
  }
  const acknowledged = await readAcknowledged(join(directory, ACKNOWLEDGED_FILE));
  if (acknowledged?.origin === origin) {
    heads.push({ holder: 'the file `acknowledged`', size: acknowledged.size, root: acknowledged.root });
  }
  return { heads, damages };
}
