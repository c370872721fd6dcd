/**
 * The mapping that comes with this program, in YAML beside this file. `npm run build` copies it into dist/, so that it can
 * be shipped alone; after a bare compilation it is still found in the sources.
 */
import { readFile } from 'node:fs/promises';

export const SHIPPED_CONTROLS = 'frameworks';

export async function readShippedControls(): Promise<string> {
  const beside = new URL(`./${SHIPPED_CONTROLS}.yaml`, import.meta.url);
  // From dist/src/evidence/controls to src/evidence/controls.
  const inSources = new URL(`../../../../src/evidence/controls/${SHIPPED_CONTROLS}.yaml`, import.meta.url);
  return readFile(beside, 'utf8').catch(() => readFile(inSources, 'utf8'));
}
