/** Why something about tokens and principals was refused. Codes are API: problems.ts maps each to a status. */

export type AccessErrorCode =
  | 'invalid-token-name'
  | 'unknown-token'
  | 'not-a-producer'
  | 'last-admin'
  | 'too-many-tokens'
  | 'invalid-token-file'
  | 'invalid-scope'
  | 'invalid-expiry'
  | 'oidc-unavailable'
  | 'invalid-oidc-token'
  | 'oidc-not-mapped';

export class AccessError extends Error {
  readonly code: AccessErrorCode;

  constructor(code: AccessErrorCode, message: string) {
    super(message);
    this.name = 'AccessError';
    this.code = code;
  }
}
