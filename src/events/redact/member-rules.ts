/**
 * Rules for what a member is called: the value of `password`, `dbPassword`, `x-api-key` or `cvv` is a secret whatever
 * it looks like. Names are compared in lower case without separators, from their end: `masterUserPassword` is one,
 * `passwordResetRequired` is not.
 */
import { isCredentials, isReference } from './text-rules.ts';
import type { RedactionRule } from './types.ts';

export interface MemberRule {
  readonly rule: RedactionRule;
  /** See suspicion.ts for how literals are written; here `"` ends a name, or a string that names something. */
  readonly triggers: readonly string[];
  readonly names: RegExp;
  /** Whether this value, given as text, is a secret under such a name. */
  readonly isSecret: (value: string, isNumber: boolean) => boolean;
  /** True if everything below such a member is secret; otherwise only its `value`, `before`, `after` and the like. */
  readonly isDeep: boolean;
}

/** Names under which a secret's own value stands: in `{"name": "password", "value": …}`, in changes, in wrappers. */
export const VALUE_MEMBERS: ReadonlySet<string> = new Set(
  'value values before after old new oldvalue newvalue from to current previous default plaintext raw string stringvalue text data'.split(
    ' ',
  ),
);

/** Members whose text says what the object beside it holds: `{"path": "/password", "before": …, "after": …}`. */
export const NAME_MEMBERS: ReadonlySet<string> = new Set(
  'name key path field attribute property header parameter column variable'.split(' '),
);

/** Ids of traces are 64-bit numbers in decimal: as long as a card's, and every tenth would pass its check. */
export const TRACING_MEMBERS: ReadonlySet<string> = new Set(
  'traceid spanid parentid parentspanid correlationid requestid ddtraceid ddspanid'.split(' '),
);
export const TRACE_ID = /^\d{17,20}$/;

const anyText = (value: string): boolean => value !== '';
const text = (value: string, isNumber: boolean): boolean => !isNumber && value !== '';
const hasDigit = (value: string): boolean => /\d/.test(value);

