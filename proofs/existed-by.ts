/**
 * The existed-by bound (REQUIREMENTS T3): the earliest moment by which cosignatures of the policy's quorum had been made.
 * Everything under the checkpoint existed then, because a witness signs only what it was shown. It is the word of the
 * witnesses' clocks, not of the log's.
 */
import { type CheckedCheckpoint, NO_QUORUM, type Policy, quorumSatisfied } from './policy.ts';

export interface ExistedBy {
  /** Seconds since the Unix epoch. */
  readonly seconds: number;
  /** Witnesses of the policy that had cosigned by then. */
  readonly witnesses: readonly string[];
  /** How many members of the quorum's group they make up, and how many it has: "2 of 3". */
  readonly satisfied: number;
  readonly members: number;
}

/** Undefined when the policy asks for no witness, or cosignatures with a time do not make up its quorum. */
export function existedBy(policy: Policy, { witnesses }: CheckedCheckpoint): ExistedBy | undefined {
  if (policy.quorum === NO_QUORUM) return undefined;
  const timed = witnesses.filter(({ timestamp }) => timestamp > 0).sort((a, b) => a.timestamp - b.timestamp);
  const names: string[] = [];
  for (const { name, timestamp } of timed) {
    names.push(name);
    if (quorumSatisfied(policy, new Set(names)))
      return { seconds: timestamp, witnesses: names, ...share(policy, names) };
  }
  return undefined;
}

function share(policy: Policy, names: readonly string[]): Pick<ExistedBy, 'satisfied' | 'members'> {
  const group = policy.groups.find(({ name }) => name === policy.quorum);
  if (group === undefined) return { satisfied: 1, members: 1 };
  const by = new Set(names);
  const satisfied = group.members.filter((member) => quorumSatisfied({ ...policy, quorum: member }, by)).length;
  return { satisfied, members: group.members.length };
}

/** "existed no later than 2026-01-08T14:33:00Z, signed by 2 of 3 witnesses". */
export function describeExistedBy({ seconds, satisfied, members }: ExistedBy): string {
  return `existed no later than ${formatSeconds(seconds)}, signed by ${satisfied} of ${members} witnesses`;
}

/** Largest number of seconds that a date of ECMAScript can hold; a signed time may be anything. */
const MAX_DATE_SECONDS = 8_640_000_000_000;

/** RFC 3339 in UTC; years beyond 9999 as a plain number of seconds. */
export function formatSeconds(seconds: number): string {
  const text = seconds <= MAX_DATE_SECONDS ? new Date(seconds * 1000).toISOString() : '+';
  return text.startsWith('+') ? `second ${seconds} of the Unix epoch` : `${text.slice(0, 19)}Z`;
}
