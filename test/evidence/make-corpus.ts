/**
 * Makes the corpus: good files and tampered ones, each of those with one attack and named after it, and `corpus.json`
 * that says what a verifier has to find.
 *
 *   npx tsx test/evidence/make-corpus.ts DIR
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFiles } from './bundle-attacks.ts';
import type { CorpusFile } from './corpus.ts';
import { singleFiles, zipFiles } from './other-attacks.ts';
import { relatedFiles } from './related-attacks.ts';
import { sampleFiles } from './sample-attacks.ts';
import { POLICY } from './world.ts';

export async function corpus(): Promise<readonly CorpusFile[]> {
  const files = [
    ...[...(await bundleFiles()), ...(await relatedFiles()), ...(await sampleFiles())],
    ...[...(await zipFiles()), ...(await singleFiles())],
  ];
  const twice = files.find(({ name }, i) => files.findIndex((other) => other.name === name) !== i);
  if (twice !== undefined) throw new Error(`two files are called ${twice.name}`);
  return files;
}

/** Writes the corpus to a directory, with the policy that every verifier pins. */
export async function writeCorpus(directory: string, files: readonly CorpusFile[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, 'policy.txt'), POLICY);
  const index: object[] = [];
  for (const { name, suffix, bytes, receipt, pin, at, expect } of files) {
    await writeFile(path.join(directory, `${name}${suffix}`), bytes);
    if (receipt !== undefined) await writeFile(path.join(directory, `${name}.tlog-proof`), receipt);
    if (pin !== undefined) await writeFile(path.join(directory, `${name}.pin`), pin);
    const pinned = pin === undefined ? {} : { pin: `${name}.pin` };
    index.push({ name, file: `${name}${suffix}`, ...pinned, ...(at !== undefined && { at }), expect });
  }
  await writeFile(path.join(directory, 'corpus.json'), `${JSON.stringify(index, null, 1)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , directory] = process.argv;
  if (directory === undefined) throw new Error('usage: make-corpus.ts DIR');
  await writeCorpus(directory, await corpus());
}
