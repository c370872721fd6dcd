/**
 * Text of others where it is shown or exported (REQUIREMENTS W4). An event can hold a line break with a forged line after
 * it, a character that turns the reading direction around, or a cell that a spreadsheet runs; none of them gets through.
 */

/**
 * One line, whatever the text holds: control characters, line and paragraph separators, controls of the reading direction
 * and characters that nobody sees become `\n`, `\t` or `\u202e`; a backslash is doubled, so that no two texts look alike.
 */
export function escapeLine(text: string): string {
  return text.replace(NOT_SHOWN, escapeCharacter);
}

/**
 * Controls, line and paragraph separators, halves of surrogate pairs, interlinear annotation; and every character that
 * takes no room: controls of the reading direction (UAX #9), zero-width space, word joiner, byte order mark, tags, fillers.
 * Joiners and variation selectors stay: scripts and emoji need them.
 */
const NOT_SHOWN =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufff9-\ufffb\\]|(?!\u200c|\u200d|\p{Variation_Selector})\p{Default_Ignorable_Code_Point}/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

function escapeCharacter(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
}

/** What a spreadsheet takes for the beginning of a formula, also in full width and after white space or a quote. */
const FORMULA = /^[\s'"]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]/u;
const LINE_BEGINNING = /^[\t\r\n]/;

/**
 * One cell of a CSV file (RFC 4180). Text is escaped as a line and always quoted; what would begin a formula gets an
 * apostrophe before it, which spreadsheets read as "this is text". Numbers and truth values are written as they are.
 */
export function csvCell(value: string | number | boolean | null): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const guard = FORMULA.test(value) || LINE_BEGINNING.test(value) ? "'" : '';
  return `"${guard}${escapeLine(value).replaceAll('"', '""')}"`;
}

/** One row with its CRLF. */
export function csvRow(cells: readonly (string | number | boolean | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}
