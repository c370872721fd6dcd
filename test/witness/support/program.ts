/** A program of this repository as an operator runs it: a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { builtFile } from '../../support/built.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

export interface RunningProgram {
  /** The JSON object that it printed first. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly url: string;
  readonly vkeys: readonly string[];
  /** Every line on standard output, the first one included. */
  readonly lines: readonly string[];
  /** Everything on standard error so far. */
  readonly said: () => string;
  readonly isRunning: () => boolean;
  /** Sends the signal and waits for the end; the exit code, or the signal's name. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | string>;
}

export interface Finished {
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

/** Starts a file such as `witness/mirror-main.ts` and waits for its first line. Rejects with what it said otherwise. */
export async function startProgram(file: string, args: readonly string[]): Promise<RunningProgram> {
  const child = spawnProgram(file, args);
  const lines: string[] = [];
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  const ended = endOf(child);
  const first = new Promise<string>((resolve) => {
    if (child.stdout === null) throw new Error('no standard output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      resolve(line);
    });
  });
  const line = await Promise.race([first, ended.then((code) => Promise.reject(new Error(`${code}: ${said}`)))]);
  const ready = JSON.parse(line) as Record<string, unknown>;
  return {
    ready,
    url: String(ready['url'] ?? ''),
    vkeys: Array.isArray(ready['vkeys']) ? ready['vkeys'].map(String) : [],
    lines,
    said: () => said,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Runs a program to its end. */
export async function runProgram(file: string, args: readonly string[]): Promise<Finished> {
  const child = spawnProgram(file, args);
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr?.on('data', (chunk) => {
    err += String(chunk);
  });
  return { code: await endOf(child), out, err };
}

function spawnProgram(file: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [builtFile(file), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function endOf(child: ChildProcess): Promise<number | string> {
  await once(child, 'close');
  return child.exitCode ?? child.signalCode ?? 'unknown';
}
