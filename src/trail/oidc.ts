/**
 * People instead of tokens (OpenID Connect, optional): a JWT of the organisation's identity provider says who somebody
 * is, and `oidc.json` of the log says what that person may do here. Nothing is created or stored for them.
 *
 *   { "issuer": "https://idp.example", "audience": "countersign",
 *     "mapping": [
 *       { "claim": "groups", "value": "sox-auditors", "role": "auditor", "scope": { "classes": ["financial"] } },
 *       { "claim": "groups", "value": "customers", "role": "auditor", "scope_from_claims": { "tenants": "tenant" } },
 *       { "claim": "groups", "value": "audit-admins", "role": "admin" } ] }
 *
 * The first mapping that fits counts, so that scopes never add up. What entries name is a pseudonym, `oidc:` and a hash of
 * issuer and subject: whoever knows the two can recompute it, and nothing else shows the person.
 *
 * Spec: OpenID Connect Core 1.0, Discovery 1.0; RFC 7519, RFC 7517, RFC 8725 (algorithms are an allow-list; keys come from
 * the issuer alone; audience, expiry and issue time are needed).
 */
import { createHash } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { readBounded } from '../events/bounded-answer.ts';
import type { Principal } from './access.ts';
import { AccessError } from './access-error.ts';
import { type Scope, ScopeSchema, scopeFault } from './scope.ts';

/** Signatures by keys that only the issuer has. `none` and shared secrets are not among them. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const;

const MAX_MAPPINGS = 100;
const ClaimName = Type.String({ minLength: 1, maxLength: 200 });
const closed = { additionalProperties: false } as const;

const OidcConfigSchema = Type.Object(
  {
    issuer: Type.String({ minLength: 1, maxLength: 200 }),
    audience: Type.String({ minLength: 1, maxLength: 200 }),
    jwks_uri: Type.Optional(Type.String({ description: 'Found by discovery if it is left out.' })),
    algorithms: Type.Optional(
      Type.Array(Type.Union(ALGORITHMS.map((name) => Type.Literal(name))), { minItems: 1, uniqueItems: true }),
    ),
    clock_tolerance_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 300 })),
    max_token_age_seconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 604_800 })),
    mapping: Type.Array(
      Type.Object(
        {
          claim: ClaimName,
          value: Type.String({ maxLength: 1_000 }),
          role: Type.Union([Type.Literal('auditor'), Type.Literal('admin')]),
          scope: Type.Optional(ScopeSchema),
          scope_from_claims: Type.Optional(
            Type.Partial(
              Type.Object(
                {
                  actions: ClaimName,
                  classes: ClaimName,
                  targets: ClaimName,
                  target_types: ClaimName,
                  tenants: ClaimName,
                },
                closed,
              ),
            ),
          ),
        },
        closed,
      ),
      { minItems: 1, maxItems: MAX_MAPPINGS },
    ),
  },
  closed,
);

export type OidcConfig = Static<typeof OidcConfigSchema>;
type Mapping = OidcConfig['mapping'][number];

export class OidcConfigError extends Error {
  readonly code = 'invalid-oidc-config';

  constructor(message: string) {
    super(message);
    this.name = 'OidcConfigError';
  }
}

/** Reads the text of oidc.json. Throws OidcConfigError. */
export function parseOidcConfig(text: string): OidcConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new OidcConfigError('it is not JSON');
  }
  if (!Value.Check(OidcConfigSchema, value)) {
    const first = Value.Errors(OidcConfigSchema, value).First();
    throw new OidcConfigError(`${first?.path ?? ''} ${first?.message ?? 'is not valid'}`);
  }
  for (const url of [value.issuer, value.jwks_uri]) {
    if (url !== undefined && !isTrustworthyUrl(url))
      throw new OidcConfigError(`${url} is not https, nor on this machine`);
  }
  for (const { role, scope, scope_from_claims: fromClaims } of value.mapping) {
    if (role === 'admin' && (scope ?? fromClaims) !== undefined) throw new OidcConfigError('an admin has no scope');
    if (fromClaims !== undefined && Object.keys(fromClaims).length === 0) {
      throw new OidcConfigError('scope_from_claims names no claim');
    }
    const fault = scope === undefined ? undefined : scopeFault(scope);
    if (fault !== undefined) throw new OidcConfigError(`scope: ${fault}`);
  }
  return value;
}

/** Somebody whom the provider vouches for; `principal` is undefined when no mapping gives them a role. */
export interface VouchedPerson {
  readonly id: string;
  readonly issuer: string;
  readonly principal: Principal | undefined;
}

export interface OidcVerifier {
  /** Throws AccessError `invalid-oidc-token`, or `oidc-unavailable` when the provider's keys cannot be had. */
  verify(token: string): Promise<VouchedPerson>;
}

export interface OidcOptions {
  readonly config: OidcConfig;
  readonly fetch?: typeof fetch;
  readonly nowMs?: () => number;
}

const REQUEST_TIMEOUT_MS = 3_000;
/** A token under an unknown key makes us ask again, at most this often. */
const ASK_AGAIN_MS = 30_000;
const KEYS_MAX_AGE_MS = 600_000;
const MAX_ANSWER_BYTES = 256 * 1024;
const CLOCK_TOLERANCE_SECONDS = 30;
const MAX_TOKEN_AGE_SECONDS = 86_400;
const ID_LETTERS = 32;

