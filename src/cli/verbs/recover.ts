/** `countersign recover`: after a true loss, a new log under a new origin that links to the lost head. docs/operating.md */
import { Command } from 'commander';
import { base64Encode } from '../../../proofs/bytes.ts';
import { DEFAULT_DATA_DIRECTORY, logPaths } from '../data-dir.ts';
import { CliError } from '../errors.ts';
import { readInput } from '../files.ts';
import { readOrigin } from '../init.ts';
import { type Io, printResult } from '../io.ts';
import { recover } from '../recover.ts';

interface RecoverFlags {
  readonly data: string;
  readonly name: string;
  readonly newOrigin: string;
  readonly newName: string;
  readonly decidedBy: string;
  readonly reason: string;
  readonly yesILost?: string;
  readonly pin: readonly string[];
  readonly json?: boolean;
}

export function recoverVerb(io: Io): Command {
  return new Command('recover')
    .description('after a true loss: begin a new log that names the lost head in its first entry')
    .requiredOption('--new-origin <ORIGIN>', 'the name of the new log for ever; not the old one')
    .requiredOption('--new-name <NAME>', 'first segment of the URLs of the new log')
    .requiredOption('--decided-by <WHO>', 'who decided to go on without what is lost')
    .requiredOption('--reason <TEXT>', 'what happened')
    .option('--yes-i-lost <ORIGIN>', 'the origin that is given up, typed in full')
    .option('--data <DIR>', 'data directory', DEFAULT_DATA_DIRECTORY)
    .option('--name <NAME>', 'the lost log', 'audit')
    .option('--pin <FILE>', 'a head of the lost log that somebody kept; repeatable', collect, [])
    .option('--json', 'print JSON')
    .action((flags: RecoverFlags) => runRecover(io, flags));
}

async function runRecover(io: Io, flags: RecoverFlags): Promise<void> {
  const origin = await readOrigin(logPaths(flags.data, flags.name));
  if (flags.yesILost !== origin) {
    throw new CliError(
      'refused',
      `this gives up the log ${origin}: its history ends at the newest head that is known, and a new one begins`,
      'Look for every copy first: a newer backup of db/, a mirror (`countersign restore`), the disk itself (`fsck`, `repair`).',
      `If it is truly gone, run this again with --yes-i-lost ${origin}`,
    );
  }
  const pins = await Promise.all(
    flags.pin.map(async (name) => ({ name, note: await readInput(name, 'the kept head') })),
  );
  const { data, name, newName, newOrigin, decidedBy, reason } = flags;
  const { identity, directory, policy, lost, known, silent, tokens } = await recover({
    ...{ data, name, origin, newName, newOrigin, decidedBy, reason, pins },
    fetch: io.fetch,
    nowMs: io.nowMs,
  });
  const lostJson = lost === null ? null : { ...lost, root: base64Encode(lost.root) };
  const json = {
    origin: newOrigin,
    directory,
    policy,
    vkeys: identity.vkeys,
    tokens,
    lost_origin: origin,
    lost: lostJson,
    silent,
  };
  printResult(io, flags.json, json, [
    `ended      ${origin} ${lost === null ? 'with no head that anybody knows' : `at size ${lost.size}, root ${base64Encode(lost.root)}`}`,
    ...known.map((head) => `known      ${head.holder}, size ${head.size}`),
    ...silent.map((who) => `not asked  ${who}`),
    `begun      ${newOrigin} in ${directory}; its entry 0 says so`,
    `policy     ${policy}   (give it to whoever verifies, and keep the old one for the old log)`,
    ...Object.entries(tokens).map(([role, file]) => `${role.padEnd(10)} ${file}`),
    'witnesses  have to be told the keys and the URL of the new log:',
    ...identity.vkeys.map((vkey) => `           ${vkey}`),
    `start it   countersign serve --data ${data}`,
  ]);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
