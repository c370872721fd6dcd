/** A file that is written piece by piece and digested on the way: bounded memory, whatever its size. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { FileDigest } from '../../proofs/manifest.ts';

/** Text that is held before it is written. */
const BUFFER_CHARACTERS = 262_144;

export interface DigestFile {
  write(text: string): Promise<void>;
  /** Writes the rest. Call it once. */
  close(): Promise<FileDigest>;
}

/** Runs `fill` on a new file and returns its digest; the file is closed whatever happens. */
export async function writeDigestFile(
  file: string,
  fill: (out: DigestFile['write']) => Promise<void>,
): Promise<FileDigest> {
  const handle = await open(file, 'wx', 0o600);
  try {
    const out = digestInto(handle);
    await fill(out.write);
    return await out.close();
  } finally {
    await handle.close();
  }
}

function digestInto(handle: FileHandle): DigestFile {
  const digest = createHash('sha256');
  let waiting: string[] = [];
  let characters = 0;
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const chunk = Buffer.from(waiting.join(''), 'utf8');
    waiting = [];
    characters = 0;
    digest.update(chunk);
    bytes += chunk.length;
    await handle.writeFile(chunk);
  };
  return {
    write: async (text) => {
      waiting.push(text);
      characters += text.length;
      if (characters >= BUFFER_CHARACTERS) await flush();
    },
    close: async () => {
      await flush();
      return { bytes, sha256: new Uint8Array(digest.digest()) };
    },
  };
}
