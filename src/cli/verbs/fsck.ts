/**
 * `countersign fsck`: a stopped log examined from scratch, or a running one from outside (fsck-url.ts); everything that does
 * not hold is named. docs/fsck.md
 */
import { Command, Option } from 'commander';
import { base64Encode } from '../../../proofs/bytes.ts';
import { type Damage, damage, EXPLANATIONS, REMEDIES } from '../../log/damage.ts';
import { type FsckReport, fsck } from '../../log/fsck.ts';
import { StoreError } from '../../store/contract.ts';
import { nativeHasher } from '../../store/native-hasher.ts';
import { parseTimeoutMs } from '../arguments.ts';
import { DEFAULT_DATA_DIRECTORY } from '../data-dir.ts';
import { damageLines } from '../describe-damages.ts';
import { CliError, EXIT } from '../errors.ts';
import { type FsckUrlFlags, fsckUrl } from '../fsck-url.ts';
import { type Io, printResult } from '../io.ts';
import { openStoredLog, type StoredLog } from '../open-stored.ts';
import { startProgress } from '../progress.ts';
import { checkUrl } from '../target.ts';

interface FsckFlags extends Partial<FsckUrlFlags> {
  readonly data?: string;
  readonly name: string;
  readonly timeout: number;
}

type StoredFlags = Required<Pick<FsckFlags, 'data' | 'name'>> & Pick<FsckFlags, 'json'>;

const TIMEOUT_MS = 30_000;
const DEFAULT_NAME = 'audit';

export function fsckVerb(io: Io): Command {
  return new Command('fsck')
    .description('examine a stopped log from scratch, or over HTTP what a running one serves')
    .option('--data <DIR>', `data directory (default: ${DEFAULT_DATA_DIRECTORY})`)
    .option('--name <NAME>', 'which log of the data directory, or of the server', DEFAULT_NAME)
    .option('--url <URL>', 'instead: what a running log or a mirror serves there, held against its checkpoint')
    .option('--policy <FILE>', 'with --url: trust policy (default: that of the network file)')
    .option('--network <FILE>', 'with --url: network.json that "up" wrote')
    .option('--origin <ORIGIN>', 'with --url: which log, where the policy has several')
    .addOption(
      new Option('--timeout <SECONDS>', 'with --url: how long one answer may take')
        .argParser(parseTimeoutMs)
        .default(TIMEOUT_MS, `${TIMEOUT_MS / 1000}`),
    )
    .option('--json', 'print JSON, with every damaged index')
    .addHelpText('after', '\nExit codes: 0 whole, 1 damaged, 2 not examined, or not to its end.\n')
    .action((flags: FsckFlags) => runFsck(io, flags));
}

function runFsck(io: Io, flags: FsckFlags): Promise<void> {
  const { url, data } = flags;
  if (url === undefined) return fsckStored(io, { ...flags, data: data ?? DEFAULT_DATA_DIRECTORY });
  if (data === undefined) return fsckUrl(io, { ...flags, url: checkUrl(url) });
  throw new CliError('usage', '--url and --data exclude each other: a log is examined from outside, or on its disk');
}

async function fsckStored(io: Io, flags: StoredFlags): Promise<void> {
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

function report(io: Io, flags: StoredFlags, { size, root, heads, damages }: Result): void {
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
  return damageLines(damages, (kind) => {
    const { means, remedy } = EXPLANATIONS[kind];
    return [`means: ${means}`, `to do: ${REMEDIES[remedy]}`];
  });
}
