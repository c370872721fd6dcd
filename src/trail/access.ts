/**
 * Who may do what: bearer tokens of one log, each with a role and perhaps a scope and an end. It stands in front of every
 * route that is not public.
 *
 * A token is shown once, when it is created; the file (token-file.ts) keeps only its SHA-256. A token has 256 random
 * bits, so a plain hash is enough: there is nothing to guess.
 *
 * `producerId` is what entries name: a public pseudonym, never a person. A token that replaces another one keeps the
 * producer's id, so that idempotency and sequence numbers go on across a rotation.
 */
import { hash, randomBytes as nodeRandomBytes, timingSafeEqual } from 'node:crypto';
import { parseTimeUs } from '../events/time.ts';
import { AccessError } from './access-error.ts';
import { type Scope, scopeFault } from './scope.ts';
import { MAX_TOKENS, readTokenFile, writeTokenFile } from './token-file.ts';

export type Role = 'producer' | 'auditor' | 'admin';

export const ROLES: readonly Role[] = ['producer', 'auditor', 'admin'];

/** Whoever asks: the holder of a token, or a person whom an identity provider vouches for (oidc.ts). */
export interface Principal {
  /** `tok_…`, or a pseudonym of the person: what entries name. */
  readonly id: string;
  readonly role: Role;
  /** What entries name as their producer; null for roles that do not submit. */
  readonly producerId: string | null;
  /** What it may see; null is everything. */
  readonly scope: Scope | null;
  /** The identity provider that vouched; undefined for a token of the log's own. */
  readonly issuer?: string;
}

/** One token as it is kept. Never holds the token itself. */
export interface TokenRecord extends Principal {
  /** For the people who manage tokens; it never reaches an entry. */
  readonly name: string;
  /** Hex of SHA-256 of the token's text. */
  readonly sha256: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly revokedAt: string | null;
  /** RFC 3339; from this moment on the token is not valid. */
  readonly expiresAt: string | null;
}

export interface NewToken {
  readonly role: Role;
  readonly name: string;
  /** Id of an older producer token whose `producerId` this one goes on with. The older one stays valid until revoked. */
  readonly replaces?: string;
  /** For auditors: what the holder may see. */
  readonly scope?: Scope;
  /** RFC 3339, in the future. */
  readonly expiresAt?: string;
}

/** The only moment at which a token's text exists here. */
export interface CreatedToken {
  readonly record: TokenRecord;
  readonly id: string;
  readonly token: string;
}

/** What became of a token whose text was shown. */
export interface IdentifiedToken {
  readonly record: TokenRecord;
  readonly state: 'live' | 'revoked' | 'expired';
}

export interface TokenStore {
  /**
   * Durable before it returns. `announce` is called with the record before it is kept; if that fails, there is no such
   * token. Throws AccessError.
   */
  create(token: NewToken, announce?: (record: TokenRecord) => Promise<void>): Promise<CreatedToken>;
  /** The live record of a token's text; undefined for anything unknown, malformed, revoked or expired. */
  find(token: string): TokenRecord | undefined;
  /** The same for dead tokens too: who used one is known. */
  identify(token: string): IdentifiedToken | undefined;
  /** All records, revoked ones too, oldest first. */
  list(): readonly TokenRecord[];
  /** Durable before it returns. Throws AccessError `unknown-token`, or `last-admin` (nobody could manage tokens then). */
  revoke(id: string, options?: { readonly evenLastAdmin?: boolean }): Promise<void>;
}