export function createOidcVerifier({ config, fetch: fetchFn = fetch, nowMs = Date.now }: OidcOptions): OidcVerifier {
  let keys: Promise<JWTVerifyGetKey> | undefined;
  let failedUntilMs = 0;

  /** Where the keys are is asked once; a failure is remembered for a moment, so that nobody waits for it in a row. */
  function keySource(): Promise<JWTVerifyGetKey> {
    if (keys !== undefined) return keys;
    if (nowMs() < failedUntilMs) throw unavailable('it did not answer a moment ago');
    const found = findKeys(config, fetchFn);
    keys = found;
    found.catch(() => {
      keys = undefined;
      failedUntilMs = nowMs() + ASK_AGAIN_MS;
    });
    return found;
  }

  return {
    verify: async (token) => {
      const payload = await checkedPayload(token, await keySource(), config, nowMs());
      const { sub = '' } = payload;
      const id = personId(config.issuer, sub);
      return { id, issuer: config.issuer, principal: principalOf(id, payload, config) };
    },
  };
}

/** The same person always has the same id, and letters only, so that nothing takes it for a number. */
export function personId(issuer: string, subject: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([issuer, subject]))
    .digest('hex')
    .slice(0, ID_LETTERS);
  return `oidc:${digest.replace(/./g, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 16)))}`;
}

async function checkedPayload(
  token: string,
  keys: JWTVerifyGetKey,
  config: OidcConfig,
  nowMs: number,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: config.issuer,
      audience: config.audience,
      algorithms: [...(config.algorithms ?? ALGORITHMS)],
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: config.clock_tolerance_seconds ?? CLOCK_TOLERANCE_SECONDS,
      maxTokenAge: config.max_token_age_seconds ?? MAX_TOKEN_AGE_SECONDS,
      currentDate: new Date(nowMs),
    });
    if (typeof payload.sub !== 'string' || payload.sub === '') throw invalid('it names no subject');
    return payload;
  } catch (error) {
    if (error instanceof AccessError) throw error;
    if (error instanceof errors.JWKSNoMatchingKey) throw invalid('no key of the provider made it');
    if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) throw unavailable(error.message);
    if (error instanceof errors.JWTExpired) throw invalid('it has expired');
    if (error instanceof errors.JWTClaimValidationFailed) throw invalid(`its claim ${error.claim} does not fit`);
    // jose says JOSEError itself when an answer is no key set; its subclasses are faults of the token.
    if (error instanceof errors.JOSEError && error.code !== errors.JOSEError.code) throw invalid('it does not verify');
    throw unavailable(error instanceof Error ? error.message : String(error));
  }
}

/** The first mapping that fits; a claim that the scope needs and that is missing makes a mapping not fit. */
function principalOf(id: string, payload: JWTPayload, { issuer, mapping }: OidcConfig): Principal | undefined {
  for (const one of mapping) {
    if (!textsOf(payload[one.claim]).includes(one.value)) continue;
    const scope = scopeOf(one, payload);
    if (scope !== 'none') return { id, role: one.role, producerId: null, scope, issuer };
  }
  return undefined;
}

function scopeOf({ scope, scope_from_claims: fromClaims }: Mapping, payload: JWTPayload): Scope | null | 'none' {
  if (fromClaims === undefined) return scope ?? null;
  const lists = Object.entries(fromClaims).map(([list, claim]) => [list, textsOf(payload[claim])] as const);
  const whole: unknown = { ...scope, ...Object.fromEntries(lists) };
  return Value.Check(ScopeSchema, whole) && scopeFault(whole) === undefined ? whole : 'none';
}

function textsOf(claim: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return values.filter((value): value is string => typeof value === 'string');
}

async function findKeys(config: OidcConfig, fetchFn: typeof fetch): Promise<JWTVerifyGetKey> {
  const uri = config.jwks_uri ?? (await discover(config.issuer, fetchFn));
  return createRemoteJWKSet(new URL(uri), {
    timeoutDuration: REQUEST_TIMEOUT_MS,
    cooldownDuration: ASK_AGAIN_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
    [customFetch]: (url, options) => boundedFetch(fetchFn, url, options),
  });
}

const DiscoverySchema = Type.Object({ issuer: Type.String(), jwks_uri: Type.String() });

/** OpenID Connect Discovery 1.0 §4: the issuer that answers must be the one that was asked. */
async function discover(issuer: string, fetchFn: typeof fetch): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  let value: unknown;
  try {
    const response = await boundedFetch(fetchFn, url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    value = await response.json();
  } catch (error) {
    throw unavailable(error instanceof Error ? error.message : String(error));
  }
  if (!Value.Check(DiscoverySchema, value) || value.issuer !== issuer || !isTrustworthyUrl(value.jwks_uri)) {
    throw unavailable(`${url} does not describe this issuer`);
  }
  return value.jwks_uri;
}

/** A redirect is a failure, and an answer has a bounded size. */
async function boundedFetch(fetchFn: typeof fetch, url: string, options: RequestInit): Promise<Response> {
  const response = await fetchFn(url, { ...options, redirect: 'error' });
  const text = await readBounded(response, MAX_ANSWER_BYTES);
  return new Response(text, { status: response.status, headers: { 'content-type': 'application/json' } });
}

/** Keys that came over a network that others write to are anybody's keys. */
function isTrustworthyUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:') return true;
  return url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
}

function invalid(reason: string): AccessError {
  return new AccessError('invalid-oidc-token', `the token of the identity provider is not valid here: ${reason}`);
}

function unavailable(reason: string): AccessError {
  return new AccessError('oidc-unavailable', `the identity provider cannot be asked for its keys: ${reason}`);
}
