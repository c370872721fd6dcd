/** Builds shim.c and arms it: what the disk of one log process does wrong, from one moment to the next. */
import { execFile } from 'node:child_process';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const REPOSITORY = path.resolve(import.meta.dirname, import.meta.url.endsWith('.ts') ? '../..' : '../../..');

/** In the order of the enum in shim.c. */
const MODES = [
  ...(['none', 'write-fails', 'write-half', 'sync-fails', 'sync-lies', 'sync-slow'] as const),
  ...(['read-fails', 'read-half', 'read-fails-once'] as const),
];
export type DiskFault = Exclude<(typeof MODES)[number], 'none'>;

const PAGE_BYTES = 16;
const FIRED_OFFSET = 8;

export interface FaultyDisk {
  /** For the process whose disk it is. */
  readonly env: Readonly<Record<string, string>>;
  /** The fault happens after `countdown` calls that it could have happened to, and from then on. */
  readonly arm: (fault: DiskFault, countdown: number, delayMs?: number) => Promise<void>;
  readonly disarm: () => Promise<void>;
  /** Calls that were hit since it was armed. */
  readonly fired: () => Promise<number>;
}

/** Faults on files below `directory`. Needs a C compiler. */
export async function createFaultyDisk(scratch: string, directory: string): Promise<FaultyDisk> {
  const [library, page] = [path.join(scratch, 'shim.so'), path.join(scratch, 'shim.page')];
  const source = path.join(REPOSITORY, 'test/faults/shim.c');
  await run('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', library, source, '-ldl']);
  const write = async (mode: number, countdown: number, delayMs: number): Promise<void> => {
    const handle = await open(page, 'r+');
    // The mode last: from then on the other words count.
    await handle.write(words(0, countdown, 0, delayMs), 0, PAGE_BYTES, 0);
    await handle.write(words(mode), 0, 4, 0);
    await handle.close();
  };
  await writeFile(page, new Uint8Array(PAGE_BYTES));
  return {
    env: { LD_PRELOAD: library, FAULT_PAGE: page, FAULT_DIR: directory },
    arm: (fault, countdown, delayMs = 0) => write(MODES.indexOf(fault), countdown, delayMs),
    disarm: () => write(0, 0, 0),
    fired: async () => (await readFile(page)).readInt32LE(FIRED_OFFSET),
  };
}

function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}
