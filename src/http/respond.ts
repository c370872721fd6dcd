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

/** For holders of a token: never stored by a cache. */
export function privateJson(status: number, value: unknown, headers: Headers = {}): Response {
  return respond(status, `${JSON.stringify(value)}\n`, {
    ...SECURITY_HEADERS,
    'content-type': JSON_CONTENT_TYPE,
    'cache-control': 'no-store',
    ...headers,
  });
}

/** For anyone, and new each time. */
export function publicJson(value: unknown, headers: Headers = {}): Response {
  return respond(200, `${JSON.stringify(value)}\n`, {
    ...PUBLIC_HEADERS,
    'content-type': JSON_CONTENT_TYPE,
    'cache-control': 'no-cache',
    ...headers,
  });
}

export function respond(status: number, body: string | Uint8Array<ArrayBuffer> | null, headers: Headers): Response {
  return new Response(body, { status, headers });
}
