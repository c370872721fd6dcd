/** README.txt of a bundle: for whoever finds the file years later. */
import { LIMITS } from '../../proofs/claims.ts';
import { describeFilter } from '../../proofs/filter.ts';
import type { BundleManifest } from '../../proofs/manifest.ts';
import { formatTimeUs } from '../trail/time.ts';

type About = Pick<BundleManifest, 'origin' | 'mode' | 'query' | 'range' | 'size' | 'counts' | 'control'>;

export function readmeText({ origin, mode, query, range, size, counts, control }: About): string {
  const answers = {
    complete: `All ${counts.population} events of the range were examined; ${counts.matched} match. That nothing is left out can be checked.`,
    selected: `A selection of ${counts.matched} events. It does not show that there are no others.`,
    sample: `A random sample of ${counts.matched} events. That nobody chose what was drawn can be checked; sample.json says how.`,
  };
  const answer = answers[mode];
  const [from, to] = [query.fromUs, query.toUs].map((us) => (us === undefined ? undefined : formatTimeUs(us)));
  const asked = control ? `\nAsked for ${control.id}, question ${control.part}` : '';
  return `EVIDENCE FROM AN AUDIT LOG

Log       ${origin}
Question  ${describeFilter(query)}${asked}
Time      ${from ?? 'from the beginning'} to ${to ?? 'the end'}, the end not included
Events    ${range.start} to before ${range.end}, of ${size} under the checkpoint
Answer    ${answer}

To verify it, offline, with a trust policy that you got from somewhere else than from this file:

    countersign verify BUNDLE.zip --policy POLICY.txt

The file policy.txt in here is the log's own and proves nothing. docs/formats.md of the project describes every byte,
so that you can write a verifier of your own.

What no verification can say:
${LIMITS.map((limit) => `  ${limit}`).join('\n')}
`;
}
