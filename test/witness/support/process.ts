/** The witness as an operator runs it: a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { builtFile } from '../../support/built.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const MAIN = builtFile('witness/main.ts');

export interface Ready {
  readonly ready: true;
  readonly url: string;
  readonly name: string;
  readonly vkeys: readonly string[];
}

export interface RunningWitness extends Ready {
  readonly child: ChildProcess;
  /** Everything on standard error so far. */
  readonly log: () => string;
  /** Sends the signal and waits for the end; the exit code, or the signal's name. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | string>;
}

export function spawnWitness(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Starts `run` and waits for its ready line. Rejects with what it said when it ends before. */
export async function startWitness(args: readonly string[], env: Record<string, string> = {}): Promise<RunningWitness> {
  const child = spawnWitness(['run', ...args], env);
  let log = '';
  child.stderr?.on('data', (chunk) => {
    log += chunk;
  });
  const exit = endOf(child);
  const ready = await Promise.race([
    firstLine(child),
    exit.then((code) => Promise.reject(new Error(`${code}: ${log}`))),
  ]);
  return {
    ...(JSON.parse(ready) as Ready),
    child,
    log: () => log,
    end: (signal) => {
      child.kill(signal);
      return exit;
    },
  };
}

/** Runs a command to its end. */
export async function runWitness(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ readonly code: number | string; readonly out: string; readonly err: string }> {
  const child = spawnWitness(args, env);
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    err += chunk;
  });
  return { code: await endOf(child), out, err };
}

async function endOf(child: ChildProcess): Promise<number | string> {
  await once(child, 'close');
  return child.exitCode ?? child.signalCode ?? 'unknown';
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no standard output');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return String(line);
}