export const MEMBER_RULES: readonly MemberRule[] = [
  {
    rule: 'password',
    triggers: ['passw', 'passphrase', 'passcode', 'pwd', 'pass"', 'pw"'],
    names:
      /(?:passw(?:ord|d|ort)|passphrase|passcode|pwd)(?:s|\d{1,2}|hash|hashed|digest|salt|confirm|confirmation|again|repeat|value|text|plaintext|string|encrypted|old|new)?$|^(?:db|user|my|smtp|imap|ftp|root|admin|login|basic|proxy)?(?:pass|pw)$/,
    isSecret: anyText,
    isDeep: true,
  },
  {
    rule: 'card-cvv',
    triggers: ['cvv', 'cvc', 'cvn', 'cav', 'csc"', 'securitycode', 'cardcode', 'verificationvalue', 'cardverification'],
    names:
      /(?:cvv|cvc|cvn|cav)[12]?(?:code|number|value)?$|^(?:card)?(?:csc|securitycode)$|^cardcode$|^card(?:security|verification)(?:code|value|number)$|^verificationvalue$/,
    isSecret: hasDigit,
    isDeep: true,
  },
  {
    rule: 'card-pin',
    triggers: ['pin"', 'pinblock', 'pinnumber', 'pinvalue'],
    names: /^(?:card|user|debit|atm|encrypted|online|new|old)?pin(?:block|number|value)?$/,
    isSecret: (value) => /^[0-9A-Fa-f]{3,32}$/.test(value) && hasDigit(value),
    isDeep: true,
  },
  {
    rule: 'card-track',
    triggers: ['track', 'magstripe', 'magneticstripe', 'swipe'],
    names:
      /^(?:card)?(?:track[123](?:data|equivalent|equivalentdata)?|trackdata|mag(?:netic)?stripe(?:data)?|swipe(?:data)?)$/,
    isSecret: text,
    isDeep: true,
  },
  {
    rule: 'one-time-code',
    triggers: [
      'otp"',
      'otpcode',
      'mfacode',
      'onetime',
      'smscode',
      'recoverycode',
      'backupcode',
      '2facode',
      'factorcode',
      'authorizationcode',
    ],
    names:
      /^(?:otp|totp|hotp|(?:otp|totp|mfa|sms|2fa|twofactor|onetime)code|onetimepassword|onetimetoken|(?:recovery|backup)codes?|oauthauthorizationcode|authorizationcode)$/,
    isSecret: (value) => value.length >= 4,
    isDeep: true,
  },
  {
    rule: 'token',
    triggers: ['token$', 'tokens$', 'tokenvalue$', 'tokenstring$', 'tokenhash$', 'tokensecret$'],
    names:
      /(?<!next|prev|previous|page|paging|pagination|continuation|continue|client|clientrequest|cursor|starting|ending|sync|resume|idempotency)token(?:s|value|string|hash|secret)?$/,
    isSecret: (value, isNumber) => !isNumber && value.length >= 6 && !isReference(value) && !STATES.test(value),
    isDeep: false,
  },
  {
    rule: 'secret',
    triggers: [
      '',
      's',
      'value',
      'string',
      'binary',
      'text',
      'plaintext',
      'data',
      'hash',
      'base32',
      'key',
      'accesskey',
    ].map((suffix) => `secret${suffix}$`),
    names: /secret(?:s|value|string|binary|text|plaintext|data|hash|base32|key|accesskey)?$/,
    isSecret: (value, isNumber) => text(value, isNumber) && !isReference(value),
    isDeep: false,
  },
  {
    rule: 'private-key',
    triggers: ['privatekey'],
    names: /privatekeys?(?:value|data|material|pem|text|plaintext|base64)?$/,
    isSecret: (value, isNumber) => text(value, isNumber) && !isReference(value) && !UUID.test(value),
    isDeep: false,
  },
  {
    rule: 'api-key',
    triggers: [
      ...['api', 'access', 'signing', 'encryption', 'master', 'shared', 'account', 'hmac', 'auth', 'symmetric'],
      ...['session', 'deploy', 'webhook', 'pass'],
    ].flatMap((kind) =>
      ['', 's', 'value', 'svalue', 'plaintext', 'splaintext'].map((suffix) => `${kind}key${suffix}$`),
    ),
    names:
      /(?:api|access|signing|encryption|master|shared|account|hmac|auth|symmetric|session|deploy|webhook|pass)keys?(?:value|plaintext)?$/,
    isSecret: (value, isNumber) => !isNumber && value.length >= 4 && !isReference(value) && !UUID.test(value),
    isDeep: false,
  },
  {
    rule: 'authorization',
    triggers: ['authorization":"', 'authorization","', 'authorization"}', 'authorizationheader'],
    names: /^(?:http)?(?:x|proxy|xforwarded)?authorization(?:header)?$/,
    isSecret: (value, isNumber) => !isNumber && isCredentials(value),
    isDeep: false,
  },
  {
    rule: 'cookie',
    triggers: ['cookie', 'sessid', 'jsessionid', 'connectsid'],
    names:
      /^(?:http|x)?(?:set|session|auth|request|response)?cookies?2?(?:value|string|header)?$|^(?:phpsessid|jsessionid|connectsid)$/,
    isSecret: (value, isNumber) => !isNumber && value.length >= 4,
    isDeep: true,
  },
];

/** What is said about tokens, such as `httpTokens: optional`. */
const STATES =
  /^(?:optional|required|enabled|disabled|valid|invalid|expired|revoked|present|absent|missing|active|inactive|unknown)$/i;
const UUID = /^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/;

/** The form in which names are compared. */
export function plainName(name: string): string {
  return name
    .slice(-MAX_NAME_TAIL)
    .toLowerCase()
    .replace(/[\s_.\-[\]]|\P{ASCII}/gu, '')
    .replace(/[^a-z0-9]+$/, '');
}

/** The rule for members of this name, if there is one. */
export function memberRule(name: string): MemberRule | undefined {
  const plain = plainName(name);
  return MEMBER_RULES.find(({ names }) => names.test(plain));
}

/** The rule for what a path leads to: its last step that is not an index or a word for "value". */
export function ruleOfPath(path: string): MemberRule | undefined {
  const steps = path
    .slice(-MAX_PATH_TAIL)
    .split('/')
    .filter((step) => step !== '' && !/^\d+$/.test(step));
  while (steps.length > 1 && VALUE_MEMBERS.has(plainName(steps.at(-1) ?? ''))) steps.pop();
  const last = steps.at(-1);
  return last === undefined ? undefined : memberRule(last);
}

/** Characters at the end of a name or path that are looked at. */
const MAX_NAME_TAIL = 128;
const MAX_PATH_TAIL = 512;
