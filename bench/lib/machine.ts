/** What every result is printed with: a number without its machine and command says nothing. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly commit: string;
  /** Of the last minute before the run: above the number of processors, others were at work. */
  readonly load1: number;
  readonly command: string;
}

export function describeMachine(command: string): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cpus: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    commit: commit(),
    load1: Math.round(10 * (os.loadavg()[0] ?? 0)) / 10,
    command,
  };
}

export function machineLines(machine: Machine): string {
  const { date, cpu, cpus, memoryGiB, system, node, commit: at, load1, command } = machine;
  return `${date} · ${cpus} × ${cpu} · ${memoryGiB} GiB · ${system} · Node ${node} · commit ${at} · load before ${load1}\n$ ${command}\n`;
}

function commit(): string {
  try {
    const run = (...args: readonly string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
    return `${run('rev-parse', '--short', 'HEAD')}${run('status', '--porcelain') === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}

/** Versions of what the write path rests on. */
export function dependencyVersions(): Readonly<Record<string, string>> {
  const names = ['hono', '@hono/node-server', 'level', 'classic-level', 'cbor-x', '@sinclair/typebox', '@noble/hashes'];
  return Object.fromEntries(names.map((name) => [name, versionOf(name)]));
}

function versionOf(name: string): string {
  try {
    const text = readFileSync(`node_modules/${name}/package.json`, 'utf8');
    const { version }: { version?: unknown } = JSON.parse(text);
    return String(version);
  } catch {
    return 'unknown';
  }
}
