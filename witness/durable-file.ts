/** Small files that are there with all of their contents or not at all: state, fork proofs. */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './keys.ts';

/** Replaces a file by rename, fsynced before and after. */
export async function writeFileDurably(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  await file.writeFile(text);
  await file.sync();
  await file.close();
  await rename(draft, path);
  await syncDirectory(dirname(path));
}
