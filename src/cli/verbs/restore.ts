/** `countersign restore`: the public part of a lost log, back from a mirror, with proof that nothing changed. */
import { Command } from 'commander';
import { base64Encode } from '../../../proofs/bytes.ts';
import { type Restored, restoreLog } from '../../log/restore.ts';
import { restoredBytes, restoredEvents } from '../../log/restore-entries.ts';
import { RestoreError, type RestoreErrorCode } from '../../log/restore-error.ts';
import { DEFAULT_DATA_DIRECTORY, logPaths } from '../data-dir.ts';
import { CliError, type CliErrorCode } from '../errors.ts';
import { readInput } from '../files.ts';
import { loadLog } from '../init.ts';
import { type Io, printResult } from '../io.ts';
import { type Progress, startProgress } from '../progress.ts';

interface RestoreFlags {
  readonly from: string;
  readonly data: string;
  readonly name: string;
  readonly policy?: string;
  readonly pin: readonly string[];
  readonly acceptSilentWitnesses?: boolean;
  readonly acceptNoQuorum?: boolean;
  readonly acceptLostAcknowledged?: boolean;
  readonly json?: boolean;
}

const TIMEOUT_MS = 30_000;
const MAX_PINS = 64;

/** What a person can do about each failure. */
const ADVICE: Readonly<Record<RestoreErrorCode, { readonly code: CliErrorCode; readonly advice: string }>> = {
  unreachable: {
    code: 'unreachable',
    advice: 'A witness that is gone for ever can be passed over with --accept-silent-witnesses.',
  },
  'no-copy': {
    code: 'not-found',
    advice: 'Give the monitoring URL of a mirror, or the URL of a log that serves tiles.',
  },
  altered: { code: 'refused', advice: 'Restore from another copy, and tell whoever keeps this one.' },
  behind: { code: 'refused', advice: 'Nothing was changed. Find a copy that is as new as the newest head.' },
  contradicted: { code: 'refused', advice: 'Nothing was changed. Run `countersign monitor` to get a fork proof.' },
  'quorum-not-met': {
    code: 'refused',
    advice: "If the witnesses are gone and the log's own signature has to do, say so with --accept-no-quorum.",
  },
  'not-empty': { code: 'already-exists', advice: 'restore never writes into a database that is there.' },
};

export function restoreVerb(io: Io): Command {
  return new Command('restore')
    .description("rebuild a lost log's public part (entries, tree, head) from a mirror, and prove that nothing changed")
    .requiredOption('--from <URL>', 'a mirror, or any tiled copy of the log')
    .option(
      '--data <DIR>',
      'data directory; the log in it has its config, keys and policy, and no database',
      DEFAULT_DATA_DIRECTORY,
    )
    .option('--name <NAME>', 'which log of the data directory', 'audit')
    .option('--policy <FILE>', "trust policy (default: the log's own copy)")
    .option('--pin <FILE>', 'a head that somebody kept, which must agree; repeatable', collect, [])
    .option('--accept-silent-witnesses', 'go on although witnesses do not answer that may hold a newer head')
    .option('--accept-no-quorum', "go on although only the log's own signature stands behind the copy")
    .option('--accept-lost-acknowledged', 'go on without entries that were acknowledged after the newest head')
    .option('--json', 'print JSON')
    .action((flags: RestoreFlags) => restore(io, flags));
}

async function restore(io: Io, flags: RestoreFlags): Promise<void> {
  const paths = logPaths(flags.data, flags.name);
  const { config } = await loadLog(paths);
  const entries = config.kind === 'raw' ? restoredBytes(config.deduplicate) : restoredEvents;
  const policyText = await readInput(flags.policy ?? paths.policy, 'the policy');
  if (flags.pin.length > MAX_PINS) throw new CliError('usage', `at most ${MAX_PINS} pins`);
  const pins = await Promise.all(
    flags.pin.map(async (name) => ({ name, note: new TextEncoder().encode(await readInput(name, 'the pinned head')) })),
  );
  let progress: Progress | undefined;
  try {
    const restored = await restoreLog({
      directory: paths.directory,
      origin: config.origin,
      policyText,
      entries,
      from: flags.from,
      fetch: io.fetch,
      timeoutMs: TIMEOUT_MS,
      pins,
      acceptSilentWitnesses: flags.acceptSilentWitnesses === true,
      acceptNoQuorum: flags.acceptNoQuorum === true,
      acceptLostAcknowledged: flags.acceptLostAcknowledged === true,
      onProgress: (done, total) => {
        progress ??= startProgress(io, 'restored', total);
        progress.update(done);
      },
    });
    progress?.stop();
    report(io, flags, config.origin, restored, entries.lost);
  } catch (error) {
    progress?.stop();
    if (!(error instanceof RestoreError)) throw error;
    const { code, advice } = ADVICE[error.code];
    throw new CliError(code, `not restored (${error.code}): ${error.message}`, advice);
  }
}

function report(
  io: Io,
  { json, data }: RestoreFlags,
  origin: string,
  restored: Restored,
  lost: readonly string[],
): void {
  const { size, root, from, agrees, silent, quorumSize, published, lostAcknowledged } = restored;
  const result = {
    origin,
    size,
    root: base64Encode(root),
    from,
    agrees,
    silent,
    quorum_size: quorumSize,
    published,
    lost,
  };
  printResult(io, json, result, [
    `restored   ${size} entries of ${origin} from ${from}`,
    `root       ${result.root}`,
    ...agrees.map((head) => `agrees     ${head.holder}, size ${head.size}`),
    ...silent.map((who) => `not asked  ${who}`),
    `quorum     stands behind the first ${quorumSize} entries; the log's own signature behind all`,
    published ? 'head       is public at once' : 'head       has to be cosigned again before it is public',
    ...(lost.length === 0
      ? []
      : [`lost       ${lost.join(', ')} of these entries; their receipts and proofs are good`]),
    ...(lostAcknowledged === 0
      ? []
      : [`lost       ${lostAcknowledged} entries that were acknowledged after the newest head; have them sent again`]),
    `start it   countersign serve --data ${data}`,
  ]);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
