/** Damage as lines for people: grouped by kind, neighbours as one, and what it means said once. */
import { type Damage, type DamageKind, runsOf } from '../log/damage.ts';

/** Runs of damaged entries that are printed for people; --json has every one. */
const MAX_PRINTED = 200;
const MAX_FOUND = 3;

/** `explain` says what a kind means, and what to do. */
export function damageLines(
  damages: readonly Damage[],
  explain: (kind: DamageKind) => readonly string[],
): readonly string[] {
  const runs = runsOf(damages);
  const kinds = [...new Set(runs.map(({ kind }) => kind))];
  const lines = kinds.flatMap((kind) => {
    const own = runs.filter((one) => one.kind === kind);
    return [
      `DAMAGED    ${kind}: ${own.map(placeOf).slice(0, MAX_PRINTED).join(', ')}${own.length > MAX_PRINTED ? ', …' : ''}`,
      ...own.slice(0, MAX_FOUND).map(({ found }) => `           found: ${found}`),
      ...explain(kind).map((line) => `           ${line}`),
    ];
  });
  if (lines.length === 0) return [];
  return [...lines, `result     damaged in ${damages.length} place${damages.length === 1 ? '' : 's'}`];
}

function placeOf({ index, lastIndex }: Damage): string {
  if (index === null) return 'the log';
  return lastIndex === null || lastIndex === index ? `${index}` : `${index} to ${lastIndex}`;
}
