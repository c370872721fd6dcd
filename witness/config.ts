/**
 * The operator's configuration: command-line flags, or a JSON file with the same meaning, into checked values.
 *
 *     { "name": "example.com/w1", "data": "/var/lib/witness", "listen": "127.0.0.1:7001", "poll_ms": 1000,
 *       "logs": [{ "vkeys": ["example.com/log+…", "example.com/log+…"], "url": "https://log.example.com" }],
 *       "log_lists": ["https://…"], "requests_per_second": 100, "burst": 200,
 *       "key_files": [], "key_variables": [], "ssh_agent": { "socket": "/run/agent", "fingerprint": "SHA256:…" } }
 *
 * A flag wins over the file. A log's origin is the name of its keys unless the file says `origin`.
 */
import { parseVerifierKey, type VerifierKey } from '../proofs/key.ts';
import { messageOf, WitnessError } from './errors.ts';
import type { KeySources } from './keys.ts';
import type { KnownLog } from './logs.ts';
import { DEFAULT_RATE_LIMIT, type RateLimit } from './rate-limit.ts';
import type { ListenOptions } from './server.ts';

export interface WitnessConfig {
  readonly name: string | undefined;
  readonly dataDirectory: string;
  readonly listen: ListenOptions;
  readonly logs: readonly KnownLog[];
  readonly logListUrls: readonly string[];
  readonly pollMs: number;
  readonly rateLimit: RateLimit;
  readonly keySources: KeySources;
}

/** What the command line gives; everything optional is undefined or empty. */
export interface ConfigFlags {
  readonly name?: string;
  readonly data?: string;
  readonly listen?: string;
  readonly log: readonly string[];
  readonly logList: readonly string[];
  readonly pollMs?: string;
  readonly rate?: string;
  readonly keyFile: readonly string[];
  readonly keyEnv: readonly string[];
  readonly sshAgent?: string;
  readonly sshKey?: string;
}

const DEFAULT_LISTEN = '127.0.0.1:0';
const DEFAULT_POLL_MS = 1_000;
const MIN_POLL_MS = 10;
const MAX_POLL_MS = 24 * 60 * 60 * 1_000;
const MAX_RATE = 1_000_000;
const MEMBERS = [
  ...['name', 'data', 'listen', 'poll_ms', 'logs', 'log_lists', 'requests_per_second', 'burst'],
  ...['key_files', 'key_variables', 'ssh_agent'],
];

/** Throws `config-invalid` naming the flag or member. `fileText` is the text of the file of `--config`. */
export function readConfig(flags: ConfigFlags, fileText: string | undefined): WitnessConfig {
  const file = fileText === undefined ? new Members({}, 'the configuration') : parseFile(fileText);
  file.refuseOthers(MEMBERS);
  const agent = file.object('ssh_agent');
  agent?.refuseOthers(['socket', 'fingerprint']);
  const socketPath = flags.sshAgent ?? agent?.text('socket');
  const fingerprint = flags.sshKey ?? agent?.text('fingerprint');
  const dataDirectory = flags.data ?? file.text('data');
  if (dataDirectory === undefined) throw invalid('--data: a directory is needed');
  const rate = flags.rate === undefined ? file.number('requests_per_second') : decimal('--rate', flags.rate);
  const perSecond = between('requests per second', rate ?? DEFAULT_RATE_LIMIT.perSecond, 1, MAX_RATE);
  const pollMs = flags.pollMs === undefined ? file.number('poll_ms') : decimal('--poll-ms', flags.pollMs);
  return {
    name: flags.name ?? file.text('name'),
    dataDirectory,
    listen: parseListen(flags.listen ?? file.text('listen') ?? DEFAULT_LISTEN),
    logs: mergeLogs([...file.objects('logs').map(logOfFile), ...flags.log.map(logOfFlag)]),
    logListUrls: [...file.texts('log_lists'), ...flags.logList].map((url) => checkUrl('a log list', url)),
    pollMs: between('--poll-ms', pollMs ?? DEFAULT_POLL_MS, MIN_POLL_MS, MAX_POLL_MS),
    rateLimit: { perSecond, burst: between('burst', file.number('burst') ?? 2 * perSecond, 1, 2 * MAX_RATE) },
    keySources: {
      files: [...file.texts('key_files'), ...flags.keyFile],
      variables: [...file.texts('key_variables'), ...flags.keyEnv],
      ...(socketPath === undefined
        ? {}
        : { agent: { socketPath, ...(fingerprint === undefined ? {} : { fingerprint }) } }),
    },
  };
}

/** `--log "<vkey> <url>"`; the URL may be left out for a log that comes to the witness by itself. */
function logOfFlag(flag: string): KnownLog {
  const [vkey = '', url, ...rest] = flag.trim().split(/\s+/);
  if (rest.length > 0) throw invalid('--log: a verifier key and a URL are expected');
  const key = parseKey('--log', vkey);
  return makeLog(key.name, [key], url);
}

