/**
 * Which pairs of opened event and receipt a `verify` is about: named files, or everything in a directory. A half of a
 * pair is a pair whose other half is missing, never something to skip.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { CliError, messageOf } from './errors.ts';
import { EVENT_SUFFIX, RECEIPT_SUFFIX } from './fetch-evidence.ts';

export interface EvidencePair {
  readonly event: string;
  readonly receipt: string;
}

/** Files and directories to pairs, in the order of the arguments and of their names. Throws CliError. */
export async function findPairs(
  names: readonly string[],
  receipt: string | undefined,
): Promise<readonly EvidencePair[]> {
  if (receipt !== undefined) {
    const [event] = names;
    if (event !== undefined && names.length === 1 && !(await isDirectory(event))) return [{ event, receipt }];
    throw new CliError(
      'usage',
      '--proof is the receipt of one event',
      `For several, put EVENT${EVENT_SUFFIX} and EVENT${RECEIPT_SUFFIX} side by side and name the directory.`,
    );
  }
  const pairs: EvidencePair[] = [];
  for (const name of names) {
    if (await isDirectory(name)) pairs.push(...(await pairsIn(name)));
    else pairs.push(pairOf(name));
  }
  return pairs;
}

async function pairsIn(directory: string): Promise<readonly EvidencePair[]> {
  const stems = new Set<string>();
  for (const file of (await readdir(directory)).sort()) {
    const suffix = [EVENT_SUFFIX, RECEIPT_SUFFIX].find((candidate) => file.endsWith(candidate));
    if (suffix !== undefined) stems.add(path.join(directory, file.slice(0, -suffix.length)));
  }
  return [...stems].map((stem) => ({ event: `${stem}${EVENT_SUFFIX}`, receipt: `${stem}${RECEIPT_SUFFIX}` }));
}

function pairOf(event: string): EvidencePair {
  const stem = event.endsWith(EVENT_SUFFIX) ? event.slice(0, -EVENT_SUFFIX.length) : event;
  return { event, receipt: `${stem}${RECEIPT_SUFFIX}` };
}

async function isDirectory(name: string): Promise<boolean> {
  try {
    return (await stat(name)).isDirectory();
  } catch (error) {
    throw new CliError('unreadable-input', `cannot read ${name}: ${messageOf(error)}`);
  }
}
