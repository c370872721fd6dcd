/**
 * The one place where an error becomes an HTTP status: RFC 9457 problem documents with stable types.
 *
 *   {"type":"urn:countersign:problem:unknown-member","title":"…","status":422,"detail":"…",
 *    "instance":"urn:uuid:…","errors":[{"code":"unknown-member","pointer":"/actr","detail":"…"}]}
 *
 * `type` is API and never changes its meaning. `pointer` (RFC 6901) names a member of the body, `parameter` one of the
 * query. `instance` is unique to this answer; the server's own log names it beside every 5xx.
 */

import { EventProblem, type EventProblemCode } from '../events/types.ts';
import { EvidenceError, type EvidenceErrorCode } from '../evidence/error.ts';
import { LogError, type LogErrorCode } from '../log/types.ts';
import { AccessError, type AccessErrorCode } from '../trail/access-error.ts';
import { FindingError, type FindingErrorCode } from '../trail/findings.ts';
import { QUERY_PARAMETER, QueryError } from '../trail/query.ts';
import { OutOfScope } from '../trail/scope.ts';
import { SearchError, type SearchErrorCode } from '../trail/search.ts';
import { type PlainAnswer, PUBLIC_HEADERS } from './respond.ts';

export const PROBLEM_PREFIX = 'urn:countersign:problem:';
export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** Faults that only HTTP knows. */
export type HttpProblemCode =
  | 'unknown-path'
  | 'unknown-log'
  | 'not-an-audit-log'
  | 'not-a-raw-log'
  | 'unknown-event'
  | 'contents-lost'
  | 'unknown-tile'
  | 'no-head-yet'
  | 'method-not-allowed'
  | 'missing-token'
  | 'invalid-token'
  | 'expired-token'
  | 'forbidden-role'
  | 'out-of-scope'
  | 'invalid-query'
  | 'too-many-exports'
  | 'unsupported-content-type'
  | 'unsupported-content-encoding'
  | 'not-acceptable'
  | 'body-too-large'
  | 'body-timeout'
  | 'body-aborted'
  | 'too-many-bodies'
  | 'invalid-parameter'
  | 'unknown-parameter'
  | 'range-not-satisfiable'
  | 'missing-parameter'
  | 'invalid-body'
  | 'event-id-conflict'
  | 'unknown-rule'
  | 'invalid-catalogue'
  | 'catalogue-version-exists'
  | 'unknown-producer-key-id'
  | 'rule-version-exists'
  | 'not-yet-published'
  | 'internal-error';

export type ProblemCode =
  | HttpProblemCode
  | EvidenceErrorCode
  | EventProblemCode
  | LogErrorCode
  | AccessErrorCode
  | SearchErrorCode
  | FindingErrorCode;

/** One fault inside a request. */
export interface ProblemFault {
  readonly code?: string;
  readonly pointer?: string;
  readonly parameter?: string;
  readonly detail: string;
}

export interface ProblemExtras {
  readonly errors?: readonly ProblemFault[];
  /** Further members of the document: indices, sizes, limits. Never contents, never secrets. */
  readonly members?: Readonly<Record<string, string | number | readonly number[]>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler throws when HTTP itself is the matter. */
export class HttpProblem extends Error {
  readonly code: HttpProblemCode;
  readonly extras: ProblemExtras;

