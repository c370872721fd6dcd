/**
 * What the witness answers, before it is HTTP: one status, one content type, one text. Every refusal of C2SP
 * tlog-witness has its code and its status here and nowhere else.
 */

export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** With 429 and 503: when to come back. */
  readonly retryAfterSeconds?: number;
}

export type RefusalCode =
  | 'malformed'
  | 'size-too-large'
  | 'unknown-origin'
  | 'never-cosigned'
  | 'not-signed'
  | 'bad-signature'
  | 'old-above-size'
  | 'old-differs'
  | 'bad-empty-root'
  | 'proof-from-zero'
  | 'other-root'
  | 'bad-proof'
  | 'too-many-requests'
  | 'overloaded'
  | 'failed';

const STATUS: Readonly<Record<RefusalCode, number>> = {
  malformed: 400,
  'size-too-large': 400,
  'unknown-origin': 404,
  'never-cosigned': 404,
  'not-signed': 403,
  'bad-signature': 403,
  'old-above-size': 400,
  'old-differs': 409,
  'bad-empty-root': 422,
  'proof-from-zero': 422,
  'other-root': 422,
  'bad-proof': 422,
  'too-many-requests': 429,
  overloaded: 503,
  failed: 500,
};

/** A request that gets no signature. `heldSize` is the answer of a 409. */
export class Refused extends Error {
  readonly code: RefusalCode;
  readonly heldSize: number | undefined;

  constructor(code: RefusalCode, message: string, heldSize?: number) {
    super(message);
    this.name = 'Refused';
    this.code = code;
    this.heldSize = heldSize;
  }
}

export const TEXT = 'text/plain; charset=utf-8';
/** C2SP tlog-witness: the body of a 409 is the size that the witness holds. */
export const TLOG_SIZE = 'text/x.tlog.size';

const RETRY_AFTER_SECONDS = 1;

export function accepted(body: string): Reply {
  return { status: 200, contentType: TEXT, body };
}

export function refusal(refused: Refused): Reply {
  const status = STATUS[refused.code];
  if (refused.heldSize !== undefined) return { status, contentType: TLOG_SIZE, body: `${refused.heldSize}\n` };
  const reply = { status, contentType: TEXT, body: `${refused.message}\n` };
  return status === 429 || status === 503 ? { ...reply, retryAfterSeconds: RETRY_AFTER_SECONDS } : reply;
}
