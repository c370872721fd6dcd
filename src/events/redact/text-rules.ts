/**
 * Rules for what a string holds: each is a pattern, what it puts in place of a match, and the literals without which it
 * cannot match (suspicion.ts looks for those first). Order matters: what holds other secrets comes before them.
 *
 * Every pattern is linear: it begins with a literal or a bounded run, and no two neighbouring repeats can share a
 * character. test/events/redact-fuzz.test.ts holds them to it.
 */
import { Buffer } from 'node:buffer';
import { findCards, isCardNumber } from './cards.ts';
import { isPlaceholder, marker } from './marker.ts';
import type { RedactionRule } from './types.ts';

export interface TextRule {
  readonly rule: RedactionRule;
  /** See suspicion.ts for how literals are written. */
  readonly triggers: readonly string[];
  readonly apply: (text: string) => string;
}

/** All rules, in the order in which they are applied. `isAllowedCard` knows test numbers. */
export function textRules(isAllowedCard: (digits: string) => boolean): readonly TextRule[] {
  return [
    ...KEY_RULES,
    ...cardTrackRules(isAllowedCard),
    ...HEADER_RULES,
    ...CLOUD_RULES,
    ...INLINE_RULES,
    { rule: 'card-number', triggers: [], apply: (text) => redactCards(text, isAllowedCard) },
  ];
}

/** A rule that replaces whole matches. */
function whole(rule: RedactionRule, triggers: readonly string[], pattern: RegExp): TextRule {
  return { rule, triggers, apply: (text) => text.replace(pattern, marker(rule)) };
}

/** A rule that keeps group 1 and replaces group 2, if that is a secret. */
function afterLabel(
  rule: RedactionRule,
  triggers: readonly string[],
  pattern: RegExp,
  isSecret: (value: string, label: string) => boolean = () => true,
): TextRule {
  const apply = (text: string): string =>
    text.replace(pattern, (match: string, label: string, value: string) =>
      isPlaceholder(value) || !isSecret(value, label) ? match : label + marker(rule),
    );
  return { rule, triggers, apply };
}

const KEY_RULES: readonly TextRule[] = [
  // RFC 7468, OpenSSH and PGP; a block that was cut off goes to the end of the text.
  whole(
    'private-key',
    ['privatekey'],
    /-----BEGIN[ A-Z0-9]{0,32}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----END)[\s\S])*(?:-----END[^-]{0,64}-----)?/gi,
  ),
  whole('private-key', ['privatelines'], /Private-Lines:[^\S\n]*\d+(?:\r?\n[A-Za-z0-9+/=]+)*/gi),
  // C2SP signed-note signer keys, age identities.
  whole('private-key', ['private+key'], /PRIVATE\+KEY\+[^\s+]{1,256}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+/g),
  whole('private-key', ['agesecretkey'], /AGE-SECRET-KEY-[A-Z0-9-]{20,}/gi),
];

/** ISO/IEC 7813: track 1 `%B<PAN>^NAME^…?`, track 2 `;<PAN>=…?`. Without sentinels the number has to be a card's. */
function cardTrackRules(isAllowedCard: (digits: string) => boolean): readonly TextRule[] {
  const track2 = /(;?)(?<!\d)(\d{13,19})[=D](\d{7,40})(\??)/g;
  return [
    // Digits in the PAN trigger both, so they need no literal.
    whole('card-track', [], /%?[Bb](?:\d[ -]?){13,19}\^[^^\r\n]{2,40}\^[0-9^ ]{3,100}[0-9^]\??/g),
    {
      rule: 'card-track',
      triggers: [],
      apply: (text) =>
        text.replace(track2, (match: string, begin: string, digits: string, _rest: string, end: string) => {
          const isTrack = (begin === ';' && end === '?') || (isCardNumber(digits) && !isAllowedCard(digits));
          return isTrack ? marker('card-track') : match;
        }),
    },
  ];
}

const JWT = /(?<![A-Za-z0-9_-]\.?)eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}/g;
/** Names of authentication schemes whose credentials are one word (RFC 9110 §11.2, token68), and of those with parameters. */
const WORD_SCHEMES = 'basic|bearer|negotiate|ntlm|token|api-?key|sharedkey(?:lite)?|aws|splunk|dpop';
const LIST_SCHEMES = 'digest|aws4-hmac-sha256|hawk|hoba|mutual|oauth|vapid|signature';
const SCHEME = new RegExp(`^(?:${WORD_SCHEMES}|${LIST_SCHEMES})$`, 'i');
const CREDENTIALS = new RegExp(`^\\s*(?:${WORD_SCHEMES}|${LIST_SCHEMES})\\s+\\S`, 'i');
const AUTHORIZATION = `authorization(?:"[^\\S\\r\\n]{0,4}:[^\\S\\r\\n]{0,4}"|'?[^\\S\\r\\n]{0,4}[:=][^\\S\\r\\n]{0,4}["']?)`;
/** Not `authorization"` alone: nearly every event has a member of that name. */
const AUTHORIZATION_TRIGGERS = ['authorization:', 'authorization=', 'authorization":"', "authorization'"];

