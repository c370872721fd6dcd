/**
 * Redaction against whatever may come: the first look misses nothing, twice is once, no card survives, nothing takes long.
 * fast-check prints the seed of a failure.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { isCardNumber } from '../../src/events/redact/cards.ts';
import { MEMBER_RULES } from '../../src/events/redact/member-rules.ts';
import { makeRedactor } from '../../src/events/redact/redact.ts';
import { compileSuspicion } from '../../src/events/redact/suspicion.ts';
import { textRules } from '../../src/events/redact/text-rules.ts';
import { NameCache, type Rules, walk } from '../../src/events/redact/walk.ts';

const redactor = makeRedactor();
const inText = textRules(() => false);
const rules: Rules = {
  suspects: compileSuspicion([...inText, ...MEMBER_RULES].flatMap(({ triggers }) => triggers)),
  textRules: inText,
  isAllowedCard: () => false,
  names: new NameCache(),
};
const withoutFirstLook: Rules = { ...rules, suspects: () => true };

const CARDS = ['4111111111111111', '5555555555554444', '378282246310005', '30569309025904', '4222222222222'];
const WORDS = [
  ...['password', 'passwd', 'pwd', 'passphrase', 'secret', 'client_secret', 'token', 'access_token', 'nextToken'],
  ...[
    'api_key',
    'apiKey',
    'X-Api-Key',
    'private_key',
    'signingKey',
    'cvv',
    'cvc2',
    'pin',
    'pin_block',
    'track2',
    'otp',
  ],
  ...['cookie', 'Set-Cookie', 'authorization', 'Authorization', 'Bearer', 'Basic', 'Digest', 'session', 'sessionid'],
  ...[
    'JSESSIONID',
    'AccountKey',
    'aws_secret_access_key',
    'path',
    'name',
    'value',
    'before',
    'after',
    'roles',
    'method',
  ],
  ...[
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCd',
    'security code',
    'pass',
    'pw',
    '--password',
    '--token',
  ],
];
const VALUES = [
  ...['hunter2', 'dXNlcjpwYXNz', 'a1B2c3D4e5F6g7H8i9J0', 'x', 'true', '***', '123', '1234', '203.0.113.40'],
  ...[
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln',
    `ghp_${'a1'.repeat(18)}`,
    `AKIA${'A2'.repeat(8)}`,
    'aB3/'.repeat(10),
  ],
  ...[
    `-----BEGIN ${'PRIVATE'} KEY-----`,
    '-----END',
    'postgres://u:p@h/d',
    'sid=abc; a=b',
    'optional',
    'BEGIN',
    '/password',
  ],
];
const JOINTS = [
  ...[
    ' ',
    '',
    '=',
    ':',
    ': ',
    '": "',
    '"',
    "'",
    ' = ',
    '-',
    '.',
    '_',
    '/',
    '&',
    ';',
    ',',
    '\n',
    '\r\n',
    '\\n',
    '%20',
    '%3D',
  ],
  ...[
    '%2D',
    '&nbsp;',
    '&#45;',
    '&#x20;',
    '\u200b',
    '\u00ad',
    '\u00a0',
    '\u2011',
    '\\u0020',
    '@',
    '://',
    '[',
    ']',
    '>',
    '</',
    '^',
    '?',
  ],
  ...['+', '|', '*', '~', '(', ')', '{', '}', '\u0661', '\uff14', '\u{1d7d2}', 'é', '漢'],
];

const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 21 }).map((list) => list.join(''));
const splitCard = fc
  .tuple(
    fc.constantFrom(...CARDS),
    fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(...JOINTS)), { maxLength: 5 }),
  )
  .map(([card, cuts]) => {
    let rest = card;
    let out = '';
    for (const [length, joint] of cuts) {
      out += rest.slice(0, length) + joint;
      rest = rest.slice(length);
    }
    return out + rest;
  });
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...WORDS),
      fc.constantFrom(...VALUES),
      fc.constantFrom(...JOINTS),
      splitCard,
      digits,
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 10 },
  )
  .map((parts) => parts.join('').toWellFormed());
const name = fc.oneof(fc.constantFrom(...WORDS), text);
const json: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    text,
    fc.constantFrom(...VALUES),
    fc.constantFrom<JsonValue>(null, true, 1, 123, 1234, 4111111111111111, 1736347927123456, 0.5555555555554444),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  ),
})).value;

const RUNS = { numRuns: 1_500 };

describe('redaction (the seed is printed on failure)', () => {
  it('finds with the first look whatever the rules find without it', () => {
    fc.assert(
      fc.property(json, (value) => {
        const all = walk(value, withoutFirstLook);
        if (all.replacements.length > 0) expect(rules.suspects(canonicalJson(value))).toBe(true);
        expect(walk(value, rules)).toEqual(all);
      }),
      RUNS,
    );
  });

  it('is the same done twice, and says nothing the second time', () => {
    fc.assert(
      fc.property(json, (value) => {
        const once = redactor.redactValue(value);
        const twice = redactor.redactValue(once.value);
        expect(twice).toEqual({ value: once.value, replacements: [] });
        expect(twice.value).toBe(once.value);
      }),
      RUNS,
    );
  });

  it('says nothing exactly if nothing changed', () => {
    fc.assert(
      fc.property(json, (value) => {
        const { value: out, replacements } = redactor.redactValue(value);
        expect(canonicalJson(out) === canonicalJson(value)).toBe(replacements.length === 0);
      }),
      RUNS,
    );
  });

  it('leaves no card number behind, however it is spaced', () => {
    // Not the dot: four numbers with dots between them may be an address.
    const separator = fc.constantFrom('', ' ', '-', ' - ', '\u00a0', '\u2013', '\u200b', '%20', '&nbsp;', '_', '+');
    const spaced = fc
      .tuple(fc.constantFrom(...CARDS), fc.array(separator, { minLength: 19, maxLength: 19 }))
      .map(([card, between]) => [...card].map((digit, i) => digit + (i < card.length - 1 ? between[i] : '')).join(''));
    const prose = fc.constantFrom('', 'card ', 'a, ', '(', 'x="', 'PAN:', '7: ');
    fc.assert(
      fc.property(prose, spaced, fc.constantFrom('', '.', ')', '" y', ', exp'), (before, card, after) => {
        const out = redactor.redactText(before + card + after);
        expect(out).toMatch(/\[redacted:card-number(?::\d{4})?\]/);
        const left = out
          .replace(/\[redacted:card-number(?::\d{4})?\]/g, '')
          .replace(/%20/g, '')
          .replace(/\D/g, '');
        expect(left.length).toBeLessThanOrEqual(1);
      }),
      RUNS,
    );
  });

  it('keeps at most four digits of a card', () => {
    fc.assert(
      fc.property(text, (input) => {
        for (const run of redactor.redactText(input).match(/(?<![\dA-Za-z+.])\d{13,19}(?![\dA-Za-z.])/g) ?? []) {
          expect(isCardNumber(run), run).toBe(false);
        }
      }),
      RUNS,
    );
  });
});

describe('time (patterns are linear)', () => {
  /** Half of the largest event; a quadratic pattern takes far longer than the bound for it, a linear one far shorter. */
  const CHARACTERS = 32_768;
  const MAX_CPU_MS = 1_500;
  const hostile = [
    ...WORDS,
    ...VALUES,
    ...JOINTS,
    ...CARDS,
    '4',
    '41',
    '1 ',
    'a',
    'A',
    'eyJ',
    'eyJa.',
    '<',
    '<a',
    '%',
    '%4',
    '&#',
    '&a',
  ]
    .filter((part) => part !== '')
    .flatMap((part) => [part, `${part} `, `${part}=`]);

  it.each([
    ['repeated', (part: string): string => part.repeat(Math.ceil(CHARACTERS / part.length)).slice(0, CHARACTERS)],
    [
      'repeated, and an end that fits nothing',
      (part: string): string => `password=${part.repeat(CHARACTERS / 16).slice(0, CHARACTERS)}\u0001!`,
    ],
  ])(
    'is short for every hostile part %s',
    (_how, build) => {
      let slowest = { part: '', ms: 0 };
      for (const part of hostile) {
        const before = process.cpuUsage();
        for (const { apply } of inText) apply(build(part));
        const { user, system } = process.cpuUsage(before);
        const ms = (user + system) / 1_000;
        if (ms > slowest.ms) slowest = { part, ms };
      }
      expect(slowest.ms, `${JSON.stringify(slowest.part)} took ${slowest.ms} ms`).toBeLessThan(MAX_CPU_MS);
    },
    600_000,
  );
});
