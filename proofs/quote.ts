/**
 * Names chosen by whoever wrote the input (field ids, origins, member names), made safe to stand in a line of text:
 * in quotes, everything but visible ASCII and plain letters of other scripts escaped, cut at a bound and marked so.
 */

/** Characters of a name that are shown. */
export const MAX_QUOTED_CHARACTERS = 120;

/** The name in double quotes; control, format and separator characters, quotes and backslashes as `\u{…}`. */
export function quote(name: string): string {
  const shown = [...name.slice(0, MAX_QUOTED_CHARACTERS)];
  const escaped = shown.map((character) => (UNSAFE.test(character) ? escapeCharacter(character) : character));
  return `"${escaped.join('')}"${name.length > MAX_QUOTED_CHARACTERS ? '…' : ''}`;
}

/** The first of a longer list, and how many more there are. */
export function nameSome(first: readonly string[], count: number): string {
  const rest = count - first.length;
  return `${first.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** C: control, format (bidirectional overrides), surrogates, unassigned. Z: separators; a plain space is let through. */
const UNSAFE = /[\p{C}\p{Z}"\\]/u;

function escapeCharacter(character: string): string {
  return character === ' ' ? ' ' : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
