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

/** Names of the two files in a log's directory. */
export const GUARD_FILE = 'guard';
export const ACKNOWLEDGED_FILE = 'acknowledged';

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
    throw new LogError(
      'guard-corrupt',
      `the guard file ${path} cannot be read: ${messageOf(error)}. Nothing is signed.`,
    );
  }
  const head = parseGuard(text);
  if (head !== undefined) return head;
  throw new LogError(
    'guard-corrupt',
    `the guard file ${path} is damaged. It holds the last head that this log signed, without which a set-back database ` +
      'cannot be told from a whole one. Nothing is signed. Stop the log and put back the copy of the file that belongs to ' +
      'this database; if there is none, `countersign repair --guard` makes it again and asks the witnesses first.',
  );
}

/** The head in a guard file's text; undefined for any other text. */
export function parseGuard(text: string): GuardedHead | undefined {
  const content = text.slice(0, -(DIGEST_CHARACTERS + 1));
  if (!content.startsWith(FORMAT_LINE) || text !== `${content}${digestOf(content)}\n`) return undefined;
  try {
    return parseCheckpointBody(content.slice(FORMAT_LINE.length));
  } catch {
    // The digest fits something that is no head: as bad as none.
    return undefined;
  }
}

/** The text of a guard file. */
export function formatGuard(head: GuardedHead): string {
  const content = FORMAT_LINE + formatCheckpointBody(head);
  return `${content}${digestOf(content)}\n`;
}

/** Replaces the file by rename, fsynced before and after: a crash leaves the old head or the new one, never half. */
export async function writeGuard(path: string, head: GuardedHead): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(formatGuard(head));
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
