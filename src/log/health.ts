/** What an on-call engineer reads: each problem in one sentence that says what happened, what it means, what to do. */
import { countsAt, type Policy } from '../../proofs/policy.ts';
import type { LogLimits } from './options.ts';
import type { LogHealth, SigningState } from './types.ts';

export interface HealthFacts {
  readonly policy: Policy;
  readonly limits: LogLimits;
  readonly nowMs: number;
  readonly treeSize: number;
  readonly signedSize: number;
  readonly headSignedAtMs: number | null;
  readonly publishedSize: number;
  readonly publishedAtMs: number | null;
  /** Since when the tree has had entries that no published checkpoint covers. */
  readonly unpublishedSinceMs: number | null;
  readonly queuedEvents: number;
  readonly signing: SigningState;
  /** Why submissions are refused, if they are. */
  readonly stopped: string | null;
  readonly witnesses: LogHealth['witnesses'];
  readonly scrub: LogHealth['scrub'];
}

export function describeHealth(facts: HealthFacts): LogHealth {
  const problems: string[] = [];
  if (facts.stopped !== null) problems.push(`Submissions are refused: ${facts.stopped}`);
  if (facts.signing.state === 'refusing') problems.push(`No head is signed: ${facts.signing.reason}`);
  const waitedMs = facts.unpublishedSinceMs === null ? 0 : facts.nowMs - facts.unpublishedSinceMs;
  if (waitedMs > facts.limits.maxUnpublishedMs) problems.push(unpublished(facts, waitedMs));
  if (facts.scrub.damages.length > 0) problems.push(damaged(facts.scrub));
  return {
    healthy: problems.length === 0,
    problems,
    treeSize: facts.treeSize,
    signedSize: facts.signedSize,
    publishedSize: facts.publishedSize,
    queuedEvents: facts.queuedEvents,
    signing: facts.signing,
    accepting: facts.stopped === null,
    headSignedAtMs: facts.headSignedAtMs,
    publishedAtMs: facts.publishedAtMs,
    witnesses: facts.witnesses,
    scrub: facts.scrub,
  };
}

/** Indices that are said in one problem; all of them are beside it. */
const MAX_NAMED_INDICES = 10;

function damaged({ damages, damagedIndices }: LogHealth['scrub']): string {
  const named = damagedIndices.slice(0, MAX_NAMED_INDICES).join(', ');
  const more =
    damagedIndices.length > MAX_NAMED_INDICES ? ` and ${damagedIndices.length - MAX_NAMED_INDICES} more` : '';
  const where = damagedIndices.length === 0 ? '' : ` (index ${named}${more})`;
  return (
    `Stored data is damaged${where}: ${damages[0] ?? ''}. Nothing of it is served, everything else is. Keep a copy of the ` +
    'log directory, stop the log, and run `countersign fsck` and then `countersign repair`; look at the disk.'
  );
}

function unpublished(facts: HealthFacts, waitedMs: number): string {
  const valid = facts.policy.witnesses.filter((one) => countsAt(one, facts.signedSize, Math.floor(facts.nowMs / 1000)));
  const counts = new Set(valid.map(({ name }) => name));
  const behind = facts.witnesses.filter(
    ({ name, cosignedSize }) => counts.has(name) && (cosignedSize ?? -1) < facts.signedSize,
  );
  const names = behind.map(({ name, lastError }) => (lastError === null ? name : `${name} (${lastError})`));
  const who = names.length === 0 ? 'every witness cosigned the newest head' : `not cosigned by: ${names.join(', ')}`;
  return (
    `The public checkpoint has stood at size ${facts.publishedSize} for ${Math.round(waitedMs / 1000)} s while the log ` +
    `has ${facts.treeSize} entries: the quorum "${facts.policy.quorum}" of the policy is not met, ${who}. Submissions ` +
    'go on and stay durable, but get no cosigned receipt. Start the missing witnesses or restore the way to them.'
  );
}