const HEADER_RULES: readonly TextRule[] = [
  afterLabel(
    'authorization',
    AUTHORIZATION_TRIGGERS,
    new RegExp(`(${AUTHORIZATION}(?:${LIST_SCHEMES})[^\\S\\r\\n]{1,4})([^\\s[][^\\r\\n]*)`, 'gi'),
  ),
  afterLabel(
    'authorization',
    AUTHORIZATION_TRIGGERS,
    new RegExp(`(${AUTHORIZATION}(?:(?:${WORD_SCHEMES})[^\\S\\r\\n]{1,4})?)([^\\s"',;[]+)`, 'gi'),
    (value, label) => !SCHEME.test(value) && !PROSE.test(value) && (/[a-z0-9]\s+$/i.test(label) || isRandom(value)),
  ),
  whole('jwt', ['eyj'], JWT),
  // In lower case, and before a plain word, it may be the bearer of something else.
  afterLabel(
    'token',
    ['bearer'],
    /(\bbearer["':=]{0,2}[^\S\r\n]{1,4})([A-Za-z0-9._~+/=-]{8,})/gi,
    (value, label) => /[0-9]/.test(value) || value.length >= 32 || (label.startsWith('B') && !PROSE.test(value)),
  ),
  afterLabel('authorization', ['basic'], /(\bbasic[^\S\r\n]{1,4})([A-Za-z0-9+/]{8,}={0,2})/gi, isBasicCredential),
  afterLabel(
    'cookie',
    ['cookie:'],
    /((?:set-)?cookie2?["']?[^\S\r\n]{0,4}:[^\S\r\n]{0,4}["']?)([^=;\s"'[]{1,128}=[^\r\n"']+)/gi,
  ),
  afterLabel(
    'cookie',
    ['sessid', 'jsessionid', 'sessionid=', 'aspnet', 'connectsid', 'sessioncookie='],
    /((?:PHPSESSID|JSESSIONID|ASP\.NET_SessionId|ASPSESSIONID[A-Z]{0,12}|\.ASPXAUTH|connect\.sid|sessionid|session_cookie)=)([^\s;"'&[]+)/gi,
  ),
  // suspicion.ts looks for the @ after the slashes.
  afterLabel(
    'url-credentials',
    [],
    /((?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,24}:\/\/[^\s/:@?#"'<>]{0,256}:)([^\s/@"'<>]{1,256})(?=@)/g,
  ),
];

/** Tokens that say what they are. Each prefix is its issuer's own. */
const KNOWN_TOKENS: readonly (readonly [trigger: string, pattern: string])[] = [
  ['ghp', 'ghp_[A-Za-z0-9]{30,255}'],
  ['gho', 'gho_[A-Za-z0-9]{30,255}'],
  ['ghu', 'ghu_[A-Za-z0-9]{30,255}'],
  ['ghs', 'ghs_[A-Za-z0-9]{30,255}'],
  ['ghr', 'ghr_[A-Za-z0-9]{30,255}'],
  ['githubpat', 'github_pat_[A-Za-z0-9_]{22,255}'],
  ['glpat', 'glpat-[A-Za-z0-9_-]{20,255}'],
  ['xox', 'xox[abeoprs](?:\\.xox[abp])?-[A-Za-z0-9-]{10,255}'],
  ['xapp', 'xapp-[0-9]-[A-Za-z0-9-]{10,255}'],
  ['hooksslackcom/', 'hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/_-]{20,255}'],
  ['aiza', 'AIza[A-Za-z0-9_-]{35}'],
  ['ya29', 'ya29\\.[A-Za-z0-9_-]{20,2048}'],
  ['gocspx', 'GOCSPX-[A-Za-z0-9_-]{20,64}'],
  ['sklive', 'sk_live_[A-Za-z0-9]{10,255}'],
  ['sktest', 'sk_test_[A-Za-z0-9]{10,255}'],
  ['rklive', 'rk_live_[A-Za-z0-9]{10,255}'],
  ['rktest', 'rk_test_[A-Za-z0-9]{10,255}'],
  ['whsec', 'whsec_[A-Za-z0-9+/=]{20,255}'],
  ['npm', 'npm_[A-Za-z0-9]{36}'],
  ['pypi', 'pypi-[A-Za-z0-9_-]{50,512}'],
  ['dopv1', 'dop_v1_[0-9a-f]{64}'],
  ['hvs', 'hvs\\.[A-Za-z0-9_-]{20,512}'],
  ['hvb', 'hvb\\.[A-Za-z0-9_-]{20,512}'],
  ['skproj', 'sk-proj-[A-Za-z0-9_-]{20,255}'],
  ['skant', 'sk-ant-[A-Za-z0-9_-]{20,255}'],
  // Tokens of this log.
  ['csproducer', 'cs_producer_[A-Za-z0-9_-]{20,255}'],
  ['csauditor', 'cs_auditor_[A-Za-z0-9_-]{20,255}'],
  ['csadmin', 'cs_admin_[A-Za-z0-9_-]{20,255}'],
];

const CLOUD_RULES: readonly TextRule[] = [
  whole(
    'cloud-key',
    KNOWN_TOKENS.map(([trigger]) => trigger),
    new RegExp(`(?<![A-Za-z0-9])(?:${KNOWN_TOKENS.map(([, pattern]) => pattern).join('|')})`, 'g'),
  ),
  // An AWS secret key says nothing about itself; beside its access key id it is one. The id is an identifier
  // and stays. suspicion.ts looks for ids with enough after them.
  afterLabel(
    'cloud-key',
    [],
    /((?<![A-Z0-9])A[KS]IA[A-Z2-7]{12,124}[^A-Za-z0-9/+]{1,8}(?:[A-Za-z_ -]{1,40}[^A-Za-z0-9/+]{1,8})?)([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])/g,
    (value) => /[a-z]/.test(value) && /[A-Z]/.test(value),
  ),
  afterLabel(
    'cloud-key',
    ['accountkey=', 'sharedaccess', 'xamzsignature=', 'xamzsecurity', 'xgoogsignature=', 'sig='],
    /((?:AccountKey|SharedAccessKey|SharedAccessSignature|X-Amz-Signature|X-Amz-Security-Token|X-Goog-Signature|[?&]sig)=)([^\s&;,"'<>[]{16,})/gi,
  ),
];

/** Where an unquoted value ends: white space, quotes, brackets of markup, or a separator before the next `name=`. */
const VALUE = `(?:(?![&;,|]\\s?[\\w.-]{1,40}[=:])[^\\s"'\`<>]){1,8192}`;
const ASSIGNS = `["'\`\\])\\\\]{0,3}\\s{0,4}(?:=>|:=|==?|:)\\s{0,4}["'\`\\\\]{0,2}`;
const PASSWORD = `(?:passw(?:ord|d|ort)|passphrase|passcode|pwd)s?\\d{0,2}`;
const PASSWORD_TRIGGERS = ['passw', 'passphrase', 'passcode', 'pwd'];
/** `a:secret:b` is a step of a name, as in an ARN. */
const NOT_A_STEP = `(?<!:(?=[\\w.-]{1,40}:\\S))`;
const SECRET = `${NOT_A_STEP}(?:secret(?:[_ .-]?(?:access[_ .-]?)?key)?|(?:api|access|private|auth|signing|encryption|master)[_ .-]?key|passkey)`;
const SECRET_TRIGGERS = [
  'secret$',
  'secretkey$',
  'apikey$',
  'accesskey$',
  'privatekey',
  'authkey$',
  'signingkey$',
  'encryptionkey$',
  'masterkey$',
  'passkey$',
];
/** Tokens that continue a list or make a request idempotent open nothing. */
const TOKEN = `${NOT_A_STEP}(?<!(?:next|page|paging|pagination|continuation|client|request|sync|cursor)[_ .-]?)token`;

const INLINE_RULES: readonly TextRule[] = [
  // A quoted value may hold spaces.
  afterLabel(
    'password',
    PASSWORD_TRIGGERS,
    new RegExp(
      `(${PASSWORD}["'\`\\])\\\\]{0,3}\\s{0,4}(?:=>|:=|==?|:)\\s{0,4}\\\\?["'\`])([^"'\`\\r\\n\\\\]{1,1024})(?=\\\\?["'\`])`,
      'gi',
    ),
  ),
  afterLabel('password', PASSWORD_TRIGGERS, new RegExp(`(${PASSWORD}${ASSIGNS})(${VALUE})`, 'gi'), isPasswordText),
  afterLabel(
    'password',
    ['pass='],
    /((?<![A-Za-z])(?:[A-Za-z]{0,16}_)?pass=["'`]?)([^\s"'`<>&;,]{1,1024})/gi,
    (value) => !/^\d{1,4}$/.test(value),
  ),
  // Options of a command: two hyphens are suspicious by themselves.
  afterLabel(
    'password',
    [],
    /(--(?:[A-Za-z0-9]{1,20}-){0,3}(?:password|passwd|passphrase)\s{1,4}["'`]?)([^\s"'`-][^\s"'`]{0,1024})/gi,
  ),
  afterLabel('token', ['token$'], new RegExp(`(${TOKEN}${ASSIGNS})(${VALUE})`, 'gi'), isAssigned),
  afterLabel('secret', SECRET_TRIGGERS, new RegExp(`(${SECRET}${ASSIGNS})(${VALUE})`, 'gi'), isAssigned),
  afterLabel(
    'token',
    [],
    /(--(?:[A-Za-z0-9]{1,20}-){0,3}(?:token|secret|api-?key)\s{1,4}["'`]?)([^\s"'`-][^\s"'`]{5,1024})/gi,
    (value) => !isReference(value),
  ),
  // Elements of XML.
  afterLabel(
    'secret',
    [...PASSWORD_TRIGGERS, 'secret$', 'token$', 'apikey$', 'cvv', 'cvc'],
    /(<(?:[\w.-]{1,20}:)?[\w.-]{0,40}(?:password|passwd|passphrase|secret|(?<!next)token|api-?key|cv[vc]2?)>)([^<>]{1,8192})(?=<\/)/gi,
    (value) => !isReference(value),
  ),
  afterLabel(
    'card-cvv',
    ['cvv', 'cvc', 'cav2', 'cvn2', 'securitycode'],
    /((?<![A-Za-z])(?:cvv[12]?|cvc[12]?|cav2|cvn2|(?:card\s)?security[\s_-]code)(?:\s?(?:code|number|no\.?|is))?["'`\])]{0,2}\s{0,3}[:=#>-]{0,2}\s{0,3}["'`]?)(\d{3,4})(?!\d)/gi,
  ),
];

function redactCards(text: string, isAllowedCard: (digits: string) => boolean): string {
  const cards = findCards(text, isAllowedCard);
  if (cards.length === 0) return text;
  let out = '';
  let position = 0;
  for (const { start, end, lastFour } of cards) {
    out += text.slice(position, start) + marker('card-number', lastFour);
    position = end;
    // A card's date and verification code often follow its number.
    const after = AFTER_CARD.exec(text.slice(end, end + AFTER_CARD_CHARACTERS));
    if (after?.groups !== undefined) {
      out += (after.groups['date'] ?? '') + marker('card-cvv');
      position = end + after[0].length;
    }
  }
  return out + text.slice(position);
}

const AFTER_CARD_CHARACTERS = 40;
const AFTER_CARD =
  /^(?<date>[\s,;|:]{1,3}(?:exp[a-z]{0,8}[.:\s]{0,3})?(?:0[1-9]|1[0-2])[\s/.-]?(?:20)?\d{2}[\s,;|:]{1,3})\d{3,4}(?!\d)/i;

/** Not a word of prose: letters and digits together, or long. */
function isRandom(value: string): boolean {
  return (value.length >= 8 && /[0-9]/.test(value) && /[A-Za-z]/.test(value)) || value.length >= 24;
}

/** After an equals sign anything is a value; after a colon prose may follow. References and access key ids are none. */
function isAssigned(value: string, label: string): boolean {
  if (isReference(value)) return false;
  return /:\s{0,4}["'`\\]{0,2}$/.test(label) && !/:=/.test(label) ? isRandom(value) : value.length >= 4;
}

/** Words that follow "password:" or "Bearer" in a message about one. */
const PROSE =
  /^(?:required|missing|invalid|incorrect|expired|wrong|weak|empty|must|cannot|can't|is|was|has|too|not|no|changed|reset|updated|set|does|should|please|minimum|failed|ok|success|allow|deny|denied|authentication|authorization|credentials?|tokens?|scheme|header|format|unknown|unsupported|malformed)[.,;!]?$/i;

function isPasswordText(value: string, label: string): boolean {
  // A working directory, as shells call it.
  if (/pwd[^A-Za-z]*$/i.test(label) && /^(?:\/|[A-Za-z]:\\|~)/.test(value)) return false;
  return !(/[:>]\s{0,4}$/.test(label) && PROSE.test(value)) && !/^[)\]}.,;]+$/.test(value);
}

/** The name of a secret that is kept elsewhere, and the id of an AWS access key: both are identifiers. */
export function isReference(value: string): boolean {
  return /^(?:arn:aws|A[KS]IA[A-Z2-7]{12,}$|alias\/|projects\/)/.test(value);
}

/** The value of an Authorization header (RFC 9110 §11.4), also of a scheme that nobody knows. */
export function isCredentials(value: string): boolean {
  const [first = '', second, ...more] = value.trim().split(/\s+/, 3);
  if (CREDENTIALS.test(value)) return true;
  return more.length === 0 && (second === undefined ? first.length >= 20 : isRandom(second));
}

function isBasicCredential(value: string): boolean {
  const text = Buffer.from(value, 'base64').toString('latin1');
  return /^[\x20-\x7e]*:[\x20-\x7e\x80-\xff]*$/.test(text);
}
