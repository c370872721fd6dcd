/**
 * Where names are looked up (identity.ts): a file that somebody maintains, or a service. Both are read anew as often as
 * the resolver asks, which is at most once a minute and name.
 *
 *   identity.json of a log   { "kind": "file", "file": "identities.json" }
 *                            { "kind": "http", "url": "https://idm.example/resolve", "timeout_ms": 2000,
 *                              "token_file": "idm.token" }
 *   identities.json          { "user": { "Ann Example": "u_8842" }, "service": { "billing": "svc-billing" } }
 *   the service              POST {"type":"user","name":"Ann Example"}  ─▶  200 {"id":"u_8842"}, or 404
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { readBounded } from './bounded-answer.ts';
import type { IdentitySource } from './identity.ts';

const IdentityConfigSchema = Type.Union([
  Type.Object({ kind: Type.Literal('file'), file: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
  Type.Object(
    {
      kind: Type.Literal('http'),
      url: Type.String({ minLength: 1 }),
      timeout_ms: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
      token_file: Type.Optional(Type.String({ minLength: 1 })),
    },
    { additionalProperties: false },
  ),
]);

export type IdentityConfig = Static<typeof IdentityConfigSchema>;

const IdentitiesSchema = Type.Record(Type.String(), Type.Record(Type.String(), Type.String()));
const AnswerSchema = Type.Object({ id: Type.String() });

export const DEFAULT_LOOKUP_TIMEOUT_MS = 2_000;
/** A file of names is read whole. */
export const MAX_IDENTITIES_BYTES = 16 * 1024 * 1024;
const MAX_ANSWER_BYTES = 16 * 1024;

/** A configuration or a file of names that cannot be used. */
export class IdentityConfigError extends Error {
  readonly code = 'invalid-identity-config';

  constructor(message: string) {
    super(message);
    this.name = 'IdentityConfigError';
  }
}

/** Reads the text of identity.json. Throws IdentityConfigError. */
export function parseIdentityConfig(text: string): IdentityConfig {
  const value = parseJson(text);
  if (!Value.Check(IdentityConfigSchema, value)) {
    throw new IdentityConfigError('it is neither {"kind": "file", "file"} nor {"kind": "http", "url", "timeout_ms"?}');
  }
  if (value.kind === 'http') checkUrl(value.url);
  return value;
}

/** The source that a configuration names; its paths are relative to `directory`. */
export async function openIdentitySource(
  config: IdentityConfig,
  directory: string,
  fetchFn: typeof fetch = fetch,
): Promise<IdentitySource> {
  if (config.kind === 'file') {
    const source = fileSource(path.resolve(directory, config.file));
    // A file that cannot be used is found at start, not at the first name.
    await source.find('', '');
    return source;
  }
  const { url, timeout_ms: timeoutMs = DEFAULT_LOOKUP_TIMEOUT_MS, token_file: tokenFile } = config;
  const token = tokenFile === undefined ? undefined : await readFile(path.resolve(directory, tokenFile), 'utf8');
  return httpSource({ url, timeoutMs, token: token?.trim(), fetchFn });
}

/** Names in a JSON file; a file that was replaced is read again. */
export function fileSource(file: string): IdentitySource {
  let kept:
    | { readonly mtimeMs: number; readonly size: number; readonly names: ReadonlyMap<string, string> }
    | undefined;
  return {
    find: async (type, name) => {
      const { mtimeMs, size } = await stat(file);
      if (kept?.mtimeMs !== mtimeMs || kept.size !== size) {
        if (size > MAX_IDENTITIES_BYTES)
          throw new IdentityConfigError(`${file} is larger than ${MAX_IDENTITIES_BYTES} bytes`);
        kept = { mtimeMs, size, names: parseIdentities(await readFile(file, 'utf8'), file) };
      }
      return kept.names.get(`${type}\0${name}`);
    },
  };
}

interface HttpSourceOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly token: string | undefined;
  readonly fetchFn: typeof fetch;
}

/** A service. A redirect is a failure: names and token are meant for this address alone. */
export function httpSource({ url, timeoutMs, token, fetchFn }: HttpSourceOptions): IdentitySource {
  return {
    find: async (type, name) => {
      const response = await fetchFn(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ type, name }),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await readBounded(response, MAX_ANSWER_BYTES);
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw new Error(`the resolver answered ${response.status}`);
      const answer = parseJson(text);
      if (!Value.Check(AnswerSchema, answer)) throw new IdentityConfigError('the resolver answered no id');
      return answer.id;
    },
  };
}

function parseIdentities(text: string, file: string): ReadonlyMap<string, string> {
  const value = parseJson(text);
  if (!Value.Check(IdentitiesSchema, value)) {
    throw new IdentityConfigError(`${file} does not hold {"type": {"name": "id", …}, …}`);
  }
  return new Map(
    Object.entries(value).flatMap(([type, names]) =>
      Object.entries(names).map(([name, id]) => [`${type}\0${name}`, id] as const),
    ),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new IdentityConfigError('it is not JSON');
  }
}

/** Names go over the network in TLS, or stay on this machine. */
function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url?.protocol !== 'https:' && !isLocal) {
    throw new IdentityConfigError('url must be https, or http on this machine');
  }
}
