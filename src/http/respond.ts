/**
 * Answers, built in one step: status, headers and body are given to the constructor together, which is the form that
 * the server writes without copying a header.
 */

/** On every answer: nothing here is a page of ours unless it says so, and no browser may guess a type. */
export const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** Reads that are anyone's, so that a page from anywhere can verify what the log says. */
export const PUBLIC_HEADERS = { ...SECURITY_HEADERS, 'access-control-allow-origin': '*' } as const;

export const JSON_CONTENT_TYPE = 'application/json';
export const TEXT_CONTENT_TYPE = 'text/plain; charset=utf-8';

type Headers = Readonly<Record<string, string>>;

/** An answer as data: hot routes give it, and both Hono and node:http alone can send it (direct.ts). */
export interface PlainAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
}

export function responseOf({ status, headers, body }: PlainAnswer): Response {
  return respond(status, body, headers);
}

/** For holders of a token: never stored by a cache. */
export function privateJson(status: number, value: unknown, headers: Headers = {}): Response {
  return responseOf(privateJsonAnswer(status, value, headers));
}

export function privateJsonAnswer(status: number, value: unknown, headers: Headers = {}): PlainAnswer {
  return { status, headers: { ...PRIVATE_JSON_HEADERS, ...headers }, body: `${JSON.stringify(value)}\n` };
}

const PRIVATE_JSON_HEADERS = {
  ...SECURITY_HEADERS,
  'content-type': JSON_CONTENT_TYPE,
  'cache-control': 'no-store',
} as const;

/** For anyone, and new each time. */
export function publicJson(value: unknown): Response {
  return responseOf(publicJsonAnswer(value));
}

export function publicJsonAnswer(value: unknown): PlainAnswer {
  return { status: 200, headers: PUBLIC_JSON_HEADERS, body: `${JSON.stringify(value)}\n` };
}

const PUBLIC_JSON_HEADERS = {
  ...PUBLIC_HEADERS,
  'content-type': JSON_CONTENT_TYPE,
  'cache-control': 'no-cache',
} as const;

export function respond(status: number, body: string | Uint8Array<ArrayBuffer> | null, headers: Headers): Response {
  return new Response(body, { status, headers });
}
