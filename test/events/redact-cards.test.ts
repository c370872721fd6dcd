/** Card numbers: every disguise that a log line or a form gives them, and the digits that only look alike. */
import { describe, expect, it } from 'vitest';
import { isCardNumber } from '../../src/events/redact/cards.ts';
import { makeRedactor } from '../../src/events/redact/redact.ts';

const redactor = makeRedactor();
const redacted = (text: string): string => redactor.redactText(text);

const VISA = '4111111111111111';
const NUMBERS: readonly (readonly [network: string, digits: string])[] = [
  ['Visa', VISA],
  ['Visa of 13 digits', '4222222222222'],
  ['Visa of 19 digits', '4917610000000000003'],
  ['Mastercard', '5555555555554444'],
  ['Mastercard of the 2 series', '2223003122003222'],
  ['American Express', '378282246310005'],
  ['Discover', '6011111111111117'],
  ['Diners Club', '30569309025904'],
  ['Diners Club of 36', '36227206271667'],
  ['JCB', '3530111333300000'],
  ['UnionPay', '6200000000000005'],
  ['UnionPay of 19 digits', '6205500000000000004'],
  ['Maestro', '6759649826438453'],
  ['Mir', '2200000000000004'],
];

describe('card numbers of every network', () => {
  it.each(NUMBERS)('replaces a number of %s and keeps its last four digits', (_network, digits) => {
    expect(isCardNumber(digits)).toBe(true);
    expect(redacted(`paid with ${digits} today`)).toBe(`paid with [redacted:card-number:${digits.slice(-4)}] today`);
  });

  it.each(NUMBERS)('leaves a number of %s alone when one digit is another', (_network, digits) => {
    const last = (Number(digits.at(-1)) + 1) % 10;
    const wrong = digits.slice(0, -1) + last;
    expect(redacted(`order ${wrong}`)).toBe(`order ${wrong}`);
  });
});

describe('card numbers in disguise', () => {
  const spellings: readonly string[] = [
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    '4111.1111.1111.1111',
    '4111_1111_1111_1111',
    '4111/1111/1111/1111',
    '4111 - 1111 - 1111 - 1111',
    '4111 1111-1111.1111',
    '41111111 11111111',
    '4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
    '4111\u00a01111\u00a01111\u00a01111',
    '4111\u20111111\u20131111\u20141111',
    '4111\t1111\n1111\r\n1111',
    '4111\u200b1111\u200b1111\u200b1111',
    '4\u200d1\u200d1\u200d1\u200d1111\ufeff11111111',
    '4111\u00ad1111\u20601111\u200e1111',
    '4111&nbsp;1111&nbsp;1111&nbsp;1111',
    '4111&#32;1111&#x20;1111&#45;1111',
    '&#52;&#49;&#49;&#49;111111111111',
    '&#x34;&#x31;&#x31;&#x31;111111111111',
    '&#52&#49&#49&#49111111111111'.replace('&#49111', '&#49;111'),
    '4111&amp;nbsp;1111&amp;nbsp;1111&amp;nbsp;1111',
    '4111&ZeroWidthSpace;111111111111',
    '4111%201111%201111%201111',
    '4111%2D1111%2d1111%2D1111',
    '4111%C2%A01111%E2%80%8B1111%E2%80%931111',
    '%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31',
    '%2534%2531%2531%2531111111111111',
    '4111+1111+1111+1111',
    '\\u0034111111111111111',
    '4111\\u00201111\\u00201111\\u00201111',
    '４１１１１１１１１１１１１１１１',
    '٤١١١١١١١١١١١١١١١',
    '४१११ ११११ ११११ ११११',
    '\u{1d7d2}\u{1d7cf}\u{1d7cf}\u{1d7cf}111111111111',
  ];

  it.each(spellings)('finds %j', (spelling) => {
    const out = redacted(`card ${spelling}, thanks`);
    expect(out).toContain('[redacted:card-number:1111]');
    expect(out.replace('[redacted:card-number:1111]', '')).not.toMatch(/\d|[٤١४१４１]/u);
  });

  it.each([
    'PAN4111111111111111',
    'card:4111111111111111',
    '"4111111111111111"',
    '(4111111111111111)',
    'pan=4111111111111111&x=1',
    '<pan>4111111111111111</pan>',
    'https://example.com/pay?card=4111111111111111',
    "('4111111111111111')",
    'a,4111111111111111,b',
    'req_4111111111111111',
  ])('finds one inside %j', (text) => {
    expect(redacted(text)).toBe(text.replace(VISA, '[redacted:card-number:1111]'));
  });

  it('finds several in one text and keeps what is between them', () => {
    expect(redacted('from 4111 1111 1111 1111 to 5555-5555-5555-4444.')).toBe(
      'from [redacted:card-number:1111] to [redacted:card-number:4444].',
    );
  });

  it('finds one after other digits that are groups of their own', () => {
    expect(redacted('7 4111 1111 1111 1111')).toBe('7 [redacted:card-number:1111]');
  });

  it('takes the verification code that follows number and date', () => {
    expect(redacted('4111 1111 1111 1111 12/28 123')).toBe('[redacted:card-number:1111] 12/28 [redacted:card-cvv]');
    expect(redacted('4111111111111111,12/2028,123')).toBe('[redacted:card-number:1111],12/2028,[redacted:card-cvv]');
    expect(redacted('4111111111111111 exp 12/28 cvv 999')).toBe(
      '[redacted:card-number:1111] exp 12/28 cvv [redacted:card-cvv]',
    );
  });

  it('keeps the text as it was written when nothing is hidden in its encoding', () => {
    for (const text of ['a%20b%20c', '&lt;b&gt;', 'line\\nline', '1234567890123%20x', 'na\u200bme']) {
      expect(redacted(text)).toBe(text);
    }
  });
});

