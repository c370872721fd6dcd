/** A time of day that jumps, for one process, by Debian's libfaketime. */
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** The library is below a directory of the machine's architecture. */
const LIBRARIES = '/usr/lib';
const LIBRARY = 'libfaketimeMT.so.1';

export interface FakeClock {
  readonly env: Readonly<Record<string, string>>;
  /** Behind where it belongs by so many seconds; 0 sets it right. */
  readonly behind: (seconds: number) => Promise<void>;
  /** From now on later by so many seconds, for good. */
  readonly ahead: (seconds: number) => Promise<void>;
}

/** Throws Error when libfaketime is not installed. */
export async function createFakeClock(scratch: string): Promise<FakeClock> {
  const file = path.join(scratch, 'clock');
  let offset = 0;
  const set = (seconds: number): Promise<void> => writeFile(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  await set(offset);
  return {
    env: {
      LD_PRELOAD: await findLibrary(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // Timers and timeouts go on as they should: only the time of day jumps.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    behind: (seconds) => set(offset - seconds),
    ahead: (seconds) => {
      offset += seconds;
      return set(offset);
    },
  };
}

async function findLibrary(): Promise<string> {
  for (const entry of await readdir(LIBRARIES)) {
    if (!entry.endsWith('-linux-gnu')) continue;
    const directory = path.join(LIBRARIES, entry, 'faketime');
    const files: readonly string[] = await readdir(directory).catch(() => []);
    if (files.includes(LIBRARY)) return path.join(directory, LIBRARY);
  }
  throw new Error('libfaketime is not installed (apt-get install faketime)');
}
