/**
 * The zip of a bundle: files of one directory, in a given order, with one date and one mode for all, so that the same
 * bundle has the same bytes. Compressed by the platform in pieces; a file is never held whole.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

export interface WrittenZip {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** The first date that a zip can name, in local time as zip has it. */
const DATE: Date = new Date(1980, 0, 1);
const REGULAR_FILE = 0o100644;

export async function writeZip(directory: string, names: readonly string[], target: string): Promise<WrittenZip> {
  const zip = new ZipFile();
  const digest = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      digest.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const options = { mtime: DATE, mode: REGULAR_FILE, compress: true, forceDosTimestamp: true };
  for (const name of names) zip.addFile(path.join(directory, name), name, options);
  const failed = new Promise<never>((_, reject) => zip.once('error', reject));
  zip.end();
  await Promise.race([
    pipeline(zip.outputStream, count, createWriteStream(target, { flags: 'wx', mode: 0o600 })),
    failed,
  ]);
  return { bytes, sha256: digest.digest('hex') };
}
