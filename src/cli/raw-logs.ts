/** Raw logs beside the audit log of a local network: the one that was asked for, and those that are there already. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { dataPaths, logPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { createLog, type LogIdentity, loadLogIfExists } from './init.ts';
import { issueProducerToken } from './issue-tokens.ts';

export interface RawLogPlan {
  readonly identity: LogIdentity;
  /** File of its producer token. */
  readonly token: string;
}

/** Makes the raw log of this name if it is asked for and not there. Throws CliError `usage` if it is an audit log. */
export async function planRawLogs(data: string, wanted: string | undefined): Promise<readonly RawLogPlan[]> {
  const { logs } = dataPaths(data);
  const found = (await readdir(logs, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const names = new Set([...found.map(({ name }) => name), ...(wanted === undefined ? [] : [wanted])]);
  const plans: RawLogPlan[] = [];
  for (const name of [...names].sort()) {
    const existing = await loadLogIfExists(data, name);
    if (name !== wanted && existing?.config.kind !== 'raw') continue;
    if (existing?.config.kind === 'audit') throw new CliError('usage', `the log "${name}" is there, and no raw log`);
    const identity = existing ?? (await createRawLog(data, name));
    const paths = logPaths(data, name);
    plans.push({ identity, token: await issueProducerToken(paths.tokens, path.join(paths.directory, 'issued')) });
  }
  return plans;
}

function createRawLog(data: string, name: string): Promise<LogIdentity> {
  return createLog(data, { name, origin: `localhost/${name}`, kind: 'raw', open: false, deduplicate: true });
}
