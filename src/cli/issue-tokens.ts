/**
 * The first tokens of a log, one per role, each in a file of its owner. A token's text exists only there: the log
 * keeps hashes. A token whose file was lost is replaced, and the lost one revoked.
 */
import path from 'node:path';
import { openTokenStore, ROLES, type Role, type TokenStore } from '../trail/access.ts';
import { makeDirectory, readIfExists, writeSecret } from './files.ts';

export type TokenFiles = Readonly<Record<Role, string>>;

/** The name under which these tokens stand in the log's list. */
const ISSUED_NAME = 'local';

/** Makes sure that `directory` holds a live token of each role. The log must not be served at this moment. */
export async function issueTokens(tokensFile: string, directory: string): Promise<TokenFiles> {
  const store = await openTokenStore(tokensFile);
  await makeDirectory(directory);
  const files: TokenFiles = {
    producer: path.join(directory, 'producer.token'),
    auditor: path.join(directory, 'auditor.token'),
    admin: path.join(directory, 'admin.token'),
  };
  for (const role of ROLES) await issueToken(store, role, files[role]);
  return files;
}

/** The one token that a raw log knows. */
export async function issueProducerToken(tokensFile: string, directory: string): Promise<string> {
  const store = await openTokenStore(tokensFile);
  await makeDirectory(directory);
  const file = path.join(directory, 'producer.token');
  await issueToken(store, 'producer', file);
  return file;
}

async function issueToken(store: TokenStore, role: Role, file: string): Promise<void> {
  const text = (await readIfExists(file))?.trim();
  if (text !== undefined && store.find(text)?.role === role) return;
  const lost = store.list().filter((record) => isLive(record) && record.role === role && record.name === ISSUED_NAME);
  const replaced = role === 'producer' ? lost.at(-1)?.id : undefined;
  const { token } = await store.create({
    role,
    name: ISSUED_NAME,
    ...(replaced === undefined ? {} : { replaces: replaced }),
  });
  // A crash here leaves a token that nobody knows; the next start finds no file and revokes it.
  await writeSecret(file, `${token}\n`);
  for (const record of lost) await store.revoke(record.id);
}

function isLive(record: { readonly revokedAt: string | null }): boolean {
  return record.revokedAt === null;
}
