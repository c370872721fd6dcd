/**
 * Who may do what: bearer tokens of one log, each with a role. It stands in front of every route that is not public.
 *
 * A token is shown once, when it is created; `tokens.json` keeps only its SHA-256. A token has 256 random bits, so a
 * plain hash is enough: there is nothing to guess. The file is replaced atomically and readable by its owner alone.
 *
 *   { "version": 1, "tokens": [ { "id": "tok_5f0c…", "role": "producer", "name": "billing", "producer_id": "tok_5f0c…",
 *     "sha256": "…64 hex…", "created_at": "2026-01-08T14:32:07.123Z", "revoked_at": "…" } ] }
 *
 * `producer_id` is what entries name: a public pseudonym, never a person. A token that replaces another one keeps the
 * producer's id, so that idempotency and sequence numbers go on across a rotation.
 */
import { hash, randomBytes as nodeRandomBytes, timingSafeEqual } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

export type Role = 'producer' | 'auditor' | 'admin';

export const ROLES: readonly Role[] = ['producer', 'auditor', 'admin'];

/** One token as it is kept. Never holds the token itself. */
export interface TokenRecord {
  readonly id: string;
  readonly role: Role;
  /** For the people who manage tokens; it never reaches an entry. */
  readonly name: string;
  /** What entries name as their producer; null for roles that do not submit. */
  readonly producerId: string | null;
  /** Hex of SHA-256 of the token's text. */
  readonly sha256: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

export interface NewToken {
  readonly role: Role;
  readonly name: string;
  /** Id of an older producer token whose `producerId` this one goes on with. The older one stays valid until revoked. */
  readonly replaces?: string;
}

/** The only moment at which a token's text exists here. */
export interface CreatedToken {
  readonly record: TokenRecord;
  readonly id: string;
  readonly token: string;
}

export interface TokenStore {
  /** Durable before it returns. Throws AccessError. */
  create(token: NewToken): Promise<CreatedToken>;
  /** The live record of a token's text; undefined for anything unknown, malformed or revoked. */
  find(token: string): TokenRecord | undefined;
  /** All records, revoked ones too, oldest first. */
  list(): readonly TokenRecord[];
  /** Durable before it returns. Throws AccessError `unknown-token`, or `last-admin` (nobody could manage tokens then). */
  revoke(id: string): Promise<void>;
}

export type AccessErrorCode =
  | 'invalid-token-name'
  | 'unknown-token'
  | 'not-a-producer'
  | 'last-admin'
  | 'too-many-tokens'
  | 'invalid-token-file';

export class AccessError extends Error {
  readonly code: AccessErrorCode;