export const MAX_TOKEN_NAME_LENGTH = 100;
const TOKEN_SECRET_BYTES = 32;
const TOKEN_ID_BYTES = 8;
const LONG_NUMBER = /[0-9]{12}/;
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
  return new FileTokenStore(await readTokenFile(file), (records) => writeTokenFile(file, records), options);
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
  #byHash: ReadonlyMap<string, TokenRecord>;
  /** One change at a time: each begins from what the one before it made durable. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    records: readonly TokenRecord[],
    save: (records: readonly TokenRecord[]) => Promise<void>,
    options: TokenStoreOptions,
  ) {
    this.#records = records;
    this.#byHash = byHash(records);
    this.#save = save;
    this.#randomBytes = options.randomBytes ?? nodeRandomBytes;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  find(token: string): TokenRecord | undefined {
    const found = this.identify(token);
    return found?.state === 'live' ? found.record : undefined;
  }

  identify(token: string): IdentifiedToken | undefined {
    if (!TOKEN_TEXT.test(token)) return undefined;
    const digest = hash('sha256', token, 'hex');
    const record = this.#byHash.get(digest);
    if (record === undefined || !timingSafeEqual(Buffer.from(record.sha256), Buffer.from(digest))) return undefined;
    return { record, state: this.#stateOf(record) };
  }

  list(): readonly TokenRecord[] {
    return this.#records;
  }

  create(token: NewToken, announce?: (record: TokenRecord) => Promise<void>): Promise<CreatedToken> {
    return this.#change(async () => {
      const { record, text } = this.#plan(token);
      await announce?.(record);
      await this.#replace([...this.#records, record]);
      return { record, id: record.id, token: text };
    });
  }

  revoke(id: string, options: { readonly evenLastAdmin?: boolean } = {}): Promise<void> {
    return this.#change(async () => {
      const found = this.#records.find((record) => record.id === id && record.revokedAt === null);
      if (found === undefined) throw new AccessError('unknown-token', `there is no live token ${JSON.stringify(id)}`);
      // An admin that expires is none to rely on: after its end nobody could create another one.
      const lasting = this.#records.filter((record) => isLastingAdmin(record) && record.id !== id);
      if (found.role === 'admin' && lasting.length === 0 && options.evenLastAdmin !== true) {
        throw new AccessError('last-admin', 'this is the last admin token without an end: create another one first');
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
    checkLimits(token, this.#nowMs());
    const id = this.#newId();
    const text = `cs_${token.role}_${Buffer.from(this.#randomBytes(TOKEN_SECRET_BYTES)).toString('base64url')}`;
    const record: TokenRecord = {
      id,
      role: token.role,
      name: token.name,
      producerId: this.#producerIdOf(id, token),
      sha256: hash('sha256', text, 'hex'),
      createdAt: this.#now(),
      revokedAt: null,
      scope: token.scope ?? null,
      expiresAt: token.expiresAt ?? null,
    };
    return { record, text };
  }

  /** Entries name it: nothing in it may look like the number of a card. */
  #newId(): string {
    for (;;) {
      const id = Buffer.from(this.#randomBytes(TOKEN_ID_BYTES)).toString('hex');
      if (!LONG_NUMBER.test(id)) return `tok_${id}`;
    }
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
    this.#byHash = byHash(records);
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  #stateOf({ revokedAt, expiresAt }: TokenRecord): IdentifiedToken['state'] {
    if (revokedAt !== null) return 'revoked';
    return expiresAt !== null && hasPassed(expiresAt, this.#nowMs()) ? 'expired' : 'live';
  }

  #now(): string {
    return new Date(this.#nowMs()).toISOString();
  }
}

/** A crash while the file is being replaced keeps one of the two; hashes are unique, revoked or not. */
function byHash(records: readonly TokenRecord[]): ReadonlyMap<string, TokenRecord> {
  return new Map(records.map((record) => [record.sha256, record]));
}

function isLastingAdmin({ role, revokedAt, expiresAt }: TokenRecord): boolean {
  return role === 'admin' && revokedAt === null && expiresAt === null;
}

function checkLimits({ role, scope, expiresAt }: NewToken, nowMs: number): void {
  if (expiresAt !== undefined && (parseTimeUs(expiresAt) === undefined || hasPassed(expiresAt, nowMs))) {
    throw new AccessError('invalid-expiry', 'expires_at is an RFC 3339 time with a zone, in the future');
  }
  if (scope === undefined) return;
  if (role !== 'auditor') {
    throw new AccessError('invalid-scope', 'a scope says what an auditor may see; other roles have none');
  }
  const fault = scopeFault(scope);
  if (fault !== undefined) throw new AccessError('invalid-scope', fault);
}

/** Also for a text that is no time: an end that cannot be read has come. */
function hasPassed(time: string, nowMs: number): boolean {
  return (parseTimeUs(time) ?? 0) <= nowMs * 1000;
}
