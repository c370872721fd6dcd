/** `countersign fsck`: a stopped log examined from scratch; everything that does not hold is named. docs/fsck.md */
import { Command } from 'commander';
import { base64Encode } from '../../../proofs/bytes.ts';
import { type Damage, damage, EXPLANATIONS, REMEDIES, runsOf } from '../../log/damage.ts';
import { type FsckReport, fsck } from '../../log/fsck.ts';
import { StoreError } from '../../store/contract.ts';
import { nativeHasher } from '../../store/native-hasher.ts';
import { DEFAULT_DATA_DIRECTORY } from '../data-dir.ts';
import { EXIT } from '../errors.ts';
import { type Io, printResult } from '../io.ts';
import { openStoredLog, type StoredLog } from '../open-stored.ts';
import { startProgress } from '../progress.ts';

interface FsckFlags {
  readonly data: string;
  readonly name: string;
  readonly json?: boolean;
}

/** Runs of damaged entries that are printed for people; --json has every one. */
const MAX_PRINTED = 200;

export function fsckVerb(io: Io): Command {
  return new Command('fsck')
    .description('examine a stopped log from scratch; exit 0: it is whole, 1: damaged, 2: could not be examined')
    .option('--data <DIR>', 'data directory', DEFAULT_DATA_DIRECTORY)
    .option('--name <NAME>', 'which log of the data directory', 'audit')
    .option('--json', 'print JSON, with every damaged index')
    .action((flags: FsckFlags) => runFsck(io, flags));
}

async function runFsck(io: Io, flags: FsckFlags): Promise<void> {
  let stored: StoredLog;
  try {
    stored = await openStoredLog(flags.data, flags.name);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const damages = [damage('not-readable', null, `LevelDB does not open its files: ${error.message}`)];
    report(io, flags, { size: 0, root: null, heads: [], damages });
    io.exitWith(EXIT.failed);
    return;
  }
  try {
    const result = await examine(io, stored);
    report(io, flags, result);
    if (result.damages.length > 0) io.exitWith(EXIT.failed);
  } finally {
    await stored.store.close();
  }
}

/** The whole examination with its progress on stderr; `repair` begins and ends with one. */
export async function examine(io: Io, { paths, identity, policyText, store }: StoredLog): Promise<FsckReport> {
  const { origin, kind } = identity.config;
  let progress: ReturnType<typeof startProgress> | undefined;
  const { directory } = paths;
  const result = await fsck({
    ...{ store, directory, origin, kind, policyText },
    hasher: nativeHasher,
    onProgress: (done, total) => {
      progress ??= startProgress(io, 'examined', total);
      progress.update(done);
    },
  });
  progress?.stop();
  return result;
}

type Result = Pick<FsckReport, 'size' | 'root' | 'heads' | 'damages'>;

function report(io: Io, flags: FsckFlags, { size, root, heads, damages }: Result): void {
  const rootText = root === null ? null : base64Encode(root);
  const json = {
    status: damages.length === 0 ? 'whole' : 'damaged',
    ...{ size, root: rootText, heads },
    damages: damages.map(damageJson),
  };
  printResult(io, flags.json, json, [
    `entries    ${size}`,
    `root       ${rootText ?? 'cannot be computed, because entries are missing'}`,
    ...heads.map((head) => `head       ${head.holder}, size ${head.size}: ${head.verdict}`),
    ...(damages.length === 0
      ? ['result     whole: every entry, its contents, id and search rows, and every tile']
      : []),
    ...describeDamages(damages),
  ]);
}

export function damageJson({ kind, index, lastIndex, found }: Damage): object {
  const { means, remedy } = EXPLANATIONS[kind];
  return { kind, index, last_index: lastIndex, found, means, remedy: REMEDIES[remedy] };
}

/** Grouped by kind: what it means and what to do are said once. */
export function describeDamages(damages: readonly Damage[]): readonly string[] {
  const runs = runsOf(damages);
  const kinds = [...new Set(runs.map(({ kind }) => kind))];
  const lines = kinds.flatMap((kind) => {
    const own = runs.filter((one) => one.kind === kind);
    const { means, remedy } = EXPLANATIONS[kind];
    return [
      `DAMAGED    ${kind}: ${own.map(placeOf).slice(0, MAX_PRINTED).join(', ')}${own.length > MAX_PRINTED ? ', …' : ''}`,
      ...own.slice(0, 3).map(({ found }) => `           found: ${found}`),
      `           means: ${means}`,
      `           to do: ${REMEDIES[remedy]}`,
    ];
  });
  return lines.length === 0
    ? []
    : [...lines, `result     damaged in ${damages.length} place${damages.length === 1 ? '' : 's'}`];
}

function placeOf({ index, lastIndex }: Damage): string {
  if (index === null) return 'the log';
  return lastIndex === null || lastIndex === index ? `${index}` : `${index} to ${lastIndex}`;
}
