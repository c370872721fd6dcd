/**
 * Who asks: tokens of a log, tokens of people whom an identity provider vouches for, and what becomes of those who may
 * not. It stands in front of every handler that is not public (route.ts), whichever way the request came in.
 */
import { EvidenceError } from '../evidence/error.ts';
import { type Principal, type Role, roleAllows } from '../trail/access.ts';
import { AccessError } from '../trail/access-error.ts';
import type { OidcVerifier, VouchedPerson } from '../trail/oidc.ts';
import type { OwnEvent } from '../trail/record.ts';
import { OutOfScope } from '../trail/scope.ts';
import { tokenActor } from '../trail/trail.ts';
import { HttpProblem, problemOf } from './problems.ts';
import type { AnyServedLog, RequestView, ServedLog, ServedRawLog } from './route.ts';

/** Does the work for the holder of the request's token, if the role allows it; what is refused to somebody known is recorded. */
export async function asHolder<T>(
  c: RequestView,
  served: ServedLog,
  needed: Role,
  work: (token: Principal) => T | Promise<T>,
): Promise<T> {
  const token = await authenticate(c, served);
  try {
    checkRole(token, needed);
    return await work(token);
  } catch (error) {
    if (isRefusal(error)) {
      const question = error instanceof OutOfScope ? error.question : undefined;
      await recordRefusal(c, served, tokenActor(token), problemOf(error).code, question);
    }
    throw error;
  }
}

/** What is refused here leaves no entry: a raw log has nowhere to put one. */
export function admitted(c: RequestView, served: ServedRawLog): ServedRawLog {
  if (served.open) return served;
  const text = bearerToken(c, served);
  const token = text === undefined ? undefined : served.tokens.find(text);
  if (token === undefined) throw unauthorised('invalid-token', served, UNKNOWN_TOKEN);
  checkRole(token, 'producer');
  return served;
}

/** Bounds of what an entry repeats of a refused request. */
const MAX_RECORDED_PATH = 500;
const MAX_RECORDED_QUERY = 2_000;

/** What was tried is an entry too. Who has no token that was ever valid here cannot make one. */
export async function recordRefusal(
  c: RequestView,
  { log, trail }: ServedLog,
  actor: OwnEvent['actor'],
  code: string,
  /** What was asked, where it does not stand in the URL alone. */
  question?: string,
): Promise<void> {
  const queryStart = c.req.url.indexOf('?');
  await trail.incidents.report({
    action: 'countersign.access.refused',
    actor,
    code,
    outcome: 'denied',
    target: { type: 'log', id: log.origin },
    context: {
      method: c.req.method,
      path: pathOf(c).slice(0, MAX_RECORDED_PATH),
      query: queryStart === -1 ? '' : c.req.url.slice(queryStart + 1, queryStart + 1 + MAX_RECORDED_QUERY),
      ...(question === undefined ? {} : { question: question.slice(0, MAX_RECORDED_QUERY) }),
    },
  });
}

/** The path as it was sent, without the query. */
export function pathOf({ req: { url } }: RequestView): string {
  const path = url.slice(url.indexOf('/', url.indexOf('//') + 2));
  const queryStart = path.indexOf('?');
  return queryStart === -1 ? path : path.slice(0, queryStart);
}

const BEARER = /^Bearer +([!-~]+) *$/i;

/** The text of the bearer token of the request. Throws HttpProblem `missing-token`; undefined if it is malformed. */
function bearerToken(c: RequestView, served: AnyServedLog): string | undefined {
  const header = c.req.header('authorization');
  if (header !== undefined) return BEARER.exec(header)?.[1];
  throw unauthorised('missing-token', served, 'Send the header "Authorization: Bearer <token>".');
}

const UNKNOWN_TOKEN = 'The token is malformed, unknown to this log, or revoked.';

/** RFC 6750: who the token of the request belongs to. Tokens of another log are unknown here. */
async function authenticate(c: RequestView, served: ServedLog): Promise<Principal> {
  const text = bearerToken(c, served);
  if (text !== undefined && served.oidc !== undefined && isJwt(text)) return vouchedFor(c, served, served.oidc, text);
  const known = text === undefined ? undefined : served.tokens.identify(text);
  if (known?.state === 'live') return known.record;
  if (known !== undefined) {
    const code = known.state === 'expired' ? 'expired-token' : 'invalid-token';
    await recordRefusal(c, served, tokenActor(known.record), code);
    if (known.state === 'expired') throw unauthorised(code, served, `The token expired at ${known.record.expiresAt}.`);
  }
  throw unauthorised('invalid-token', served, UNKNOWN_TOKEN);
}

/** Whether a bearer token has the form of a JWT (RFC 7515 §3.1). A token of the log's own never does. */
function isJwt(token: string): boolean {
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token);
}

/** A person with a token of the identity provider. */
async function vouchedFor(c: RequestView, served: ServedLog, oidc: OidcVerifier, token: string): Promise<Principal> {
  let person: VouchedPerson;
  try {
    person = await oidc.verify(token);
  } catch (error) {
    if (!(error instanceof AccessError) || error.code !== 'invalid-oidc-token') throw error;
    throw unauthorised('invalid-token', served, `${error.message[0]?.toUpperCase()}${error.message.slice(1)}.`);
  }
  if (person.principal !== undefined) return person.principal;
  const { id, issuer } = person;
  await recordRefusal(c, served, { type: 'user', id, auth: { method: 'oidc', provider: issuer } }, 'oidc-not-mapped');
  throw new AccessError('oidc-not-mapped', `no mapping of this log gives ${id} a role`);
}

function checkRole({ role }: Principal, needed: Role): void {
  if (roleAllows(role, needed)) return;
  throw new HttpProblem('forbidden-role', `This needs a token of the role ${needed}; this one is ${role}.`);
}

/** Somebody who is known asked for what they may not do. */
function isRefusal(error: unknown): boolean {
  if (error instanceof EvidenceError) return error.code === 'complete-needs-scope';
  return error instanceof OutOfScope || (error instanceof HttpProblem && error.code === 'forbidden-role');
}

function unauthorised(
  code: 'missing-token' | 'invalid-token' | 'expired-token',
  served: AnyServedLog,
  detail: string,
): HttpProblem {
  const error = code === 'missing-token' ? '' : ', error="invalid_token"';
  return new HttpProblem(code, detail, {
    headers: { 'www-authenticate': `Bearer realm="${served.log.name}"${error}` },
  });
}
