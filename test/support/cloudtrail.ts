/** Where the tests find real CloudTrail records: `data/` beside the repository, shared between projects. */
import { existsSync } from 'node:fs';
import path from 'node:path';

export const cloudTrailDir: string = path.resolve(import.meta.dirname, '../../../shared/data/cloudtrail');

export const haveCloudTrail: boolean = existsSync(cloudTrailDir);

/** Records in that directory. */
export const CLOUDTRAIL_RECORDS = 2_900;

/** Appended to the name of a suite, so that a skipped one says why. Empty when the records are there. */
export const cloudTrailMissing: string = haveCloudTrail ? '' : ' (skipped: ../shared/data/cloudtrail is not there)';
