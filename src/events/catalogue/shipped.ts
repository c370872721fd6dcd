/**
 * The catalogues that come with this program, in YAML beside this file. A build copies them (`npm run build`), so that
 * they are found here in a checkout and in dist/ alike.
 */
import { readFile } from 'node:fs/promises';

export const SHIPPED_CATALOGUES = ['starter', 'cloudtrail'] as const;
export type ShippedCatalogue = (typeof SHIPPED_CATALOGUES)[number];

/** The text of a shipped catalogue. */
export function readShippedCatalogue(name: ShippedCatalogue): Promise<string> {
  return readFile(new URL(`./${name}.yaml`, import.meta.url), 'utf8');
}

export function isShippedCatalogue(name: string): name is ShippedCatalogue {
  return SHIPPED_CATALOGUES.some((shipped) => shipped === name);
}
