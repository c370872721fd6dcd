/**
 * A log that does not run, opened by its files: what `fsck`, `repair` and `recover` work on. LevelDB's lock keeps them
 * from a log that does run, and a log from starting meanwhile.
 */
import path from 'node:path';
import { type Store, StoreError } from '../store/contract.ts';
import { openLevelStore } from '../store/leveldb.ts';
import { type LogPaths, logPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { exists, readInput } from './files.ts';
import { type LogIdentity, loadLog } from './init.ts';

export interface StoredLog {
  readonly paths: LogPaths;
  readonly identity: LogIdentity;
  readonly policyText: string;
  readonly store: Store;
}

/** Throws CliError; StoreError `store-corrupt` or `store-failed` when LevelDB cannot open its own files. */
export async function openStoredLog(data: string, name: string): Promise<StoredLog> {
  const paths = logPaths(data, name);
  const identity = await loadLog(paths);
  const policyText = await readInput(paths.policy, 'the policy of the log');
  const database = databaseOf(paths);
  if (!(await exists(path.join(database, 'CURRENT')))) {
    throw new CliError(
      'unreadable-input',
      `there is no database in ${database}`,
      'If it is lost, `countersign restore --from MIRROR` builds it again from a copy.',
    );
  }
  try {
    return { paths, identity, policyText, store: await openLevelStore(database) };
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'store-locked') throw error;
    throw new CliError(
      'unreadable-input',
      `the log in ${paths.directory} is running: another process has its database open`,
      'Stop that process first. A running log examines itself: see `scrub` in GET /healthz.',
    );
  }
}

export function databaseOf({ directory }: LogPaths): string {
  return path.join(directory, 'db');
}
