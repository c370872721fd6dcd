/**
 * Stage `guard`: the last signed head, kept in a file outside the database and advanced, durably, before a signature
 * leaves the process. A database that was set back is behind its guard, and then the log refuses to sign.
 *
 *   countersign/guard/v1 ⏎ origin ⏎ size ⏎ root (base64) ⏎ SHA-256 of the lines above (hex) ⏎
 *
 * A crash after the rename and before the signature leaves a guard for a head that nobody saw: harmless, since the
 * tree still extends it and the next signature is of that head or a later one.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hexEncode, utf8Encode } from '../../proofs/bytes.ts';
import { formatCheckpointBody, parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { type Hash, sha256 } from '../../proofs/hash.ts';
import { LogError } from './types.ts';

const FORMAT_LINE = 'countersign/guard/v1\n';
const DIGEST_CHARACTERS = 64;

export interface GuardedHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

/** The guarded head, or undefined if there is no file. Throws LogError `guard-corrupt` for anything unreadable. */
export async function readGuard(path: string): Promise<GuardedHead | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new LogError('guard-corrupt', `the guard file ${path} cannot be read`);
  }
  const content = text.slice(0, -(DIGEST_CHARACTERS + 1));
  if (!content.startsWith(FORMAT_LINE) || text !== `${content}${digestOf(content)}\n`) {
    throw new LogError('guard-corrupt', `the guard file ${path} is damaged`);
  }
  try {
    return parseCheckpointBody(content.slice(FORMAT_LINE.length));
  } catch {
    throw new LogError('guard-corrupt', `the guard file ${path} holds no head`);
  }
}

/** Replaces the file by rename, fsynced before and after: a crash leaves the old head or the new one, never half. */
export async function writeGuard(path: string, head: GuardedHead): Promise<void> {
  const content = FORMAT_LINE + formatCheckpointBody(head);
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${content}${digestOf(content)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function digestOf(content: string): string {
  return hexEncode(sha256(utf8Encode(content)));
}
