/** The real CloudTrail records beside the repository, see vectors.ts for the manner; tests without them are skipped. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const cloudTrailDir: string = path.resolve(import.meta.dirname, '../../../shared/data/cloudtrail');

export const haveCloudTrail: boolean = existsSync(cloudTrailDir);

/** Appended to the name of a suite, so that a skipped one says why. */
export const cloudTrailMissing: string = haveCloudTrail ? '' : ' (skipped: ../shared/data/cloudtrail is not there)';

/** The text of every file of records. */
export function cloudTrailFiles(): readonly string[] {
  const names = readdirSync(cloudTrailDir).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => readFileSync(path.join(cloudTrailDir, name), 'utf8'));
}
