/**
 * What a verb may touch of the process: two text streams, the environment, the clock. Results go to `out`; progress
 * and everything said on the way goes to `err`, so that `out` can always be piped.
 */
import { stderr, stdin, stdout } from 'node:process';
import { buffer } from 'node:stream/consumers';
import type { ExitCode } from './errors.ts';

export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** True when `err` is a terminal: progress may be redrawn in place. */
  readonly interactive: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly nowMs: () => number;
  readonly readStdin: () => Promise<Uint8Array>;
  readonly fetch: typeof globalThis.fetch;
  /** The last call wins; without one the command exits with 0. */
  readonly exitWith: (code: ExitCode) => void;
}

/** The Io of the running process. */
export function processIo(exitWith: (code: ExitCode) => void): Io {
  return {
    out: (line) => void stdout.write(line),
    err: (line) => void stderr.write(line),
    interactive: stderr.isTTY === true,
    env: process.env,
    nowMs: Date.now,
    readStdin: () => buffer(stdin),
    fetch: globalThis.fetch,
    exitWith,
  };
}

/** Prints a result once: as JSON for programs or as lines for people. */
export function printResult(io: Io, json: boolean | undefined, value: unknown, lines: readonly string[]): void {
  io.out(json === true ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join(''));
}

/** Control characters and line breaks of foreign text become visible escapes: what is printed is one line. */
export function oneLine(foreign: string): string {
  return foreign.replace(/[\p{Cc}\u2028\u2029]/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
