/**
 * Files of the command line: written whole or not at all, secrets readable by their owner only, and errors that name
 * the file.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { CliError, messageOf, systemCode } from './errors.ts';

export const SECRET_FILE_MODE = 0o600;
export const SECRET_DIRECTORY_MODE = 0o700;
const PUBLIC_FILE_MODE = 0o644;

/** Writes through a temporary file and a rename: after a crash the file holds the old text or the new one. */
export async function writeFileAtomic(
  file: string,
  text: string | Uint8Array,
  mode: number = PUBLIC_FILE_MODE,
): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
}

export function writeSecret(file: string, text: string): Promise<void> {
  return writeFileAtomic(file, text, SECRET_FILE_MODE);
}

/** A rename survives a power loss only once its directory was fsynced. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function makeDirectory(directory: string, mode: number = SECRET_DIRECTORY_MODE): Promise<void> {
  await mkdir(directory, { recursive: true, mode });
}

/** The text of a file that the user named. Throws CliError `unreadable-input`, also for bytes that are not UTF-8. */
export async function readInput(file: string, what: string): Promise<string> {
  try {
    return decodeText(await readFile(file));
  } catch (error) {
    throw new CliError('unreadable-input', `cannot read ${what} ${file}: ${messageOf(error)}`);
  }
}

/** Strict UTF-8: bytes that are no text are never replaced by something else. */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** The text of a file, or undefined if there is none. */
export async function readIfExists(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  }
}

export async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
