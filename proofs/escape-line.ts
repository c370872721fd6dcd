/**
 * Text of others where a person reads it (REQUIREMENTS W4): in a list, a report, on a page. An event can hold a line break
 * with a forged line after it, or a character that turns the reading direction around; neither gets through unseen.
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
