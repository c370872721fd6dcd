/**
 * A whole network of real processes for a test: `up` as a newcomer starts it, client verbs in this process. Whatever
 * happens, nothing stays behind: `removeNetworks` ends what was started here, and only that; and if this process is
 * killed, `up` sees its standard input close and stops by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type NetworkFile, readNetwork } from '../../src/cli/network-file.ts';
import { runProgram } from '../../src/cli/program.ts';
import { builtFile } from './built.ts';
import { fakeIo } from './fake-io.ts';
import { until } from './test-log.ts';

const REPOSITORY = path.resolve(import.meta.dirname, '../..');
const READY_TIMEOUT_MS = 45_000;
const STOP_TIMEOUT_MS = 25_000;

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The one JSON document on `out`. */
  readonly json: () => Record<string, unknown>;
}

/** Runs a client verb in this process, as `countersign ARGS` would. */
export async function cli(args: readonly string[], stdin = ''): Promise<CliResult> {
  const world = { readStdin: async () => new TextEncoder().encode(stdin), fetch: globalThis.fetch };
  let said = fakeIo();
  const code = await runProgram(args, (exitWith) => {
    said = fakeIo({ ...world, exitWith });
    return said.io;
  });
  return { code, out: said.out(), err: said.err(), json: () => JSON.parse(said.out()) as Record<string, unknown> };
}

export interface TestNetwork {
  readonly data: string;
  readonly networkFile: string;
  /** network.json as it is at this moment. */
  readonly read: () => Promise<NetworkFile>;
  /** A client verb against this network. */
  readonly run: (args: readonly string[], stdin?: string) => Promise<CliResult>;
  /** Everything that `up` said so far. */
  readonly said: () => string;
  /** Ends one process of the network, by its id. */
  readonly kill: (name: string, signal: NodeJS.Signals) => Promise<void>;
  /** Starts one process again by the command in network.json. */
  readonly start: (name: string) => Promise<void>;
  /** SIGTERM to `up`, and to whatever was started by itself; waits until all are gone. Keeps the data. */
  readonly stop: () => Promise<void>;
}

/** What the tests of this file started and made. */
const started: { readonly data: string; readonly stop: () => Promise<void> }[] = [];

/** For `afterAll`: stops every network of this test file, also one that never got ready, and removes its data. */
export async function removeNetworks(): Promise<void> {
  const networks = started.splice(0);
  await Promise.all(networks.map(({ stop }) => stop()));
  await Promise.all(networks.map(({ data }) => rm(data, { recursive: true, force: true })));
}

/** Starts `up` on a directory, a fresh one by default, and waits until it is ready. */
export async function startTestNetwork(
  options: { readonly data?: string; readonly args?: readonly string[] } = {},
): Promise<TestNetwork> {
  const data = options.data ?? (await mkdtemp(path.join(tmpdir(), 'countersign-network-')));
  const networkFile = path.join(data, 'network.json');
  const port = options.data === undefined ? ['--port', '0'] : [];
  const up = new Child([
    builtFile('src/cli/main.ts'),
    'up',
    '--data',
    data,
    ...port,
    ...(options.args ?? []),
    '--json',
    '--until-stdin-closes',
  ]);
  const alone: Child[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all([up, ...alone].map((child) => child.stop()));
  };
  started.push({ data, stop });
  await up.ready();
  const read = (): Promise<NetworkFile> => readNetwork(networkFile);
  return {
    data,
    networkFile,
    read,
    run: (args, stdin) => cli([...args, '--network', networkFile], stdin),
    said: () => up.said,
    kill: async (name, signal) => {
      const byItself = alone.findLast((child) => child.name === name);
      const pid = byItself?.pid ?? (await read()).pids[name];
      if (pid === undefined) throw new Error(`${name} does not run`);
      process.kill(pid, signal);
      await until(() => !isAlive(pid), `the end of ${name}`);
    },
    start: async (name) => {
      const [, ...args] = (await read()).commands[name] ?? [];
      const child = new Child(args, name);
      alone.push(child);
      await child.ready();
    },
    stop,
  };
}

/** A process that this test started, and that it ends. */
class Child {
  readonly name: string;
  said = '';
  readonly #process: ChildProcess;
  readonly #ready: Promise<void>;
  readonly #ended: Promise<void>;

  constructor(args: readonly string[], name = 'up') {
    this.name = name;
    this.#process = spawn(process.execPath, args, { cwd: REPOSITORY, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stdin?.on('error', () => undefined);
    this.#process.stderr?.on('data', (chunk) => {
      this.said += String(chunk);
    });
    this.#ended = new Promise((resolve) => this.#process.once('close', () => resolve()));
    this.#ready = new Promise((resolve, reject) => {
      if (this.#process.stdout === null) throw new Error('no standard output');
      const timer = setTimeout(() => reject(new Error(`${name} is not ready: ${this.said}`)), READY_TIMEOUT_MS);
      createInterface({ input: this.#process.stdout }).once('line', (line) => {
        clearTimeout(timer);
        if (/"ready":true/.test(line)) resolve();
        else void this.#ended.then(() => reject(new Error(`${name} failed: ${this.said}`)));
      });
      void this.#ended.then(() => {
        clearTimeout(timer);
        reject(new Error(`${name} ended: ${this.said}`));
      });
    });
    this.#ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // A process that ended and was not waited for yet is still listed on Linux, as a zombie. While it has other threads, these
    // have not ended, and with them it holds its files and their locks.
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return !/^State:\tZ/m.test(status) || !/^Threads:\t[01]$/m.test(status);
  } catch {
    return true;
  }
}
