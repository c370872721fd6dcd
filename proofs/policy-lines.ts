/**
 * The lines of a trust policy, below what they mean (policy.ts): octets between newlines, items between spaces and tabs,
 * and errors that name the line. C2SP tlog-policy, "Structure" and "Character set".
 */
import { concatBytes } from './bytes.ts';
import { ProofError, type ProofErrorCode } from './errors.ts';
import { octetsToText, textToOctets } from './octets.ts';

/** The lines, each without its newline. Throws `invalid-policy` when the last one has none. */
export function splitLines(octets: Uint8Array): readonly Uint8Array[] {
  if (octets.at(-1) !== NEWLINE) throw new ProofError('invalid-policy', 'the last line does not end in a newline');
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = octets.indexOf(NEWLINE); end >= 0; end = octets.indexOf(NEWLINE, start)) {
    lines.push(octets.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

/** The items of a line, between spaces and tabs. A comment line is checked for control characters, too. */
export function splitItems(line: Uint8Array, number: number): readonly string[] {
  const items: string[] = [];
  let start = 0;
  for (let i = 0; i <= line.length; i++) {
    const octet = line[i] ?? SPACE;
    if ((octet < SPACE && octet !== TAB) || octet === 0x7f) fail(number, 'a control character');
    if (octet !== SPACE && octet !== TAB) continue;
    if (i > start) items.push(octetsToText(line.subarray(start, i)));
    start = i + 1;
  }
  return items;
}

/** One line with its newline. */
export function joinItems(items: readonly string[]): Uint8Array {
  const parts = items.flatMap((item) => [textToOctets(item), Uint8Array.of(SPACE)]);
  return concatBytes(...parts.slice(0, -1), Uint8Array.of(NEWLINE));
}

export function fail(line: number, message: string, code: ProofErrorCode = 'invalid-policy'): never {
  throw new ProofError(code, `policy line ${line}: ${message}`, { line });
}

/** Puts the number of the line before what is wrong with it. */
export function atLine<T>(line: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ProofError) fail(line, error.message, error.code);
    throw error;
  }
}

const NEWLINE = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
