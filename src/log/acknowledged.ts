/**
 * The newest tree that submissions were answered from, kept outside of the database. A head is signed a moment after the
 * answers, so the guard is behind by what came last; this file is not. It is written after each durable group and before
 * its answers, without an fsync of its own: it survives `kill -9`, and after a power loss it may be older, never newer.
 *
 * The format is the guard's, filled up with newlines. A database that holds less than this file lost entries whose index somebody was told.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { StoreError } from '../store/contract.ts';
import { formatGuard, type GuardedHead, parseGuard } from './guard.ts';

export interface AcknowledgedFile {
  /** Durable against the end of this process when it resolves. Throws StoreError. */
  write(head: GuardedHead): Promise<void>;
  close(): Promise<void>;
}

/** Longer than any text it ever holds, so that it is overwritten in place and never grows when the disk is full. */
const FILE_BYTES = 512;

/**
 * The newest acknowledged tree, or undefined if there is no file or its contents are damaged: then the guard is all there
 * is. Throws StoreError if it is there and cannot be read.
 */
export async function readAcknowledged(path: string): Promise<GuardedHead | undefined> {
  try {
    return parseGuard(`${(await readFile(path, 'utf8')).trimEnd()}\n`);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failed('read', path, error);
  }
}

export async function openAcknowledged(path: string): Promise<AcknowledgedFile> {
  let file: FileHandle;
  try {
    file = await openOrMake(path);
  } catch (error) {
    throw failed('write', path, error);
  }
  return {
    write: async (head) => {
      const bytes = Buffer.from(formatGuard(head).padEnd(FILE_BYTES, '\n'));
      try {
        await file.write(bytes, 0, bytes.length, 0);
      } catch (error) {
        throw failed('write', path, error);
      }
    },
    close: async () => {
      // A stopped log is copied and carried about: what it promised goes with it.
      await file.sync().catch(() => undefined);
      await file.close();
    },
  };
}

/** Making a file that is there would empty it. */
async function openOrMake(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (!isMissing(error)) throw error;
    return open(path, 'wx', 0o600);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** What there is too little of now, and may be enough of later. */
const PASSING: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE']);

function failed(verb: 'read' | 'write', path: string, error: unknown): StoreError {
  const isFull = error instanceof Error && 'code' in error && PASSING.has(String(error.code));
  return new StoreError(isFull ? 'store-full' : 'store-failed', `cannot ${verb} ${path}`, error);
}
