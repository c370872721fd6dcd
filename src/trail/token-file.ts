/**
 * The file of a log's tokens, replaced atomically and readable by its owner alone. It holds hashes, never a token:
 *
 *   { "version": 1, "tokens": [ { "id": "tok_5f0c…", "role": "auditor", "name": "ACME audit", "sha256": "…64 hex…",
 *     "created_at": "2026-01-08T14:32:07.123Z", "scope": { "actions": ["role.grant"] },
 *     "expires_at": "2026-06-30T00:00:00Z", "revoked_at": "…" } ], "sha256": "…64 hex, of the tokens…" }
 *
 * A member that is not known here is refused: a program that overlooked a scope would widen it.
 */
import { hash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { TokenRecord } from './access.ts';
import { AccessError } from './access-error.ts';
import { ScopeSchema, scopeFault } from './scope.ts';

/** Revoked ones included. */
export const MAX_TOKENS = 10_000;

const TokenFile = Type.Object(
  {
    version: Type.Literal(1),
    tokens: Type.Array(
      Type.Object(
        {
          id: Type.String({ pattern: '^tok_[0-9a-f]{16}$' }),
          role: Type.Union([Type.Literal('producer'), Type.Literal('auditor'), Type.Literal('admin')]),
          name: Type.String(),
          producer_id: Type.Optional(Type.String()),
          sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
          created_at: Type.String(),
          revoked_at: Type.Optional(Type.String()),
          scope: Type.Optional(ScopeSchema),
          expires_at: Type.Optional(Type.String()),
        },
        { additionalProperties: false },
      ),
      { maxItems: MAX_TOKENS },
    ),
    /** Of the JSON text of `tokens`, without spaces. Files of before this was written have none. */
    sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  },
  { additionalProperties: false },
);

/** The records of the file, none if there is no such file. Throws AccessError `invalid-token-file`. */
export async function readTokenFile(file: string): Promise<readonly TokenRecord[]> {
  const text = await readTextIfPresent(file);
  if (text === undefined) return [];
  return parseTokenFile(text, file).tokens.map((token) => ({
    id: token.id,
    role: token.role,
    name: token.name,
    producerId: token.producer_id ?? null,
    sha256: token.sha256,
    createdAt: token.created_at,
    revokedAt: token.revoked_at ?? null,
    scope: token.scope ?? null,
    expiresAt: token.expires_at ?? null,
  }));
}

async function readTextIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseTokenFile(text: string, file: string): Static<typeof TokenFile> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AccessError('invalid-token-file', `${file} is not JSON`);
  }
  if (!Value.Check(TokenFile, value)) {
    const first = Value.Errors(TokenFile, value).First();
    throw new AccessError('invalid-token-file', `${file}: ${first?.path ?? ''} ${first?.message ?? 'unexpected'}`);
  }
  if (value.sha256 !== undefined && value.sha256 !== digestOf(value.tokens)) {
    throw new AccessError('invalid-token-file', `${file} is damaged: its tokens do not have the digest that it names`);
  }
  for (const { id, scope } of value.tokens) {
    const fault = scope === undefined ? undefined : scopeFault(scope);
    if (fault !== undefined) throw new AccessError('invalid-token-file', `${file}: the scope of ${id}: ${fault}`);
  }
  return value;
}

/** Durable when it resolves; a crash leaves the old file or the new one. */
export async function writeTokenFile(file: string, records: readonly TokenRecord[]): Promise<void> {
  const tokens: Static<typeof TokenFile>['tokens'] = records.map((record) => ({
    id: record.id,
    role: record.role,
    name: record.name,
    ...(record.producerId === null ? {} : { producer_id: record.producerId }),
    sha256: record.sha256,
    created_at: record.createdAt,
    ...(record.revokedAt === null ? {} : { revoked_at: record.revokedAt }),
    ...(record.scope === null ? {} : { scope: record.scope }),
    ...(record.expiresAt === null ? {} : { expires_at: record.expiresAt }),
  }));
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeDurably(temporary, `${JSON.stringify({ version: 1, tokens, sha256: digestOf(tokens) }, null, 2)}\n`);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
}

/** A changed bit in a file of rights is not a change of rights. It guards against disks, not against whoever may write. */
function digestOf(tokens: Static<typeof TokenFile>['tokens']): string {
  return hash('sha256', JSON.stringify(tokens));
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