  constructor(code: AccessErrorCode, message: string) {
    super(message);
    this.name = 'AccessError';
    this.code = code;
  }
}

export const MAX_TOKENS = 10_000;
export const MAX_TOKEN_NAME_LENGTH = 100;
const TOKEN_SECRET_BYTES = 32;
const TOKEN_ID_BYTES = 8;
const TOKEN_TEXT = /^cs_(?:producer|auditor|admin)_[A-Za-z0-9_-]{43}$/;
// Letters, digits, marks, punctuation and plain spaces: a name is shown in lists and must not draw anything else.
const TOKEN_NAME = /^[\p{L}\p{N}\p{M}\p{P}\p{S} ]+$/u;

export interface TokenStoreOptions {
  readonly randomBytes?: (byteCount: number) => Uint8Array;
  readonly nowMs?: () => number;
}

/** May a holder of `role` use a route that needs `needed`? An admin may do what an auditor may; nobody else's. */
export function roleAllows(role: Role, needed: Role): boolean {
  return role === needed || (role === 'admin' && needed === 'auditor');
}

/** Opens the tokens of one log; a file that does not exist is an empty one. The process that serves is its one writer. */
export async function openTokenStore(file: string, options: TokenStoreOptions = {}): Promise<TokenStore> {
  return new FileTokenStore(await readRecords(file), (records) => writeRecords(file, records), options);
}

/** Tokens that live as long as the process, for tests and throw-away logs. */
export function memoryTokenStore(options: TokenStoreOptions = {}): TokenStore {
  return new FileTokenStore([], async () => {}, options);
}

class FileTokenStore implements TokenStore {
  readonly #save: (records: readonly TokenRecord[]) => Promise<void>;
  readonly #randomBytes: (byteCount: number) => Uint8Array;
  readonly #nowMs: () => number;
  #records: readonly TokenRecord[];
  #live: ReadonlyMap<string, TokenRecord>;
  /** One change at a time: each begins from what the one before it made durable. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    records: readonly TokenRecord[],
    save: (records: readonly TokenRecord[]) => Promise<void>,
    options: TokenStoreOptions,
  ) {
    this.#records = records;
    this.#live = liveByHash(records);
    this.#save = save;
    this.#randomBytes = options.randomBytes ?? nodeRandomBytes;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  find(token: string): TokenRecord | undefined {
    if (!TOKEN_TEXT.test(token)) return undefined;
    const digest = hash('sha256', token, 'hex');
    const record = this.#live.get(digest);
    if (record === undefined) return undefined;
    return timingSafeEqual(Buffer.from(record.sha256), Buffer.from(digest)) ? record : undefined;
  }

  list(): readonly TokenRecord[] {
    return this.#records;
  }

  create(token: NewToken): Promise<CreatedToken> {
    return this.#change(async () => {
      const { record, text } = this.#plan(token);
      await this.#replace([...this.#records, record]);
      return { record, id: record.id, token: text };
    });
  }

  revoke(id: string): Promise<void> {
    return this.#change(async () => {
      const found = this.#records.find((record) => record.id === id && record.revokedAt === null);
      if (found === undefined) throw new AccessError('unknown-token', `there is no live token ${JSON.stringify(id)}`);
      const admins = this.#records.filter((record) => record.role === 'admin' && record.revokedAt === null);
      if (found.role === 'admin' && admins.length === 1) {
        throw new AccessError('last-admin', 'this is the last admin token: create another one first');
      }
      const revokedAt = this.#now();
      await this.#replace(this.#records.map((record) => (record.id === id ? { ...record, revokedAt } : record)));
    });
  }

  #plan(token: NewToken): { record: TokenRecord; text: string } {
    if (this.#records.length >= MAX_TOKENS) {
      throw new AccessError('too-many-tokens', `a log keeps at most ${MAX_TOKENS} tokens, revoked ones included`);
    }
    if (token.name.length > MAX_TOKEN_NAME_LENGTH || !TOKEN_NAME.test(token.name)) {
      throw new AccessError(
        'invalid-token-name',
        `a token's name has 1 to ${MAX_TOKEN_NAME_LENGTH} printable characters and no line breaks`,
      );
    }
    const id = `tok_${Buffer.from(this.#randomBytes(TOKEN_ID_BYTES)).toString('hex')}`;
    const text = `cs_${token.role}_${Buffer.from(this.#randomBytes(TOKEN_SECRET_BYTES)).toString('base64url')}`;
    const record: TokenRecord = {
      id,
      role: token.role,
      name: token.name,
      producerId: this.#producerIdOf(id, token),
      sha256: hash('sha256', text, 'hex'),
      createdAt: this.#now(),
      revokedAt: null,
    };
    return { record, text };
  }

  #producerIdOf(id: string, token: NewToken): string | null {
    if (token.replaces === undefined) return token.role === 'producer' ? id : null;
    const older = this.#records.find((record) => record.id === token.replaces);
    if (older === undefined) {
      throw new AccessError('unknown-token', `there is no token ${JSON.stringify(token.replaces)} to replace`);
    }
    if (token.role !== 'producer' || older.producerId === null) {
      throw new AccessError('not-a-producer', 'only a producer token replaces another one, and only a producer token');
    }
    return older.producerId;
  }

  /** A crash before the rename leaves the old file; nobody was told about the change yet. */
  async #replace(records: readonly TokenRecord[]): Promise<void> {
    await this.#save(records);
    this.#records = records;
    this.#live = liveByHash(records);
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  #now(): string {
    return new Date(this.#nowMs()).toISOString();
  }
}

function liveByHash(records: readonly TokenRecord[]): ReadonlyMap<string, TokenRecord> {
  return new Map(records.filter((record) => record.revokedAt === null).map((record) => [record.sha256, record]));
}

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
        },
        { additionalProperties: false },
      ),
      { maxItems: MAX_TOKENS },
    ),
  },
  { additionalProperties: false },
);

async function readRecords(file: string): Promise<readonly TokenRecord[]> {
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
  return value;
}

async function writeRecords(file: string, records: readonly TokenRecord[]): Promise<void> {
  const tokens: Static<typeof TokenFile>['tokens'] = records.map((record) => ({
    id: record.id,
    role: record.role,
    name: record.name,
    ...(record.producerId === null ? {} : { producer_id: record.producerId }),
    sha256: record.sha256,
    created_at: record.createdAt,
    ...(record.revokedAt === null ? {} : { revoked_at: record.revokedAt }),
  }));
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeDurably(temporary, `${JSON.stringify({ version: 1, tokens }, null, 2)}\n`);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
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
