/** Finds vector files and gives each to the family of the folder that it lies in. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { judgeCheckpoints } from './checkpoints.ts';
import { judgeCosignature } from './cosignature.ts';
import { judgeEd25519 } from './ed25519.ts';
import { judgeLogList } from './loglist.ts';
import { judgeMerkle } from './merkle.ts';
import { judgeMirror } from './mirror.ts';
import { judgeMlDsa44 } from './mldsa44.ts';
import { judgeNotes } from './notes.ts';
import { judgePolicy } from './policy.ts';
import { judgeProof } from './proof.ts';
import { judgeSampling } from './sampling.ts';
import { judgeTiles } from './tiles.ts';
import { type Family, type Fields, isFields, NotUnderstood, type VectorFile, type Verdict } from './vector.ts';
import { judgeWitness } from './witness.ts';

export interface FileResult {
  readonly name: string;
  readonly verdicts: readonly Verdict[];
}

/** By the name of the nearest folder around the file, so that one family can be run by itself. */
const FAMILIES: ReadonlyMap<string, Family> = new Map([
  ['merkle', judgeMerkle],
  ['notes', judgeNotes],
  ['checkpoints', judgeCheckpoints],
  ['cosignature', judgeCosignature],
  ['tiles', judgeTiles],
  ['policy', judgePolicy],
  ['proof', judgeProof],
  ['loglist', judgeLogList],
  ['ed25519', judgeEd25519],
  ['mldsa44', judgeMlDsa44],
  ['witness', judgeWitness],
  ['mirror', judgeMirror],
  ['sampling', judgeSampling],
  ['scitt', () => undefined],
]);

/** Every JSON file under the root, sorted, relative to it. */
export function vectorFiles(root: string): readonly string[] {
  if (!existsSync(root) || !statSync(root).isDirectory()) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => name.split(path.sep).join('/'))
    .filter((name) => name.endsWith('.json'))
    .sort();
}

export async function runFile(root: string, name: string): Promise<FileResult> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path.join(root, name), 'utf8'));
  } catch (error) {
    return { name, verdicts: [{ id: name, outcome: 'failed', why: `unreadable: ${String(error)}` }] };
  }
  if (!isFields(content)) return notUnderstood(name, {}, 'not an object');
  const file: VectorFile = { name, folder: path.dirname(path.join(root, name)), content };
  const family = file.folder
    .split(path.sep)
    .reverse()
    .map((folder) => FAMILIES.get(folder))
    .find((found) => found);
  try {
    const verdicts = await family?.(file);
    return verdicts === undefined ? notUnderstood(name, content, 'unknown layout') : { name, verdicts };
  } catch (error) {
    if (error instanceof NotUnderstood) return notUnderstood(name, content, error.message);
    return { name, verdicts: [{ id: name, outcome: 'failed', why: String(error) }] };
  }
}

/** A whole file that nobody judged: as many cases as its lists hold, at least one. */
function notUnderstood(name: string, content: Fields, why: string): FileResult {
  const lists = Object.values(content).filter((value) => Array.isArray(value) && value.every(isFields));
  const count = Math.max(
    1,
    lists.reduce((sum: number, list) => sum + (Array.isArray(list) ? list.length : 0), 0),
  );
  const verdicts = Array.from({ length: count }, (_, i): Verdict => ({ id: `#${i}`, outcome: 'not-understood', why }));
  return { name, verdicts };
}