describe('digits that are not a card', () => {
  it.each([
    ['a time', '2026-01-08T14:32:07.123456Z'],
    ['a time with a space', '2026-01-08 14:32:07.123456+02:00'],
    ['microseconds of the epoch', '1736347927123456'],
    ['nanoseconds of the epoch', '1736347927123456789'],
    ['an AWS account', '123456789012'],
    ['an ARN', 'arn:aws:iam::411111111111:user/bob'],
    ['a UUID of many digits', '41111111-1111-4111-8111-111111111111'],
    ['a ULID', '01JH2K8Q9R3W5T7V9X1Z3B5D7F'],
    ['a SHA-256', '9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e'],
    ['a piece of a hash', 'a4111111111111111b2'],
    ['IP addresses', '34.102.136.180 34.102.136.181 51.15.23.12'],
    ['a phone number', '+49 151 23456786'],
    ['a phone number that passes Luhn', '+4222222222222'],
    ['a decimal fraction', '0.4111111111111111'],
    ['a fraction of a number', '3.5555555555554444'],
    ['a version', 'aws-sdk-go/1.44.157 (go1.19.3; linux; amd64)'],
    ['a run that is too long', '41111111111111110000'],
    ['a generated name', 'terraform-20230710121504061500000001'],
    ['a role session of AWS', 'MandoService364061179539770931'],
    ['zeros', '0000000000000000'],
    ['a number of no issuer', '1234567812345670'],
  ])('leaves %s alone', (_what, text) => {
    expect(redacted(text)).toBe(text);
    expect(redactor.redactValue({ value: text }).replacements).toEqual([]);
  });

  it('leaves the ids of traces alone, which are decimal numbers of the same length', () => {
    const trace = '4917610000000000003';
    expect(redactor.redactValue({ trace_id: trace, 'dd.trace_id': trace, correlation_id: trace }).replacements).toEqual(
      [],
    );
    expect(redactor.redactValue({ note: trace }).replacements).toHaveLength(1);
    expect(redactor.redactValue({ trace_id: VISA }).replacements).toHaveLength(1);
  });
});

