/**
 * The programs as they are installed: processes of the tests run what `npm run build` made of the sources, and not the
 * sources by a loader, which costs every start of a process more than the start itself. Built once before all tests.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** The compiled file of a source file, such as `src/cli/main.ts`. */
export function builtFile(source: string): string {
  return path.join(ROOT, 'dist', source.replace(/\.ts$/, '.js'));
}

/** `globalSetup` of vitest. Throws what the compiler says. */
export async function setup(): Promise<void> {
  await promisify(execFile)('npm', ['run', '-s', 'build'], { cwd: ROOT }).catch((error: unknown) => {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`npm run build: ${stdout}${stderr}`);
  });
}
