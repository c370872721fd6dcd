/**
 * The catalogues that come with this program, in YAML beside this file. `npm run build` copies them into dist/, so that it
 * can be shipped alone; after a bare compilation they are still found in the sources.
 */
import { readFile } from 'node:fs/promises';

export const SHIPPED_CATALOGUES = ['starter', 'cloudtrail'] as const;
export type ShippedCatalogue = (typeof SHIPPED_CATALOGUES)[number];

/** The text of a shipped catalogue. */
export async function readShippedCatalogue(name: ShippedCatalogue): Promise<string> {
  const beside = new URL(`./${name}.yaml`, import.meta.url);
  // From dist/src/events/catalogue to src/events/catalogue.
  const inSources = new URL(`../../../../src/events/catalogue/${name}.yaml`, import.meta.url);
  return readFile(beside, 'utf8').catch(() => readFile(inSources, 'utf8'));
}

export function isShippedCatalogue(name: string): name is ShippedCatalogue {
  return SHIPPED_CATALOGUES.some((shipped) => shipped === name);
}
