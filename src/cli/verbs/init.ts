/** `countersign init`: a new log in a data directory, for `serve`. */

import path from 'node:path';
import { Command } from 'commander';
import { parsePolicy } from '../../../proofs/policy.ts';
import { DEFAULT_DATA_DIRECTORY, logPaths } from '../data-dir.ts';
import { makeDirectory, readInput, writeFileAtomic } from '../files.ts';
import { createLog, type LogIdentity } from '../init.ts';
import { type Io, printResult } from '../io.ts';
import { issueTokens } from '../issue-tokens.ts';

interface InitOptions {
  readonly data: string;
  readonly name: string;
  readonly origin: string;
  readonly witnesses?: string;
  readonly json?: boolean;
}

export function initVerb(io: Io): Command {
  return new Command('init')
    .description('create a log: keys, policy and one token per role, ready for "serve"')
    .requiredOption('--origin <ORIGIN>', 'the name of the log for ever: a URL without scheme, log.example.com/audit')
    .option('--data <DIR>', 'data directory', DEFAULT_DATA_DIRECTORY)
    .option('--name <NAME>', 'first segment of its URLs', 'audit')
    .option('--witnesses <FILE>', 'witness, group and quorum lines of a C2SP policy (without it: no witness is asked)')
    .option('--json', 'print JSON')
    .action((options: InitOptions) => init(io, options));
}

async function init(io: Io, options: InitOptions): Promise<void> {
  const witnessLines =
    options.witnesses === undefined ? 'quorum none\n' : await readInput(options.witnesses, 'the witness lines');
  parsePolicy(witnessLines);
  await makeDirectory(path.dirname(logPaths(options.data, options.name).directory));
  const identity = await createLog(options.data, { name: options.name, origin: options.origin, kind: 'audit' });
  const paths = logPaths(options.data, options.name);
  await writeFileAtomic(paths.policy, `${logLines(identity)}${witnessLines}`);
  const tokens = await issueTokens(paths.tokens, path.join(paths.directory, 'issued'));
  const result = {
    directory: paths.directory,
    origin: options.origin,
    vkeys: identity.vkeys,
    policy: paths.policy,
    tokens,
  };
  printResult(io, options.json, result, [
    `log        ${paths.directory}`,
    `policy     ${paths.policy}   (give this file to whoever verifies)`,
    ...Object.entries(tokens).map(([role, file]) => `${`${role}`.padEnd(10)} ${file}`),
    `start it   countersign serve --data ${options.data}`,
  ]);
  if (options.witnesses === undefined) {
    io.err('note: the policy asks no witness, so nobody but this log vouches for its heads\n');
  }
}

function logLines(identity: LogIdentity): string {
  return identity.vkeys.map((vkey) => `log ${vkey}\n`).join('');
}