describe('card numbers that are not strings', () => {
  it('replaces a JSON number by text', () => {
    expect(redactor.redactValue({ pan: 4111111111111111, n: [5555555555554444, 12, 1.5] })).toEqual({
      value: { pan: '[redacted:card-number:1111]', n: ['[redacted:card-number:4444]', 12, 1.5] },
      replacements: [
        { pointer: '/pan', rule: 'card-number' },
        { pointer: '/n/0', rule: 'card-number' },
      ],
    });
  });

  it('redacts member names, tells them apart, and never shows them in a pointer', () => {
    const { value, replacements } = redactor.redactValue({
      '4111111111111111': 1,
      '4111-1111-1111-1111': 2,
      x: { '5555 5555 5555 4444': 4111111111111111 },
    });
    expect(value).toEqual({
      '[redacted:card-number:1111]': 1,
      '[redacted:card-number:1111]#2': 2,
      x: { '[redacted:card-number:4444]': '[redacted:card-number:1111]' },
    });
    expect(replacements.map(({ pointer }) => pointer)).toEqual([
      '/[redacted:card-number:1111]',
      '/[redacted:card-number:1111]#2',
      '/x/[redacted:card-number:4444]',
      '/x/[redacted:card-number:4444]',
    ]);
  });
});

describe('verification codes, PINs and tracks', () => {
  it.each([
    ['cvv', '123'],
    ['cvv2', 1234],
    ['CVC', '999'],
    ['card_cvc', '123'],
    ['securityCode', '1234'],
    ['card_security_code', '123'],
    ['cardVerificationValue', '123'],
  ])('replaces the member %s', (name, value) => {
    expect(redactor.redactValue({ [name]: value }).value).toEqual({ [name]: '[redacted:card-cvv]' });
  });

  it.each(['cvv: 123', 'CVV=1234', 'cvc 123', 'CVV2 is 123', 'security code: 123', '"cvv":"123"', '<cvv>123</cvv>'])(
    'replaces the code in %j',
    (text) => {
      expect(redacted(`x ${text} y`)).not.toMatch(/\d{3}/);
    },
  );

  it('keeps what is said about a code', () => {
    const value = { cvv_result: 'M', cvc_check: 'pass', cvv_present: true, cvv: null };
    expect(redactor.redactValue(value).value).toBe(value);
  });

  it('replaces PINs and PIN blocks, and no other pins', () => {
    const { value } = redactor.redactValue({ pin: '1234', card_pin: 4321, pinBlock: '0412AC89ABCDEF67', pinned: true });
    expect(value).toEqual({
      pin: '[redacted:card-pin]',
      card_pin: '[redacted:card-pin]',
      pinBlock: '[redacted:card-pin]',
      pinned: true,
    });
    const board = { pin: 'thread-7', pincode: '560001', mapping: '1234' };
    expect(redactor.redactValue(board).value).toBe(board);
  });

  it.each([
    '%B4111111111111111^DOE/JANE^25121011234567890000?',
    'B4111 1111 1111 1111^DOE/JANE^2512101',
    ';4111111111111111=25121011234567890000?',
    '4111111111111111=25121011234567890000',
    '4111111111111111D25121011234567890000',
  ])('replaces the track %j as a whole', (track) => {
    expect(redacted(`swiped ${track} ok`)).toBe('swiped [redacted:card-track] ok');
  });

  it('replaces track members', () => {
    expect(redactor.redactValue({ track2: 'abc', track_data: 'x', magstripe: 'y', soundtrack: 'z' }).value).toEqual({
      track2: '[redacted:card-track]',
      track_data: '[redacted:card-track]',
      magstripe: '[redacted:card-track]',
      soundtrack: 'z',
    });
  });
});

describe('the allow list of test numbers', () => {
  it('lets exactly the listed numbers through, in any spelling', () => {
    const allowing = makeRedactor(new Set(['9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e']));
    expect(allowing.redactText('4111-1111-1111-1111')).toBe('4111-1111-1111-1111');
    expect(allowing.redactValue({ n: 4111111111111111 }).replacements).toEqual([]);
    expect(allowing.redactText('5555555555554444')).toBe('[redacted:card-number:4444]');
    expect(allowing.redactText('4111111111111111=25121011234567890000')).not.toBe('');
    expect(allowing.version).not.toBe(redactor.version);
  });
});
