/** From a sample whose nonce is open to what its report answers: all of it was fixed by the commit. */
import { describeFilter } from '../../proofs/filter.ts';
import type { Log } from '../log/types.ts';
import type { Scope } from '../trail/scope.ts';
import { EvidenceError } from './error.ts';
import { type EvidencePlan, modeOf } from './plan.ts';
import type { Sample } from './samples.ts';

/** Throws EvidenceError `sample-not-revealed`, or what `modeOf` does if the scope of the token is another one by now. */
export function planSample(
  log: Pick<Log, 'signedSize'>,
  { index, actorId, commit, reveal }: Sample,
  pinned: number | undefined,
  scope: Scope | null,
): EvidencePlan {
  if (reveal === null) {
    throw new EvidenceError('sample-not-revealed', `Open the nonce of entry ${index} first: then the sample is drawn.`);
  }
  const { query: filter, range } = commit;
  const query = { ...filter, filters: filter.filters };
  modeOf({ query, scope, mode: 'complete', pinned }, log);
  return {
    ...{
      mode: 'sample',
      asked: describeFilter(filter),
      filter,
      query,
      scope,
      range,
      pinned: pinned ?? null,
      control: null,
    },
    sample: { actorId, commitIndex: index, commit, revealIndex: reveal.index, reveal: reveal.opened },
  };
}
