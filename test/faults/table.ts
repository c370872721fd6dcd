/** What a run of faults came to, as a table that can be kept. */
import type { Breach } from './ledger.ts';

export interface FaultRow {
  readonly kind: string;
  readonly faults: number;
  readonly refusals: number;
  readonly checked: number;
  readonly named: number;
  readonly heads: number;
  readonly breaches: readonly { readonly breach: Breach; readonly what: string }[];
  /** Why the kind could not be run to its end. */
  readonly failure: string | undefined;
  readonly seconds: number;
}

const HEAD = [
  ...['fault', 'injected', 'starts refused', 'acknowledged events checked', 'named as damaged', 'heads seen'],
  ...['lost', 'altered', 'duplicated', 'forks', 'unexplained', 'seconds'],
];

export function faultTable(rows: readonly FaultRow[]): string {
  const lines = rows.map((row) => {
    const count = (breach: Breach): string => `${row.breaches.filter((found) => found.breach === breach).length}`;
    return [
      row.failure === undefined ? row.kind : `${row.kind} (NOT FINISHED)`,
      ...[row.faults, row.refusals, row.checked, row.named, row.heads].map((value) => value.toLocaleString('en')),
      ...[count('lost'), count('altered'), count('duplicated'), count('fork'), count('unexplained')],
      row.seconds.toFixed(0),
    ];
  });
  return [HEAD, HEAD.map((_, i) => (i === 0 ? '---' : '---:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
