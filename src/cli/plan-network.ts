/**
 * What a local network consists of before any process runs: ports, the log's identity, tokens, the command of each
 * process. Everything that exists in the data directory is used again; only what is missing is made.
 */
import path from 'node:path';
import { type DataPaths, dataPaths, logPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { makeDirectory, writeFileAtomic } from './files.ts';
import { createLog, type LogIdentity, loadLogIfExists } from './init.ts';
import { issueTokens, type TokenFiles } from './issue-tokens.ts';
import { type NetworkFile, readNetworkIfExists } from './network-file.ts';
import { findFreePorts, isPortFree, LOOPBACK } from './ports.ts';
import { isAlive, LOG_NODE_OPTIONS, ownCommand } from './processes.ts';
import { planRawLogs, type RawLogPlan } from './raw-logs.ts';

export const LOG_PROCESS = 'log';
export const WITNESS_NAMES = ['w1', 'w2', 'w3'] as const;
/** How many of the witnesses have to cosign a head before it is published. */
export const WITNESS_QUORUM = 2;

export const DEFAULT_LOG_PORT = 8080;
const LOG_NAME = 'audit';
const DEFAULT_ORIGIN = 'localhost/audit';

export interface PlanOptions {
  readonly data: string;
  /** Undefined: the port of the last time, or 8080, or any free one. */
  readonly port: number | undefined;
  /** Name of a raw log to serve beside the audit log; those that are there are served anyway. */
  readonly raw?: string | undefined;
  /** Told what is worth saying on the way. */
  readonly say: (line: string) => void;
}

export interface PlannedWitness {
  readonly name: string;
  readonly url: string;
  readonly command: readonly string[];
}

export interface NetworkPlan {
  readonly paths: DataPaths;
  readonly identity: LogIdentity;
  readonly baseUrl: string;
  readonly logUrl: string;
  readonly logCommand: readonly string[];
  readonly witnesses: readonly PlannedWitness[];
  readonly tokens: TokenFiles;
  readonly rawLogs: readonly RawLogPlan[];
}

/** Throws CliError `already-running`, `port-taken`, and what reading a damaged directory throws. */
export async function planNetwork(options: PlanOptions): Promise<NetworkPlan> {
  const paths = dataPaths(options.data);
  for (const directory of [paths.directory, paths.logs, paths.witnesses, paths.output]) await makeDirectory(directory);
  const before = await readNetworkIfExists(paths.network);
  if (before !== undefined) await refuseIfRunning(before);
  const port = await chooseLogPort(before, options);
  const witnessPorts = await chooseWitnessPorts(before);
  const identity = await loadOrCreateLog(options);
  const rawLogs = await planRawLogs(options.data, options.raw);
  const baseUrl = `http://${LOOPBACK}:${port}`;
  const identities = [identity, ...rawLogs.map((raw) => raw.identity)];
  const logUrl = `${baseUrl}/${identity.config.name}`;
  return {
    paths,
    identity,
    baseUrl,
    logUrl,
    logCommand: ownCommand('./main', ['serve', '--data', paths.directory, '--port', `${port}`], LOG_NODE_OPTIONS),
    witnesses: await Promise.all(
      WITNESS_NAMES.map((name, index) => planWitness(paths, identities, baseUrl, name, witnessPorts[index] ?? 0)),
    ),
    tokens: await issueTokens(logPaths(options.data, LOG_NAME).tokens, paths.tokens),
    rawLogs,
  };
}

/** A process id alone may be anyone's by now; one that also answers where ours did is ours. */
async function refuseIfRunning(network: NetworkFile): Promise<void> {
  const urls = new Map(Object.entries(network.witness_urls)).set(LOG_PROCESS, `${network.base_url}/healthz`);
  const running: string[] = [];
  for (const [name, pid] of Object.entries(network.pids)) {
    const url = urls.get(name);
    if (url !== undefined && isAlive(pid) && (await answers(url))) running.push(`${name} (process ${pid})`);
  }
  if (running.length === 0) return;
  throw new CliError(
    'already-running',
    `a network runs in ${network.data} already: ${running.join(', ')}`,
    `Use it, or stop it first: kill ${network.up_pid ?? Object.values(network.pids).join(' ')}`,
    'To start one of its processes again by itself: countersign up --only NAME',
  );
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return true;
  } catch {
    return false;
  }
}

async function chooseLogPort(before: NetworkFile | undefined, { port, say }: PlanOptions): Promise<number> {
  if (port !== undefined) {
    const [anyFree = 0] = port === 0 ? await findFreePorts(1) : [port];
    if (await isPortFree(anyFree)) return anyFree;
    throw new CliError(
      'port-taken',
      `port ${port} is taken by another program`,
      'Choose another one with --port N, or --port 0 for any free one.',
    );
  }
  const usual = before === undefined ? DEFAULT_LOG_PORT : portOf(before.base_url);
  if (await isPortFree(usual)) return usual;
  const [free = 0] = await findFreePorts(1);
  say(`port ${usual} is taken by another program, so the log uses ${free} (--port N chooses another)`);
  return free;
}

async function chooseWitnessPorts(before: NetworkFile | undefined): Promise<readonly number[]> {
  const free = await findFreePorts(WITNESS_NAMES.length);
  return Promise.all(
    WITNESS_NAMES.map(async (name, index) => {
      const url = before?.witness_urls[name];
      const last = url === undefined ? undefined : portOf(url);
      return last !== undefined && (await isPortFree(last)) ? last : (free[index] ?? 0);
    }),
  );
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

async function loadOrCreateLog({ data, say }: PlanOptions): Promise<LogIdentity> {
  const existing = await loadLogIfExists(data, LOG_NAME);
  if (existing !== undefined) return existing;
  say(`first start: making the keys of the log ${DEFAULT_ORIGIN}`);
  return createLog(data, { name: LOG_NAME, origin: DEFAULT_ORIGIN, kind: 'audit' });
}

/** Its configuration is a file, so that the command to start it by itself is one line. */
async function planWitness(
  paths: DataPaths,
  identities: readonly LogIdentity[],
  baseUrl: string,
  name: string,
  port: number,
): Promise<PlannedWitness> {
  const listen = `${LOOPBACK}:${port}`;
  const config = {
    name: `localhost/${name}`,
    data: path.join(paths.witnesses, name),
    listen,
    logs: identities.map(({ config, vkeys }) => ({ origin: config.origin, vkeys, url: `${baseUrl}/${config.name}` })),
  };
  const file = path.join(paths.witnesses, `${name}.json`);
  await writeFileAtomic(file, `${JSON.stringify(config, null, 2)}\n`);
  return { name, url: `http://${listen}`, command: ownCommand('../../witness/main', ['run', '--config', file]) };
}
