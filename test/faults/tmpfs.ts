/** A small file system in memory, for faults of a disk. Needs the right to mount; without it the run fails and says so. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function withTmpfs(directory: string, sizeMiB: number, work: () => Promise<void>): Promise<void> {
  await mkdir(directory, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=0700`, 'tmpfs', directory]);
  try {
    await work();
  } finally {
    await run('umount', ['-l', directory]);
  }
}
