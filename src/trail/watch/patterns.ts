/** Lists of actions and roles in the configuration: exact words, or with `*` for any characters. */

/** Verdicts that are remembered; a vocabulary of actions is far smaller. */
const MAX_REMEMBERED = 2_000;

export function matcher(patterns: readonly string[]): (text: string) => boolean {
  const expressions = patterns.map((pattern) => new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`, 'su'));
  const known = new Map<string, boolean>();
  return (text) => {
    const remembered = known.get(text);
    if (remembered !== undefined) return remembered;
    const verdict = expressions.some((expression) => expression.test(text));
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(text, verdict);
    return verdict;
  };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
