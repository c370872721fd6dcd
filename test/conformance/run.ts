/**
 * `npm run conformance -- [DIR]`: runs every vector file under DIR (default `../shared/vectors` beside the repository)
 * and prints a line per file and a total. Exit 1 on any failure, and when there is nothing to run.
 *
 * `not understood` is what we have no code for; `either` is what the specifications leave open, where we only say what
 * we chose (with `--verbose`). Neither counts as passed.
 */
import path from 'node:path';
import { vectorsDir } from '../support/vectors.ts';
import { type FileResult, runFile, vectorFiles } from './runner.ts';

const args = process.argv.slice(2);
const verbose = args.includes('--verbose');
const [given] = args.filter((arg) => !arg.startsWith('--'));
process.exitCode = await main(given === undefined ? vectorsDir : path.resolve(given));

async function main(root: string): Promise<number> {
  const names = vectorFiles(root);
  if (names.length === 0) {
    console.error(`no test vectors in ${root}`);
    return 1;
  }
  const results: FileResult[] = [];
  for (const name of names) {
    const result = await runFile(root, name);
    results.push(result);
    console.log(`${name}: ${summary([result])}`);
    for (const { id, outcome, why } of result.verdicts) {
      if (outcome === 'failed') console.log(`  FAILED ${id}: ${oneLine(why)}`);
      else if (verbose && outcome !== 'passed') console.log(`  ${outcome} ${id}: ${oneLine(why)}`);
    }
  }
  console.log(`total, ${results.length} files: ${summary(results)}`);
  return results.some(({ verdicts }) => verdicts.some(({ outcome }) => outcome === 'failed')) ? 1 : 0;
}

function summary(results: readonly FileResult[]): string {
  const count = (outcome: string): number =>
    results.flatMap(({ verdicts }) => verdicts).filter((verdict) => verdict.outcome === outcome).length;
  const unknown = `${count('not-understood')} not understood (${count('either')} either)`;
  return `${count('passed')} passed, ${count('failed')} failed, ${unknown}`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 300);
}
