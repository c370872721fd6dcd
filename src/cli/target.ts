/**
 * Which log a client verb talks to, and with which token and policy. A network file says all of it; --url, --log,
 * --token-file and --policy say it by hand, and win over the file.
 */
import path from 'node:path';
import type { Command } from 'commander';
import { DEFAULT_DATA_DIRECTORY, dataPaths } from './data-dir.ts';
import { CliError } from './errors.ts';
import { exists, readInput } from './files.ts';
import type { Io } from './io.ts';
import { type NetworkFile, readNetwork } from './network-file.ts';

export type Role = 'producer' | 'auditor' | 'admin';

export interface TargetOptions {
  readonly network?: string;
  readonly url?: string;
  readonly log?: string;
  readonly tokenFile?: string;
  readonly policy?: string;
}

/** A log as a client sees it. */
export interface Target {
  /** Server, without a slash at the end. */
  readonly baseUrl: string;
  /** Server and log. */
  readonly logUrl: string;
  readonly token: string | undefined;
}

export const NETWORK_VARIABLE = 'COUNTERSIGN_NETWORK';
const DEFAULT_LOG_NAME = 'audit';

/** Adds the options that choose a log. */
export function addTargetOptions(command: Command, role: Role | undefined): Command {
  addNetworkOption(command)
    .option('--url <URL>', 'base URL of the server, instead of a network file (http://127.0.0.1:8080)')
    .option('--log <NAME>', 'name of the log there (default: that of the network file, or "audit")');
  return role === undefined ? command : command.option('--token-file <FILE>', `file that holds the ${role} token`);
}

export function addNetworkOption(command: Command): Command {
  return command.option(
    '--network <FILE>',
    `network.json that "up" wrote (default: $${NETWORK_VARIABLE}, then ./${DEFAULT_DATA_DIRECTORY}/network.json)`,
  );
}

/** The log that the options mean. Throws CliError `no-network` when they and the environment name none. */
export async function resolveTarget(io: Io, options: TargetOptions, role: Role | undefined): Promise<Target> {
  const network = options.url === undefined ? await requireNetwork(io, options) : undefined;
  const baseUrl = checkUrl(options.url ?? network?.base_url ?? '');
  const name = options.log ?? network?.log ?? DEFAULT_LOG_NAME;
  return {
    baseUrl,
    logUrl: `${baseUrl}/${encodeURIComponent(name)}`,
    token: role === undefined ? undefined : await readToken(options, network, role),
  };
}

/** The policy's text: --policy, or that of the network file. */
export async function readPolicyText(io: Io, options: TargetOptions): Promise<{ file: string; text: string }> {
  const file = options.policy ?? (await findNetwork(io, options))?.policy;
  if (file === undefined) {
    throw new CliError(
      'usage',
      'no policy: nothing says which keys to trust',
      'Give --policy FILE, the trust policy that you pinned beforehand (or --network FILE of a local network).',
    );
  }
  return { file, text: await readInput(file, 'the policy') };
}

async function requireNetwork(io: Io, options: TargetOptions): Promise<NetworkFile> {
  const network = await findNetwork(io, options);
  if (network !== undefined) return network;
  throw new CliError(
    'no-network',
    'no log to talk to',
    'Start a local network with `countersign up`, or give --network FILE, or --url URL with --token-file FILE.',
  );
}

async function findNetwork(io: Io, options: TargetOptions): Promise<NetworkFile | undefined> {
  const named = options.network ?? io.env[NETWORK_VARIABLE];
  if (named !== undefined && named !== '') return readNetwork(path.resolve(named));
  const usual = dataPaths(DEFAULT_DATA_DIRECTORY).network;
  return (await exists(usual)) ? readNetwork(usual) : undefined;
}

async function readToken(options: TargetOptions, network: NetworkFile | undefined, role: Role): Promise<string> {
  const file = options.tokenFile ?? network?.tokens[role];
  if (file === undefined) {
    throw new CliError(
      'usage',
      `this needs the ${role} token`,
      'Give --token-file FILE; a token is never an argument.',
    );
  }
  return (await readInput(file, `the ${role} token`)).trim();
}

/** Without a slash at the end. Throws CliError `usage` for anything but http and https. */
export function checkUrl(url: string): string {
  if (!URL.canParse(url) || !/^https?:\/\//.test(url)) {
    throw new CliError('usage', `"${url}" is not an http or https URL`, 'Write it like http://127.0.0.1:8080.');
  }
  return url.replace(/\/+$/, '');
}
