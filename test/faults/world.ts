/**
 * What is put under faults: a data directory with one log in it, and the processes that run on it as anyone would run
 * them. A log process can be killed, started again with another environment, or refuse to start, which is an answer too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { makeSignerKey, verifierKeyOf } from '../../proofs/key.ts';
import { logPaths } from '../../src/cli/data-dir.ts';
import { createLog } from '../../src/cli/init.ts';
import { issueTokens } from '../../src/cli/issue-tokens.ts';
import { ownCommand, startProcess } from '../../src/cli/processes.ts';
import { createKeyFile } from '../../witness/keys.ts';

const LOG_NAME = 'audit';
const ORIGIN = 'localhost/audit';
const WITNESS_NAME = 'witness.example/w1';
/** Its key exists; whoever is at its address says nothing. */
const HUNG_WITNESS = verifierKeyOf(makeSignerKey('witness.example/hung', 4, new Uint8Array(32).fill(9)));
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

/** A witness as anyone runs it, with an Ed25519 key. */
export interface WorldWitness {
  readonly vkey: string;
  readonly url: string;
  readonly directory: string;
  readonly stop: () => Promise<void>;
}

export interface World {
  /** What `serve --data` takes. */
  readonly data: string;
  /** Of the log, inside of it. */
  readonly directory: string;
  readonly origin: string;
  readonly tokens: { readonly producer: string; readonly auditor: string };
  /** Undefined: the policy asks for none. */
  readonly witness: WorldWitness | undefined;
  readonly stop: () => Promise<void>;
}

export interface WorldOptions {
  /** One real witness process, and another that takes connections and never answers. */
  readonly witness: boolean;
  /** URL of the witness that never answers. */
  readonly hungUrl?: string;
}

/** Makes a log in an empty directory. */
export async function createWorld(data: string, options: WorldOptions): Promise<World> {
  await mkdir(path.join(data, 'logs'), { recursive: true });
  const { vkeys } = await createLog(data, { name: LOG_NAME, origin: ORIGIN, kind: 'audit' });
  const paths = logPaths(data, LOG_NAME);
  const witness = options.witness ? await startWorldWitness(path.join(data, 'witness'), vkeys) : undefined;
  const logLines = vkeys.map((vkey) => `log ${vkey}\n`).join('');
  await writeFile(
    paths.policy,
    `${logLines}${witness === undefined ? 'quorum none\n' : policyLines(witness, options.hungUrl)}`,
  );
  const files = await issueTokens(paths.tokens, path.join(paths.directory, 'issued'));
  return {
    data,
    directory: paths.directory,
    origin: ORIGIN,
    tokens: {
      producer: (await readFile(files.producer, 'utf8')).trim(),
      auditor: (await readFile(files.auditor, 'utf8')).trim(),
    },
    witness,
    stop: async () => witness?.stop(),
  };
}

/** The same log in a copy of its directory. */
export function worldAt(data: string, { origin, tokens }: World): World {
  return {
    data,
    directory: logPaths(data, LOG_NAME).directory,
    origin,
    tokens,
    witness: undefined,
    stop: async () => {},
  };
}

async function startWorldWitness(directory: string, logVkeys: readonly string[]): Promise<WorldWitness> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const keyFile = path.join(directory, 'ed25519.key');
  await createKeyFile(keyFile, WITNESS_NAME, 4);
  const config = path.join(directory, 'config.json');
  const settings = {
    ...{ name: WITNESS_NAME, data: directory, listen: '127.0.0.1:0', key_files: [keyFile] },
    logs: logVkeys.map((vkey) => ({ vkeys: [vkey] })),
  };
  await writeFile(config, JSON.stringify(settings));
  const command = ownCommand('../../witness/main', ['run', '--config', config]);
  const { ready, stop } = await startProcess(WITNESS_NAME, command, path.join(directory, 'output.txt'));
  const { url, vkeys } = ready;
  if (typeof url !== 'string' || !Array.isArray(vkeys)) throw new Error('the witness did not say where it is');
  return { directory, url: new URL(url).origin, vkey: String(vkeys[0]), stop };
}

/** `hungUrl` is a second witness that nobody waits for: the quorum is the first one. */
function policyLines({ vkey, url }: WorldWitness, hungUrl: string | undefined): string {
  const hung = hungUrl === undefined ? '' : `witness hung ${HUNG_WITNESS.vkey} ${hungUrl}\n`;
  return `witness w1 ${vkey} ${url}\n${hung}quorum w1\n`;
}

export interface LogStart {
  /** In front of the command: `prlimit …`, `faketime …`. */
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeOptions?: readonly string[];
}

/** It exited before it was ready, and said why. */
export interface RefusedStart {
  readonly started: false;
  readonly said: string;
}

export interface RunningLog {
  readonly started: true;
  /** Of the log: everything is under it. */
  readonly url: string;
  readonly baseUrl: string;
  readonly pid: number;
  /** What it wrote to standard error so far. */
  readonly said: () => string;
  readonly isAlive: () => boolean;
  /** SIGKILL, and the end of the process. */
  readonly kill: () => Promise<void>;
  /** SIGTERM; SIGKILL if it does not end, and then an error. */
  readonly stop: () => Promise<void>;
}

/** Every process that was started here and still runs; for when the run itself ends early. */
const running = new Set<ChildProcess>();
process.once('exit', killAll);

/** Ends what a kind of fault left running when it failed. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export async function startLog(world: World, start: LogStart = {}): Promise<RunningLog | RefusedStart> {
  const [node = '', ...rest] = ownCommand('./main', ['serve', '--data', world.data, '--port', '0']);
  const command = [...(start.prefix ?? []), node, ...(start.nodeOptions ?? []), ...rest];
  const [program = '', ...args] = command;
  const env = { ...process.env, ...start.env };
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  running.add(child);
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  void ended.then(() => running.delete(child));
  const line = await firstLine(child, ended);
  if (line === undefined) {
    await ended;
    return { started: false, said };
  }
  const { url, pid } = JSON.parse(line) as { readonly url: string; readonly pid: number };
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    started: true,
    baseUrl: url,
    url: `${url}/${LOG_NAME}`,
    pid,
    said: () => said,
    isAlive,
    kill: async () => {
      // With a prefix the log is a child of the child; both have to go.
      if (isAlive() && pid !== child.pid) killQuietly(pid);
      child.kill('SIGKILL');
      await ended;
    },
    stop: async () => {
      killQuietly(pid, 'SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
      if (child.signalCode === 'SIGKILL') throw new Error(`the log did not stop within ${STOP_TIMEOUT_MS} ms: ${said}`);
    },
  };
}

/** For where a refusal would be a fault of ours. */
export async function mustStart(world: World, start: LogStart = {}): Promise<RunningLog> {
  const log = await startLog(world, start);
  if (!log.started) throw new Error(`the log refused to start: ${log.said}`);
  return log;
}

function killQuietly(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** Undefined if the process ends without one. */
function firstLine(child: ChildProcess, ended: Promise<void>): Promise<string | undefined> {
  const { stdout } = child;
  if (stdout === null) throw new Error('no standard output');
  const lines = createInterface({ input: stdout });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the log was neither ready nor gone after ${READY_TIMEOUT_MS} ms`));
    }, READY_TIMEOUT_MS);
    lines.once('line', (line) => {
      clearTimeout(timer);
      resolve(line);
    });
    void ended.then(() => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
