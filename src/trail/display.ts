/**
 * Text of others where it is exported (REQUIREMENTS W4). An event can hold a cell that a spreadsheet runs, or a line break
 * with a forged row after it; neither gets through.
 */
import { escapeLine } from '../../proofs/escape-line.ts';

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
