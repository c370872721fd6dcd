/**
 * Text without its disguises: HTML entities, URL encoding and JSON escapes decoded (also twice), characters that nobody
 * sees taken out, digits of every script written 0 to 9. Rules are applied to the text as it is and to this form of it.
 */

/** Encodings inside encodings that are looked through. */
const MAX_LAYERS = 4;

/** The plain form; the very same text if there is nothing to take off. Linear in its length. */
export function unmask(text: string): string {
  let plain = text;
  for (let layer = 0; layer < MAX_LAYERS; layer++) {
    const decoded = plain.replace(ENCODED, decode);
    if (decoded === plain) break;
    plain = decoded;
  }
  return plain.replace(INVISIBLE, '').replace(FOREIGN_DIGIT, digitOf);
}

/** Every alternative begins with a literal and is bounded or a simple run. */
const ENCODED =
  /&#(?<decimal>\d{1,8});?|&#[xX](?<hex>[0-9A-Fa-f]{1,6});?|&(?<name>[A-Za-z]{2,16});|(?<percent>(?:%[0-9A-Fa-f]{2})+)|\\u(?<unicode>[0-9A-Fa-f]{4})|\\x(?<byte>[0-9A-Fa-f]{2})|\\(?<escape>[nrtbf"'\\/])/g;

/** Format characters, combining marks, variation selectors: between two digits they change nothing for a reader. */
const INVISIBLE = /[\p{Cf}\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}]/gu;
const FOREIGN_DIGIT = /[^\P{Nd}0-9]/gu;
const DIGIT = /^\p{Nd}$/u;

/** Named characters that stand between digits, around values, or for other characters of this table. */
const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  ensp: ' ',
  emsp: ' ',
  thinsp: ' ',
  hairsp: ' ',
  numsp: ' ',
  puncsp: ' ',
  Tab: ' ',
  NewLine: '\n',
  shy: '',
  zwj: '',
  zwnj: '',
  ZeroWidthSpace: '',
  hyphen: '-',
  dash: '-',
  ndash: '-',
  mdash: '-',
  minus: '-',
  period: '.',
  middot: '.',
  lowbar: '_',
  sol: '/',
  colon: ':',
  semi: ';',
  equals: '=',
  plus: '+',
  commat: '@',
  percnt: '%',
  bsol: '\\',
};

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: ' ', f: ' ' };

function decode(match: string, ...rest: readonly unknown[]): string {
  const groups = rest.at(-1) as Readonly<Record<string, string | undefined>>;
  const { decimal, hex, name, percent, unicode, byte, escape: escaped } = groups;
  if (decimal !== undefined) return characterOf(Number.parseInt(decimal, 10), match);
  const hexadecimal = hex ?? unicode ?? byte;
  if (hexadecimal !== undefined) return characterOf(Number.parseInt(hexadecimal, 16), match);
  if (percent !== undefined) return decodePercent(percent);
  if (escaped !== undefined) return ESCAPES[escaped] ?? escaped;
  return name !== undefined && Object.hasOwn(NAMED, name) ? (NAMED[name] ?? match) : match;
}

function characterOf(codePoint: number, otherwise: string): string {
  const isCharacter = codePoint <= 0x10ffff && !(codePoint >= 0xd800 && codePoint <= 0xdfff);
  return isCharacter ? String.fromCodePoint(codePoint) : otherwise;
}

function decodePercent(run: string): string {
  try {
    return decodeURIComponent(run);
  } catch {
    // Not UTF-8: ASCII still counts, and any other byte is something between digits.
    return run.replace(/%([0-9A-Fa-f]{2})/g, (_match, pair: string) => {
      const unit = Number.parseInt(pair, 16);
      return unit < 0x80 ? String.fromCharCode(unit) : ' ';
    });
  }
}

/** Decimal digits stand in rows of ten that begin at …0 or …6 (Unicode), but for the mathematical ones. */
function digitOf(character: string): string {
  const compatible = character.normalize('NFKC');
  if (/^[0-9]$/.test(compatible)) return compatible;
  const codePoint = character.codePointAt(0) ?? 0;
  const row = codePoint - (codePoint % 16);
  const zero = DIGIT.test(String.fromCodePoint(row)) ? row : row + 6;
  return String(codePoint - zero);
}
