/** CloudTrail files as they are found on disk: single files, gzipped ones, whole directories, in the order of their names. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { eventOfRecord } from '../sdk/cloudtrail.ts';
import { CloudTrailError, readRecords } from '../sdk/cloudtrail-record.ts';
import { CliError, messageOf } from './errors.ts';
import { decodeText } from './files.ts';
import type { RefusedEvent, Submission } from './submit-events.ts';

/** Largest file after decompression: what one string of Node can hold. */
const MAX_TEXT_BYTES = 512 * 1024 * 1024;
const RECORD_FILE = /\.json(\.gz)?$/;

/** All record files under the names. Throws CliError `unreadable-input` for a name that is not there or has none. */
export async function findRecordFiles(names: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const name of names) {
    const found = await filesUnder(name);
    if (found.length === 0) {
      throw new CliError('unreadable-input', `there is no .json or .json.gz file in ${name}`, 'Check the path.');
    }
    files.push(...found);
  }
  return files;
}

/**
 * The events of one file, and the records that cannot be one. Throws CliError `unreadable-input` for a file that does
 * not hold records: it is not skipped, because a trail with a hole in it must not look complete.
 */
export async function readRecordFile(
  file: string,
): Promise<{ readonly submissions: readonly Submission[]; readonly refused: readonly RefusedEvent[] }> {
  const records = parseRecords(file, await readText(file));
  const submissions: Submission[] = [];
  const refused: RefusedEvent[] = [];
  records.forEach((record, index) => {
    const where = `${file} record ${index + 1}`;
    try {
      submissions.push({ text: JSON.stringify(eventOfRecord(record)), where });
    } catch (error) {
      if (!(error instanceof CloudTrailError)) throw error;
      refused.push({ where, type: error.code, detail: error.message, errors: [] });
    }
  });
  return { submissions, refused };
}

function parseRecords(file: string, text: string): ReturnType<typeof readRecords> {
  try {
    return readRecords(text);
  } catch (error) {
    if (!(error instanceof CloudTrailError)) throw error;
    throw new CliError('unreadable-input', `${file} does not hold CloudTrail records: ${error.message}`);
  }
}

async function filesUnder(name: string): Promise<readonly string[]> {
  try {
    if (!(await stat(name)).isDirectory()) return [name];
    const entries = await readdir(name, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && RECORD_FILE.test(entry.name))
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort();
  } catch (error) {
    throw new CliError('unreadable-input', `cannot read ${name}: ${messageOf(error)}`);
  }
}

async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return decodeText(isGzip ? await promisify(gunzip)(bytes, { maxOutputLength: MAX_TEXT_BYTES }) : bytes);
  } catch (error) {
    throw new CliError('unreadable-input', `cannot read ${file}: ${messageOf(error)}`);
  }
}
