/**
 * At start, before anything is signed: the database, the guard and every reachable witness are compared. A log whose
 * database is behind any of them, or disagrees with any of them, lost a head that it had signed; signing on would fork.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import type { Checkpoint } from '../../proofs/checkpoint.ts';
import type { Hash } from '../../proofs/hash.ts';
import { type GuardedHead, readGuard, writeGuard } from './guard.ts';
import { LogError } from './types.ts';
import type { WitnessReport } from './witness-client.ts';

export interface HeadsToCompare {
  readonly origin: string;
  /** Leaves in the database. */
  readonly size: number;
  readonly rootAt: (size: number) => Promise<Hash>;
  /** Whether the database holds a head that this log signed. */
  readonly hasSignedHead: boolean;
  readonly guardPath: string;
  /** The newest tree from which submissions were answered, see acknowledged.ts. */
  readonly acknowledged: GuardedHead | undefined;
  readonly witnessReports: readonly WitnessReport[];
  /** The checkpoint of a report, if this log's own keys signed it. */
  readonly signedByThisLog: (note: Uint8Array) => Checkpoint | undefined;
}

/**
 * Returns what could not be asked. Throws LogError `guard-missing`, `guard-corrupt`, `wrong-origin` or `rolled-back`,
 * each with the head that was lost and the way out. Writes the guard of a new, empty log.
 */
export async function compareHeads(heads: HeadsToCompare): Promise<{ readonly unreachable: readonly string[] }> {
  const guard = await readGuard(heads.guardPath);
  if (guard === undefined) {
    if (heads.size > 0 || heads.hasSignedHead) throw guardMissing(heads);
    await writeGuard(heads.guardPath, { origin: heads.origin, size: 0, root: await heads.rootAt(0) });
  } else {
    if (guard.origin !== heads.origin) {
      throw new LogError('wrong-origin', `the guard file ${heads.guardPath} is that of another log, ${guard.origin}`);
    }
    await compareWith(heads, guard, `the guard file ${heads.guardPath}`);
  }
  if (heads.acknowledged?.origin === heads.origin) await compareWithAcknowledged(heads, heads.acknowledged);
  const unreachable: string[] = [];
  for (const { endpoint, note, error } of heads.witnessReports) {
    const name = endpoint.names[0] ?? endpoint.url;
    if (error !== undefined) unreachable.push(`${name} (${endpoint.url}): ${error}`);
    const checkpoint = note === undefined ? undefined : heads.signedByThisLog(note);
    if (checkpoint !== undefined) await compareWith(heads, checkpoint, `witness ${name} at ${endpoint.url}`);
  }
  return { unreachable };
}

/** That the database extends a head which this log signed. Throws LogError `rolled-back`. */
export async function compareWith(
  heads: Pick<HeadsToCompare, 'origin' | 'size' | 'rootAt'>,
  known: Omit<GuardedHead, 'origin'>,
  holder: string,
): Promise<void> {
  if (known.size > heads.size) {
    throw new LogError(
      'rolled-back',
      `the database has ${heads.size} entries, but ${holder} holds a head of size ${known.size} that this log signed: ` +
        `entries ${heads.size} to ${known.size - 1} are lost, as after a restore from an old backup. Nothing is signed, ` +
        'because a second history would be a fork. Put back the newest copy of the database; if it is truly gone, ' +
        'only a new origin that links to the lost head can go on: `countersign recover`.',
      { databaseSize: heads.size, lostSize: known.size },
    );
  }
  if (equalBytes(await heads.rootAt(known.size), known.root)) return;
  throw new LogError(
    'rolled-back',
    `the database and ${holder} disagree about the first ${known.size} entries: this log signed another root for that ` +
      'size, so entries were changed or replaced. Nothing is signed. Put back the database that belongs to that head.',
    { databaseSize: heads.size, lostSize: known.size },
  );
}

/** Entries that no head covers yet, and of which somebody was told the index. */
async function compareWithAcknowledged(heads: HeadsToCompare, known: GuardedHead): Promise<void> {
  if (known.size <= heads.size && equalBytes(await heads.rootAt(known.size), known.root)) return;
  const what =
    known.size > heads.size
      ? `entries ${heads.size} to ${known.size - 1} were acknowledged to their producers and are not in the database`
      : `the first ${known.size} entries are not those that were acknowledged to their producers`;
  throw new LogError(
    'rolled-back',
    `the database has ${heads.size} entries; ${what}, as after an older copy of it was put back or its newest writes were ` +
      'damaged. Nothing is signed. Stop the log and put back the newest copy of the database. If there is none, these ' +
      'entries are lost: `countersign repair --forget-acknowledged` goes on without them and makes that an entry.',
    { databaseSize: heads.size, lostSize: known.size },
  );
}

function guardMissing(heads: HeadsToCompare): LogError {
  return new LogError(
    'guard-missing',
    `the guard file ${heads.guardPath} is missing although the database has ${heads.size} entries. It holds the last ` +
      'signed head, without which a set-back database cannot be told from a whole one. Nothing is signed. Stop the log and ' +
      'put the file back from where the log directory was copied; if there is no copy, `countersign repair --guard` makes ' +
      'it again and asks the witnesses first.',
    { databaseSize: heads.size },
  );
}
