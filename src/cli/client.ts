/**
 * HTTP as the client verbs speak it: bounded requests, problem documents as errors, and retries that cannot do harm,
 * because a log takes the same event twice for one.
 */
import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { CliError, messageOf } from './errors.ts';
import { type Io, oneLine } from './io.ts';
import type { Target } from './target.ts';

export interface ClientRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** For requests that wait on purpose. */
  readonly timeoutMs?: number;
}

export interface ClientAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The log did not answer, or pushed back: the same request may succeed later. */
export class UnavailableError extends CliError {
  /** What the log asked for with `Retry-After`, if it did. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    retryAfterMs: number | undefined,
    advice: readonly string[] = [],
    code: 'unreachable' | 'timed-out' = 'unreachable',
  ) {
    super(code, message, ...advice);
    this.retryAfterMs = retryAfterMs;
  }
}

const REQUEST_TIMEOUT_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

/** Request time-out, Too Many Requests, and whatever stands between us and the log saying that it is away. */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** The event is stored, and waits for its witnesses. */
const NOT_YET_PUBLISHED = ':not-yet-published';
const OUT_OF_SCOPE = ':out-of-scope';
const WITNESSES_MISSING =
  'The quorum of witnesses has not cosigned it yet; `countersign health` says which is missing.';

/**
 * Sends one request. Throws UnavailableError when trying again makes sense, CliError `not-found` or `refused` for any
 * other answer than 2xx. A redirect is an error: the token is meant for this server alone.
 */
export async function send(io: Io, target: Target, url: string, request: ClientRequest = {}): Promise<ClientAnswer> {
  const answer = await exchange(io, target, url, request);
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw refusal(url, answer);
}

/** Sends one request and returns its answer whatever its status. Throws UnavailableError when there is none. */
export async function exchange(io: Io, target: Target, url: string, request: ClientRequest): Promise<ClientAnswer> {
  try {
    const response = await io.fetch(url, {
      method: request.method ?? 'GET',
      headers: {
        ...(target.token === undefined ? {} : { authorization: `Bearer ${target.token}` }),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      redirect: 'error',
      signal: AbortSignal.timeout(request.timeoutMs ?? REQUEST_TIMEOUT_MS),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (error) {
    throw new UnavailableError(`no answer from ${url}: ${messageOf(error)}`, undefined, [
      'Is the log running? `countersign up` starts a local one.',
    ]);
  }
}

/** The error that an answer means. */
export function refusal(url: string, answer: ClientAnswer): CliError {
  const problem = parseProblem(answer.text);
  const message = `${url} answered ${answer.status}: ${problem.summary}`;
  if (TRY_AGAIN.has(answer.status)) return new UnavailableError(message, retryAfterMs(answer.headers));
  if (problem.type.endsWith(NOT_YET_PUBLISHED)) {
    return new UnavailableError(message, retryAfterMs(answer.headers), [WITNESSES_MISSING], 'timed-out');
  }
  const code = answer.status === 404 ? 'not-found' : 'refused';
  return new CliError(code, message, ...problem.faults, ...adviceFor(answer.status, problem.type));
}

/** Tries until it works, the error is not one that passes, or the time is over. `onWait` is told before each pause. */
export async function withRetries<T>(
  io: Io,
  timeoutMs: number,
  attempt: () => Promise<T>,
  onWait: (error: UnavailableError) => void,
): Promise<T> {
  const deadlineMs = io.nowMs() + timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      // Between half and all of the pause, so that many clients do not come back in step.
      const waitMs = error.retryAfterMs ?? pauseMs * (0.5 + Math.random() / 2);
      if (io.nowMs() + waitMs > deadlineMs) throw error;
      onWait(error);
      await pause(waitMs);
    }
  }
}

/**
 * Posts JSON and tries again for a while when the log stays away; sending it twice must mean the same as once. Throws what
 * `withRetries` and `send` throw, and CliError `unexpected-answer` for an answer that is not of the schema.
 */
export async function postJson<S extends TSchema>(
  io: Io,
  target: Target,
  path: string,
  body: object,
  { schema, what, timeoutMs }: { readonly schema: S; readonly what: string; readonly timeoutMs: number },
): Promise<Static<S>> {
  const url = `${target.logUrl}/${path}`;
  const headers = { 'content-type': 'application/json' };
  const { text } = await withRetries(
    io,
    timeoutMs,
    () => send(io, target, url, { method: 'POST', body: JSON.stringify(body), headers }),
    (error) => io.err(`trying again: ${error.message}\n`),
  );
  const answer = parseAnswer(url, text);
  if (Value.Check(schema, answer)) return answer;
  throw unexpectedAnswer(url, `it is not ${what}`);
}

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/** The JSON of an answer, which the caller checks. Throws CliError `unexpected-answer`. */
export function parseAnswer(url: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unexpectedAnswer(url, 'it is not JSON');
  }
}

export function unexpectedAnswer(url: string, reason: string): CliError {
  return new CliError('unexpected-answer', `${url} is not an answer of a log that this program knows: ${reason}`);
}

function adviceFor(status: number, type: string): readonly string[] {
  if (type.endsWith(OUT_OF_SCOPE))
    return ['`countersign token list` (admin) shows the scope; the attempt is an entry.'];
  if (status === 401) return ['The token is unknown or revoked: check --token-file.'];
  if (status === 403) return ['This token has another role: producers submit, auditors read, admins manage tokens.'];
  return [];
}

function retryAfterMs(headers: Headers): number | undefined {
  const seconds = headers.get('retry-after');
  return seconds !== null && /^[0-9]{1,5}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}

interface ParsedProblem {
  readonly type: string;
  readonly summary: string;
  readonly faults: readonly string[];
}

/** RFC 9457, read leniently: whatever answered may not be a log. */
function parseProblem(text: string): ParsedProblem {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { type: '', summary: oneLine(text.slice(0, 200)), faults: [] };
  }
  const { type, title, detail, errors } = members(value);
  const summary = [title, detail].filter((part) => typeof part === 'string').join('. ');
  const faults = Array.isArray(errors) ? errors.map(members).map(describeFault) : [];
  return { type: typeof type === 'string' ? type : '', summary: oneLine(summary), faults };
}

export function describeFault(fault: Readonly<Record<string, unknown>>): string {
  const { pointer, parameter, detail } = fault;
  const where = typeof pointer === 'string' ? pointer : typeof parameter === 'string' ? parameter : '';
  return oneLine(`${where === '' ? '' : `${where}: `}${typeof detail === 'string' ? detail : ''}`);
}

/** The members of an object, none of anything else. */
export function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
