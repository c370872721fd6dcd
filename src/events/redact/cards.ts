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
  return (
    digits.length >= MIN_CARD_DIGITS && digits.length <= MAX_CARD_DIGITS && passesLuhn(digits) && hasIssuer(digits)
  );
}

interface Group {
  readonly start: number;
  readonly end: number;
  /** Only separators lie between this group and the next one. */
  readonly isJoined: boolean;
}

// Identifiers whose digits are never a card: UUIDs, dotted IPv4 addresses. Then runs of digits.
const TOKENS =
  /(?<![0-9A-Za-z])[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])|(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\d|[._-]\d)|\d+/g;
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
    const isDigits = !/[-.]/.test(match[0]);
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
    if (isCardNumber(digits) && stands(text, start, group.end, digits.length, i === first) && !isAllowed(digits)) {
      yield { start, end: group.end, lastFour: digits.slice(-4) };
    }
    if (!group.isJoined) return;
  }
}

/** What is around the number tells it from a phone number, a fraction, or a piece of something longer. */
function stands(text: string, start: number, end: number, digitCount: number, isOneGroup: boolean): boolean {
  if (text[start - 1] === '+' && digitCount <= MAX_PHONE_DIGITS && !/[0-9A-Za-z]/.test(text[start - 2] ?? ''))
    return false;
  if (isOneGroup && (/\d\.$/.test(text.slice(start - 2, start)) || /^\.\d/.test(text.slice(end, end + 2))))
    return false;
  return (
    !/\d[A-Za-z]+$/.test(text.slice(Math.max(0, start - MAX_LETTERS), start)) &&
    !/^[A-Za-z]+\d/.test(text.slice(end, end + MAX_LETTERS))
  );
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

/** First and last six digits of a range of issuers, and the lengths of their numbers. */
type Issuer = readonly [from: number, to: number, minDigits: number, maxDigits: number];

/**
 * Issuer identification numbers as the networks publish them, with the lengths that are in use: several networks reserve
 * up to 19 digits and issue 16, and long decimal ids are far more common in events than such cards.
 */
const ISSUERS: readonly Issuer[] = [
  [340_000, 349_999, 15, 15], // American Express
  [370_000, 379_999, 15, 15],
  [400_000, 499_999, 13, 13], // Visa
  [400_000, 499_999, 16, 16],
  [400_000, 499_999, 19, 19],
  [510_000, 559_999, 16, 16], // Mastercard
  [222_100, 272_099, 16, 16],
  [601_100, 601_199, 16, 16], // Discover
  [644_000, 659_999, 16, 16],
  [300_000, 305_999, 14, 14], // Diners Club
  [300_000, 305_999, 16, 16],
  [309_500, 309_599, 14, 14],
  [309_500, 309_599, 16, 16],
  [360_000, 369_999, 14, 14],
  [360_000, 369_999, 16, 16],
  [380_000, 399_999, 14, 14],
  [380_000, 399_999, 16, 16],
  [352_800, 358_999, 16, 16], // JCB
  [620_000, 629_999, 16, 19], // UnionPay
  [810_000, 829_999, 16, 16], // RuPay, UnionPay
  [508_000, 508_999, 16, 16], // RuPay
  [600_000, 609_999, 16, 16],
  [220_000, 220_499, 16, 16], // Mir
  [501_800, 501_899, 13, 19], // Maestro
  [502_000, 502_099, 13, 19],
  [503_800, 503_899, 13, 19],
  [589_300, 589_399, 13, 19],
  [630_400, 630_499, 13, 19],
  [675_900, 675_999, 13, 19],
  [676_100, 676_399, 13, 19],
  [979_200, 979_299, 16, 16], // Troy
  [501_900, 501_999, 16, 16], // Dankort
  [504_175, 504_175, 16, 16], // Elo
  [506_000, 509_999, 16, 16],
  [627_780, 627_780, 16, 16],
  [636_000, 639_999, 13, 19], // Elo, Hiper, InstaPayment, Maestro
  [384_100, 384_160, 19, 19], // Hipercard
];
const ISSUER_DIGITS = 6;

function hasIssuer(digits: string): boolean {
  const issuer = Number(digits.slice(0, ISSUER_DIGITS));
  return ISSUERS.some(
    ([from, to, min, max]) => issuer >= from && issuer <= to && digits.length >= min && digits.length <= max,
  );
}