  constructor(code: HttpProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.name = 'HttpProblem';
    this.code = code;
    this.extras = extras;
  }
}

/** A problem document before it has an `instance`. */
export interface Problem {
  readonly code: ProblemCode;
  readonly status: number;
  readonly detail: string;
  readonly extras: ProblemExtras;
}

/** Status and title of every problem. */
export const PROBLEMS: Readonly<Record<ProblemCode, readonly [status: number, title: string]>> = {
  'unknown-path': [404, 'There is nothing at this path'],
  'unknown-log': [404, 'There is no log of this name here'],
  'not-an-audit-log': [404, 'This log has no audit events'],
  'not-a-raw-log': [404, 'This log takes no opaque entries'],
  'unknown-event': [404, 'There is no such event in this log'],
  'contents-lost': [410, 'The contents of this event are lost; its entry and its receipt are not'],
  'unknown-tile': [404, 'There is no such tile'],
  'no-head-yet': [404, 'There is no such head yet'],
  'method-not-allowed': [405, 'This path does not take this method'],
  'missing-token': [401, 'A bearer token is needed'],
  'invalid-token': [401, 'The bearer token is not valid here'],
  'expired-token': [401, 'The token has expired'],
  'forbidden-role': [403, 'The role of this token does not allow this'],
  'out-of-scope': [403, 'The scope of this token does not cover this'],
  'unsupported-content-type': [415, 'The content type is not one that is taken here'],
  'unsupported-content-encoding': [415, 'The body must be sent without a content encoding'],
  'not-acceptable': [406, 'None of the accepted content types can be made'],
  'body-too-large': [413, 'The body is too large'],
  'body-timeout': [408, 'The body did not arrive in time'],
  'body-aborted': [400, 'The body ended early'],
  'too-many-bodies': [503, 'Too many large requests at once'],
  'invalid-parameter': [400, 'A query parameter is not valid'],
  'invalid-query': [400, 'The query cannot be understood'],
  'too-many-exports': [503, 'As many exports as can be made at once are being made'],
  'range-not-satisfiable': [416, 'The file ends before the range begins'],
  'unknown-parameter': [400, 'A query parameter is not known'],
  'missing-parameter': [400, 'A query parameter is missing'],
  'invalid-body': [422, 'The body is not what is expected here'],
  'event-id-conflict': [422, 'This event_id was used before, for other content'],
  'unknown-producer-key-id': [404, 'There is no such live producer key'],
  'invalid-catalogue': [422, 'The catalogue is not valid'],
  'catalogue-version-exists': [409, 'This version of the catalogue was published before, with other content'],
  'unknown-rule': [404, 'There is no such rule'],
  'rule-version-exists': [409, 'This version of the rule was published before, with other content'],
  'not-yet-published': [409, 'The event is stored, and not yet under a published checkpoint'],
  'internal-error': [500, 'The request could not be answered'],

  'invalid-utf8': [400, 'The text is not valid UTF-8'],
  'invalid-json': [400, 'The text is not valid JSON'],
  'duplicate-member': [400, 'A member name occurs twice in one object'],
  'unsafe-integer': [400, 'An integer is beyond 2^53-1 and must be sent as a string'],
  'number-out-of-range': [400, 'A number cannot be represented'],
  'lone-surrogate': [400, 'A string contains half of a surrogate pair'],
  'too-deep': [400, 'The JSON is nested too deeply'],
  'too-many-members': [422, 'There are too many members'],
  'too-large': [413, 'The event is too large'],
  'not-an-object': [422, 'An event is a JSON object'],
  'unknown-member': [422, 'A member of the event is not known'],
  'missing-member': [422, 'A member of the event is missing'],
  'invalid-member': [422, 'A member of the event is not valid'],
  'invalid-cloudevent': [422, 'The CloudEvent does not carry an audit event'],
  'unknown-action': [422, 'The action is not in the catalogue of this log'],
  'missing-field': [422, 'A field that the catalogue requires for this action is missing'],
  'secret-in-identifier': [422, 'An identifier of the event holds what looks like a secret'],
  'signed-needs-redaction': [422, 'A signed event holds what would have to be redacted'],
  'invalid-submission': [422, 'The signed submission is not in the form that is taken here'],
  'salts-mismatch': [422, 'The salts of the signed submission do not belong to its fields'],
  'unknown-producer-key': [403, 'No producer key of this id is registered here'],
  'bad-producer-signature': [422, "The producer's signature is not good"],
  'empty-body': [400, 'The body is empty'],
  'too-many-lines': [413, 'The batch has too many lines'],

  'entry-too-large': [413, 'The entry is too large'],
  overloaded: [503, 'The log has more work than it can promise; try again later'],
  'log-stopped': [503, 'The log has stopped and takes no events'],
  'log-closed': [503, 'The log is shutting down'],
  'clock-unsynchronised': [503, "The log's clock is not confirmed by its time sources; no event is taken until it is"],
  'clock-backwards': [503, "The log's clock went backwards; no event is taken until it has caught up"],
  'not-in-log': [404, 'The tree does not reach that far'],
  'size-not-signed': [404, 'No signed head reaches that size yet'],
  'unknown-head': [409, 'This is not a head that this log signed'],
  'invalid-cosignatures': [422, 'No cosignature by a witness of the policy could be verified'],
  'ambiguous-event-id': [409, 'Several producers used this event_id'],
  'corrupt-data': [500, 'Stored data failed its check against the tree and is not served'],
  'rolled-back': [503, 'The log lost data that it had signed, and refuses to sign'],
  'guard-missing': [503, 'The signing guard is missing; the log refuses to sign'],
  'guard-corrupt': [503, 'The signing guard is damaged; the log refuses to sign'],
  'wrong-origin': [409, 'The checkpoint belongs to another log'],
  'no-valid-key': [503, 'No key of the log is valid at this tree size; it signs nothing'],

  'invalid-token-name': [422, 'The name of the token is not valid'],
  'unknown-token': [404, 'There is no such token'],
  'not-a-producer': [422, 'Only a producer token can replace a producer token'],
  'last-admin': [409, 'The last admin token cannot be revoked'],
  'too-many-tokens': [409, 'The log has as many tokens as it can keep'],
  'invalid-token-file': [500, 'The token file of the log is damaged'],
  'invalid-scope': [422, 'The scope of the token is not valid'],
  'invalid-expiry': [422, 'The end of the token is not valid'],
  'oidc-unavailable': [503, 'The identity provider cannot be asked for its keys'],
  'invalid-oidc-token': [401, 'The token of the identity provider is not valid here'],
  'oidc-not-mapped': [403, 'The identity provider vouches for this person, and the log gives them no role'],

  'unknown-finding': [404, 'There is no such finding'],
  'already-acknowledged': [409, 'This finding was acknowledged before'],

  'complete-needs-scope': [403, 'The scope of this token does not allow a complete answer'],
  'range-too-large': [422, 'The range is larger than one bundle can be'],
  'pinned-too-large': [422, 'The log has signed no head of that size'],
  'too-many-bundles': [503, 'As many bundles as can be made at once are being made'],
  'unknown-bundle': [404, 'There is no such bundle'],
  'scope-changed': [403, 'The scope of this token has changed since the bundle was made'],
  'bundle-not-ready': [409, 'The bundle is still being made'],
  'bundle-not-published': [409, 'No published checkpoint covers the bundle yet'],
  'no-evidence-here': [404, 'This server makes no evidence bundles'],

  'invalid-sample-request': [422, 'A sample cannot be drawn like this'],
  'empty-population': [422, 'There is nothing to draw a sample from'],
  'unknown-sample': [404, 'There is no such sample'],
  'nonce-mismatch': [422, 'The nonce is not the one that was committed to'],
  'head-not-fixed': [409, 'No cosigned checkpoint fixes the head that goes into the seed yet'],
  'bad-beacon': [422, 'The drand signature is not that of the round that was committed to'],
  'already-revealed': [409, 'The nonce of this sample was opened before'],
  'unknown-review': [404, 'There is no such review in the schedule'],
  'review-mismatch': [422, 'The review is not the one of the schedule'],
  'sample-not-revealed': [409, 'The nonce of this sample was not opened yet'],

  'invalid-cursor': [400, 'The cursor is not one of this log'],
  'cursor-of-another-query': [400, 'The cursor belongs to another query'],
};

/** Seconds after which a client may try again, when the error itself names none. */
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** What an error means to a client. Anything unexpected is `internal-error`, which says nothing about its cause. */
export function problemOf(error: unknown): Problem {
  if (error instanceof HttpProblem) return problem(error.code, error.message, error.extras);
  if (error instanceof EventProblem) return problem(error.code, eventDetail(error), { errors: error.faults });
  if (error instanceof LogError) return logProblem(error);
  if (error instanceof AccessError) return problem(error.code, error.message);
  if (error instanceof FindingError) return problem(error.code, error.message);
  if (error instanceof EvidenceError) return problem(error.code, error.message);
  if (error instanceof OutOfScope) {
    return problem('out-of-scope', `${error.message[0]?.toUpperCase()}${error.message.slice(1)}.`, {
      errors: [{ parameter: error.asked, detail: error.message }],
    });
  }
  if (error instanceof QueryError) {
    const { code, parameter, message } = error;
    const type = parameter === QUERY_PARAMETER ? 'invalid-query' : 'invalid-parameter';
    return problem(type, message, { errors: [{ code, parameter, detail: message }] });
  }
  if (error instanceof SearchError) {
    return problem(error.code, error.message, { errors: [{ parameter: error.parameter, detail: error.message }] });
  }
  return problem('internal-error', 'The server failed; its own log says why, under this instance.');
}

/** The document itself, as it stands in an answer of its own and in a line of a batch's answer. */
export function problemDocument(problem: Problem, instance?: string): Record<string, unknown> {
  const [, title] = PROBLEMS[problem.code];
  return {
    type: PROBLEM_PREFIX + problem.code,
    title,
    status: problem.status,
    detail: problem.detail,
    ...(instance === undefined ? {} : { instance }),
    ...(problem.extras.errors === undefined ? {} : { errors: problem.extras.errors }),
    ...problem.extras.members,
  };
}

export function problemAnswer(problem: Problem, instance: string): PlainAnswer {
  return {
    status: problem.status,
    body: `${JSON.stringify(problemDocument(problem, instance))}\n`,
    headers: {
      // A page from anywhere may learn why it got no tile; nothing here is secret, and no cookie is ever looked at.
      ...PUBLIC_HEADERS,
      'content-type': PROBLEM_CONTENT_TYPE,
      'cache-control': 'no-store',
      ...problem.extras.headers,
    },
  };
}

function problem(code: ProblemCode, detail: string, extras: ProblemExtras = {}): Problem {
  const [status] = PROBLEMS[code];
  return { code, status, detail, extras: status === 503 ? withRetryAfter(extras) : extras };
}

function logProblem(error: LogError): Problem {
  const { retryAfterSeconds, ...details } = error.details;
  const headers = typeof retryAfterSeconds === 'number' ? { headers: { 'retry-after': `${retryAfterSeconds}` } } : {};
  return problem(error.code, error.message, { members: details, ...headers });
}

function withRetryAfter(extras: ProblemExtras): ProblemExtras {
  return { ...extras, headers: { 'retry-after': `${DEFAULT_RETRY_AFTER_SECONDS}`, ...extras.headers } };
}

function eventDetail(error: EventProblem): string {
  const more = error.faults.length - 1;
  return more === 0 ? error.message : `${error.message} (and ${more} more)`;
}
