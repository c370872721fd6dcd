/**
 * Where the tests find the public test vectors: `vectors/` beside the repository, in a folder shared between
 * projects. A checkout without them still runs every other test; those that need them are skipped by name:
 *
 *     describe.skipIf(!haveVectors)(`Merkle vectors${vectorsMissing}`, () => { … readVectors('merkle/inclusion.json') … });
 *
 * Call the readers inside a test or `beforeAll`: the body of a skipped `describe` still runs.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const vectorsDir: string = path.resolve(import.meta.dirname, '../../../shared/vectors');

export const haveVectors: boolean = existsSync(path.join(vectorsDir, 'SHA256SUMS'));

/** Appended to the name of a suite, so that a skipped one says why. Empty when the vectors are there. */
export const vectorsMissing: string = haveVectors ? '' : ' (skipped: ../shared/vectors is not there)';

/** One JSON file of the vectors. The caller names the shape: the files are fixed by their SHA256SUMS. */
export function readVectors<T>(file: string): T {
  return JSON.parse(readFileSync(path.join(vectorsDir, file), 'utf8')) as T;
}

/** The bytes of one file of the vectors. */
export function readVectorBytes(file: string): Uint8Array {
  return readFileSync(path.join(vectorsDir, file));
}
