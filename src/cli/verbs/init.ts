/** `countersign init`: a new log in a data directory, for `serve`. */

import path from 'node:path';
import { Command } from 'commander';
import { parsePolicy } from '../../../proofs/policy.ts';
import { DEFAULT_DATA_DIRECTORY, logPaths } from '../data-dir.ts';
import { CliError } from '../errors.ts';
import { makeDirectory, readInput, writeFileAtomic } from '../files.ts';
import { createLog, type LogConfig, type LogIdentity } from '../init.ts';
import { type Io, printResult } from '../io.ts';
import { issueProducerToken, issueTokens } from '../issue-tokens.ts';

interface InitOptions {
  readonly data: string;
  readonly name: string;
  readonly origin: string;
  readonly raw?: string;
  readonly open?: boolean;
  readonly allowDuplicates?: boolean;
  readonly witnesses?: string;
  readonly json?: boolean;
}

export function initVerb(io: Io): Command {
  return new Command('init')
    .description('create a log: keys, policy and one token per role, ready for "serve"')
    .requiredOption('--origin <ORIGIN>', 'the name of the log for ever: a URL without scheme, log.example.com/audit')
    .option('--data <DIR>', 'data directory', DEFAULT_DATA_DIRECTORY)
    .option('--name <NAME>', 'first segment of its URLs', 'audit')
    .option('--raw <NAME>', 'make a raw log of this name instead: opaque bytes, no events')
    .option('--open', 'raw: anyone may add, without a token')
    .option('--allow-duplicates', 'raw: the same bytes again are another entry, instead of the first index again')
    .option('--witnesses <FILE>', 'witness, group and quorum lines of a C2SP policy (without it: no witness is asked)')
    .option('--json', 'print JSON')
    .action((options: InitOptions) => init(io, options));
}

async function init(io: Io, options: InitOptions): Promise<void> {
  const witnessLines =
    options.witnesses === undefined ? 'quorum none\n' : await readInput(options.witnesses, 'the witness lines');
  parsePolicy(witnessLines);
  const config = configOf(options);
  const paths = logPaths(options.data, config.name);
  await makeDirectory(path.dirname(paths.directory));
  const identity = await createLog(options.data, config);
  await writeFileAtomic(paths.policy, `${logLines(identity)}${witnessLines}`);
  const issued = path.join(paths.directory, 'issued');
  const tokens: Readonly<Record<string, string>> =
    config.kind === 'raw'
      ? { producer: await issueProducerToken(paths.tokens, issued) }
      : await issueTokens(paths.tokens, issued);
  const result = {
    directory: paths.directory,
    kind: config.kind,
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

function configOf({ name, raw, origin, open = false, allowDuplicates = false }: InitOptions): LogConfig {
  if (raw !== undefined) return { name: raw, origin, kind: 'raw', open, deduplicate: !allowDuplicates };
  if (!open && !allowDuplicates) return { name, origin, kind: 'audit' };
  throw new CliError('usage', '--open and --allow-duplicates are for raw logs', 'Name one with --raw NAME.');
}

function logLines(identity: LogIdentity): string {
  return identity.vkeys.map((vkey) => `log ${vkey}\n`).join('');
}
