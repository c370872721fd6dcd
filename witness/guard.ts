/**
 * A second memory of the newest head of each log, outside the database: one small file per log. The database alone
 * cannot tell that it was set back: LevelDB opens without a word when its write-ahead log is damaged, cut or gone,
 * and a restored copy looks like any other. A guard file is written after the database was fsynced, so it may lag
 * behind it and never leads; when the database is behind its guard at the start, the witness refuses to sign.
 */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../proofs/bytes.ts';
import { type Checkpoint, formatCheckpointBody, parseCheckpointBody } from '../proofs/checkpoint.ts';
import { messageOf, WitnessError } from './errors.ts';
import { originHash } from './logs.ts';

export type GuardedHead = Pick<Checkpoint, 'origin' | 'size' | 'root'>;

export interface HeadGuard {
  /** The heads noted so far. Throws `state-corrupt` for a file that is not one of ours. */
  load(): Promise<readonly GuardedHead[]>;
  /** Notes a head soon; of several of one log the newest is enough. Call it after the head is durable, not before. */
  note(head: GuardedHead): void;
  /** Resolves when everything noted is written. */
  settle(): Promise<void>;
}

/** For a witness whose state is not meant to outlive it. */
export const noGuard: HeadGuard = { load: async () => [], note: () => {}, settle: async () => {} };

const SUFFIX = '.head';

export async function directoryGuard(directory: string, onError: (error: unknown) => void): Promise<HeadGuard> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const pending = new Map<string, GuardedHead>();
  let writing: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    for (let next = pending.entries().next(); !next.done; next = pending.entries().next()) {
      const [name, head] = next.value;
      pending.delete(name);
      try {
        await writeHead(directory, name, head);
      } catch (error) {
        // The guard lags for as long as this lasts; the database still has every head.
        onError(error);
      }
    }
    writing = undefined;
  };

  return {
    load: () => loadHeads(directory),
    note: (head) => {
      pending.set(originHash(head.origin), head);
      writing ??= drain();
    },
    settle: async () => {
      await writing;
    },
  };
}

/** Refuses with `state-lost` when what was read from the database is behind, or beside, what the guard saw. */
export function checkGuard(guarded: readonly GuardedHead[], held: (origin: string) => GuardedHead | undefined): void {
  for (const seen of guarded) {
    const head = held(seen.origin);
    const kept = head !== undefined && head.size >= seen.size;
    if (kept && (head.size > seen.size || equalBytes(head.root, seen.root))) continue;
    throw new WitnessError(
      'state-lost',
      `the database has ${head === undefined ? 'no head' : `size ${head.size}`} for "${seen.origin}", but this witness ` +
        `has recorded size ${seen.size} before: the database was damaged or set back. Signing on could contradict an ` +
        `earlier cosignature. Restore the newest copy of the database, or retire these keys and start with new ones.`,
    );
  }
}

async function writeHead(directory: string, name: string, head: GuardedHead): Promise<void> {
  const draft = join(directory, `${name}.new`);
  await writeFile(draft, formatCheckpointBody(head), { mode: 0o600 });
  await rename(draft, join(directory, name + SUFFIX));
}

async function loadHeads(directory: string): Promise<readonly GuardedHead[]> {
  const heads: GuardedHead[] = [];
  for (const name of await readdir(directory)) {
    if (!name.endsWith(SUFFIX)) continue;
    const text = await readFile(join(directory, name), 'utf8');
    // A power loss may leave a renamed file without its contents: that is a guard which lags, not one which lies.
    if (text === '') continue;
    heads.push(parseHeadFile(join(directory, name), text));
  }
  return heads;
}

function parseHeadFile(path: string, text: string): GuardedHead {
  try {
    return parseCheckpointBody(text);
  } catch (error) {
    throw new WitnessError('state-corrupt', `${path} is damaged (${messageOf(error)}); compare it with the database`);
  }
}