function logOfFile(log: Members): KnownLog {
  log.refuseOthers(['origin', 'vkeys', 'url']);
  const keys = log.texts('vkeys').map((vkey) => parseKey('logs', vkey));
  const origin = log.text('origin') ?? keys[0]?.name;
  if (origin === undefined) throw invalid('logs: a log needs at least one verifier key');
  return makeLog(origin, keys, log.text('url'));
}

function makeLog(origin: string, keys: readonly VerifierKey[], url: string | undefined): KnownLog {
  return url === undefined ? { origin, keys } : { origin, keys, url: checkUrl(origin, url) };
}

/** Several entries with one origin are one log with several keys. They must not name different URLs. */
function mergeLogs(logs: readonly KnownLog[]): readonly KnownLog[] {
  const merged = new Map<string, KnownLog>();
  for (const log of logs) {
    const known = merged.get(log.origin);
    if (known !== undefined && known.url !== undefined && log.url !== undefined && known.url !== log.url) {
      throw invalid(`the log "${log.origin}" has two URLs`);
    }
    const fresh = log.keys.filter(({ vkey }) => known?.keys.every((key) => key.vkey !== vkey) ?? true);
    merged.set(log.origin, { ...known, ...log, keys: [...(known?.keys ?? []), ...fresh] });
  }
  return [...merged.values()];
}

function parseKey(where: string, vkey: string): VerifierKey {
  try {
    return parseVerifierKey(vkey);
  } catch (error) {
    throw invalid(`${where}: "${vkey.slice(0, 80)}" is no verifier key: ${messageOf(error)}`);
  }
}

export function checkUrl(where: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '') {
    throw invalid(`${where}: "${text}" is no http or https URL`);
  }
  return text.replace(/\/+$/, '');
}

/** `host:port`, `[::1]:port`, or a port alone, which means this machine only. */
export function parseListen(text: string): ListenOptions {
  const [, bracketed, plain, port = ''] = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):)?([0-9]{1,5})$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535) throw invalid(`--listen: "${text}" is not host:port`);
  return { host: bracketed ?? plain ?? '127.0.0.1', port: Number(port) };
}

/** A time in milliseconds, of at most a day. */
export function parseMs(flag: string, text: string | undefined, otherwise: number, least: number): number {
  return between(flag, text === undefined ? otherwise : decimal(flag, text), least, MAX_POLL_MS);
}

function decimal(flag: string, text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw invalid(`${flag}: "${text}" is not a number`);
  return Number(text);
}

function between(what: string, value: number, low: number, high: number): number {
  if (!(value >= low && value <= high)) throw invalid(`${what}: ${value} is not between ${low} and ${high}`);
  return value;
}

function parseFile(text: string): Members {
  try {
    return new Members(JSON.parse(text), 'the configuration file');
  } catch (error) {
    if (error instanceof WitnessError) throw error;
    throw invalid(`the configuration file is not JSON: ${messageOf(error)}`);
  }
}

/** The members of a JSON object, each taken out as what it has to be. */
class Members {
  readonly #members: ReadonlyMap<string, unknown>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${where} is not an object`);
    this.#members = new Map<string, unknown>(Object.entries(value));
    this.#where = where;
  }

  refuseOthers(known: readonly string[]): void {
    for (const name of this.#members.keys()) {
      if (!known.includes(name)) throw invalid(`${this.#where}: "${name}" is not known`);
    }
  }

  text(name: string): string | undefined {
    const value = this.#members.get(name);
    if (value !== undefined && typeof value !== 'string') throw invalid(`${name} is not a text`);
    return value;
  }

  number(name: string): number | undefined {
    const value = this.#members.get(name);
    if (value !== undefined && (typeof value !== 'number' || !Number.isSafeInteger(value))) {
      throw invalid(`${name} is not a whole number`);
    }
    return value;
  }

  texts(name: string): readonly string[] {
    return this.#list(name).map((value) => {
      if (typeof value !== 'string') throw invalid(`${name} is not a list of texts`);
      return value;
    });
  }

  object(name: string): Members | undefined {
    const value = this.#members.get(name);
    return value === undefined ? undefined : new Members(value, name);
  }

  objects(name: string): readonly Members[] {
    return this.#list(name).map((value) => new Members(value, name));
  }

  #list(name: string): readonly unknown[] {
    const value = this.#members.get(name) ?? [];
    if (!Array.isArray(value)) throw invalid(`${name} is not a list`);
    return value;
  }
}

function invalid(message: string): WitnessError {
  return new WitnessError('config-invalid', message);
}
