/**
 * Card numbers (PANs) in plain text: 13 to 19 digits, alone or in groups with separators between them, that begin as an
 * issuer's numbers do, have the length that this issuer uses, and pass the Luhn check (ISO/IEC 7812).
 *
 * Groups are taken whole: a number is made of neighbouring groups and never begins inside one, so that digits of long
 * identifiers are left alone. UUIDs, dotted IP addresses, decimal fractions, phone numbers that begin with a plus
 * sign, and digits within hashes are not looked at.
 */

export interface CardSpan {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Absent where two readings overlap and it is not clear which four digits are the last. */
  readonly lastFour?: string;
}

export const MIN_CARD_DIGITS = 13;
export const MAX_CARD_DIGITS = 19;
/** Characters between two groups of one number, such as " - ". */
const MAX_SEPARATORS = 3;
/** International phone numbers (ITU-T E.164). */
const MAX_PHONE_DIGITS = 15;
/** Letters beside a number that are looked at to tell `PAN4111…` from a piece of a hash. */
const MAX_LETTERS = 32;

/** All card numbers of a text, in order and without overlap. `isAllowed` knows test numbers. Linear. */
export function findCards(text: string, isAllowed: (digits: string) => boolean): readonly CardSpan[] {
  const groups = groupsOf(text);
  const found: CardSpan[] = [];
  for (const [first, group] of groups.entries()) {
    for (const span of cardsFrom(text, groups, first, isAllowed)) {
      const last = found.at(-1);
      if (last !== undefined && group.start < last.end) {
        found[found.length - 1] = { start: last.start, end: Math.max(last.end, span.end) };
      } else {
        found.push(span);
      }
    }
  }
  return found;
}

/** Whether these digits alone are a card number. */
export function isCardNumber(digits: string): boolean {
  return hasIssuer(digits) && passesLuhn(digits);
}

interface Group {
  readonly start: number;
  readonly end: number;
  /** Only separators lie between this group and the next one. */
  readonly isJoined: boolean;
}

// Identifiers whose digits are never a card: UUIDs, dotted IPv4 addresses. Then runs of digits.
const TOKENS =
  /(?<![0-9A-Za-z])[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])|(?<![0-9.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![0-9.]\d|\d)|\d+/g;
const SEPARATORS = /^[\s\p{Pd}._\u00b7\u2022\u2212/+|~*]+$/u;

function groupsOf(text: string): readonly Group[] {
  const groups: Group[] = [];
  let pending: { start: number; end: number } | undefined;
  const flush = (next: number | undefined): void => {
    if (pending === undefined) return;
    const gap = next === undefined ? '' : text.slice(pending.end, next);
    groups.push({ ...pending, isJoined: gap.length <= MAX_SEPARATORS && SEPARATORS.test(gap) });
    pending = undefined;
  };
  for (const match of text.matchAll(TOKENS)) {
    const isDigits = /^\d+$/.test(match[0]);
    flush(isDigits ? match.index : undefined);
    if (isDigits) pending = { start: match.index, end: match.index + match[0].length };
  }
  flush(undefined);
  return groups;
}

function* cardsFrom(
  text: string,
  groups: readonly Group[],
  first: number,
  isAllowed: (digits: string) => boolean,
): Generator<CardSpan> {
  let digits = '';
  const start = groups[first]?.start ?? 0;
  for (let i = first; ; i++) {
    const group = groups[i];
    if (group === undefined || digits.length + group.end - group.start > MAX_CARD_DIGITS) return;
    digits += text.slice(group.start, group.end);
    const span = { start, end: group.end, lastFour: digits.slice(-4) };
    if (isCardNumber(digits) && stands(text, span, digits.length, i === first) && !isAllowed(digits)) yield span;
    if (!group.isJoined) return;
  }
}

/** What is around the number tells it from a phone number, a fraction, or a piece of something longer. */
function stands(text: string, { start, end }: CardSpan, digitCount: number, isOneGroup: boolean): boolean {
  if (text[start - 1] === '+' && digitCount <= MAX_PHONE_DIGITS && !/[0-9A-Za-z]/.test(text[start - 2] ?? '')) return false;
  if (isOneGroup && (/\d\.$/.test(text.slice(start - 2, start)) || /^\.\d/.test(text.slice(end, end + 2)))) return false;
  return !/\d[A-Za-z]+$/.test(text.slice(Math.max(0, start - MAX_LETTERS), start)) &&
    !/^[A-Za-z]+\d/.test(text.slice(end, end + MAX_LETTERS));
}

/** Sum of the digits, every second from the right doubled, divisible by ten (ISO/IEC 7812-1 annex B). */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 0x30;
    const weighted = i % 2 === 0 ? digit : digit * 2;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}

/** First and last leading digits of a range of issuers, and the lengths of their numbers. */
type Issuer = readonly [from: string, to: string, minDigits: number, maxDigits: number];

/** ISO/IEC 7812 issuer identification numbers as the networks publish them. */
const ISSUERS: readonly Issuer[] = [
  ['34', '34', 15, 15], // American Express
  ['37', '37', 15, 15],
  ['4', '4', 13, 13], // Visa
  ['4', '4', 16, 16],
  ['4', '4', 19, 19],
  ['51', '55', 16, 16], // Mastercard
  ['2221', '2720', 16, 16],
  ['6011', '6011', 16, 19], // Discover
  ['644', '659', 16, 19],
  ['300', '305', 14, 19], // Diners Club
  ['3095', '3095', 14, 19],
  ['36', '36', 14, 19],
  ['38', '39', 14, 19],
  ['3528', '3589', 16, 19], // JCB
  ['62', '62', 16, 19], // UnionPay
  ['81', '82', 16, 19], // UnionPay, RuPay
  ['508', '508', 16, 16], // RuPay
  ['60', '60', 16, 16],
  ['2200', '2204', 16, 19], // Mir
  ['5018', '5018', 13, 19], // Maestro
  ['5020', '5020', 13, 19],
  ['5038', '5038', 13, 19],
  ['5893', '5893', 13, 19],
  ['6304', '6304', 13, 19],
  ['6759', '6759', 13, 19],
  ['6761', '6763', 13, 19],
  ['9792', '9792', 16, 16], // Troy
  ['5019', '5019', 16, 16], // Dankort
  ['504175', '504175', 16, 16], // Elo
  ['506', '509', 16, 16],
  ['627780', '627780', 16, 16],
  ['636', '639', 13, 19], // Elo, Hiper, InstaPayment, Maestro
  ['384100', '384160', 19, 19], // Hipercard
];

function hasIssuer(digits: string): boolean {
  return ISSUERS.some(([from, to, min, max]) => {
    const leading = digits.slice(0, from.length);
    return leading >= from && leading <= to && digits.length >= min && digits.length <= max;
  });
}
