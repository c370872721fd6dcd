/**
 * The checkpoint with the signatures on it, as they are drawn: every witness of the pinned policy, signed or not. A
 * witness with two keys (one of them post-quantum) is a group of two names in a policy, and one witness to a reader.
 */
import { checkCheckpoint, NO_QUORUM, type Policy, parsePolicy, quorumSatisfied } from '../../../proofs/policy.ts';
import type { DrawnHead, DrawnWitness, Pins } from './protocol.ts';

/** Undefined without a checkpoint. Throws what `checkCheckpoint` does. */
export function drawHead({ policy: text, at }: Pins, note: Uint8Array | string | undefined): DrawnHead | undefined {
  if (note === undefined) return undefined;
  const policy = parsePolicy(text);
  const { checkpoint, witnesses } = checkCheckpoint(policy, note, { quorum: 'report' });
  const { origin, size, root } = checkpoint;
  const signed = new Map(witnesses.map(({ name, timestamp }) => [name, timestamp]));
  const drawn = membersOf(policy).map((member): DrawnWitness => {
    const names = [...signed.keys()].filter((name) => policy.witnesses.some((one) => one.name === name));
    const mine = names.filter((name) => isUnder(policy, name, member));
    const times = mine.map((name) => signed.get(name) ?? 0);
    const isSigned = quorumSatisfied({ ...policy, quorum: member }, new Set(mine));
    const seconds = isSigned ? Math.min(...times) : undefined;
    const isLate = at !== undefined && seconds !== undefined && seconds > at;
    return { name: labelOf(policy, member), seconds, isLate, keys: isSigned ? mine.length : 0 };
  });
  return { origin, size, root, witnesses: drawn, quorum: describeQuorum(policy) };
}

/** "2 of w1, w2, w3"; the names are those of the policy. */
export function describeQuorum(policy: Pick<Policy, 'quorum' | 'groups'>): string {
  const { quorum, groups } = policy;
  if (quorum === NO_QUORUM) return 'no witness';
  const group = groups.find(({ name }) => name === quorum);
  if (group === undefined) return quorum;
  const { threshold, members } = group;
  const names = members.map((member) => labelOf(policy, member)).join(', ');
  return threshold === members.length ? `all of ${names}` : `${threshold} of ${names}`;
}

/** What the quorum counts, then the witnesses of the policy that it does not look at. */
function membersOf(policy: Policy): readonly string[] {
  const group = policy.groups.find(({ name }) => name === policy.quorum);
  const counted = group?.members ?? (policy.quorum === NO_QUORUM ? [] : [policy.quorum]);
  const others = policy.witnesses.map(({ name }) => name);
  return [...counted, ...others.filter((name) => !counted.some((member) => isUnder(policy, name, member)))];
}

function isUnder(policy: Pick<Policy, 'groups'>, name: string, member: string): boolean {
  if (name === member) return true;
  const group = policy.groups.find((one) => one.name === member);
  return group?.members.some((inner) => isUnder(policy, name, inner)) ?? false;
}

/** Of a group `any w1 w1-pq`, whose names say that they are one witness: `w1`. */
function labelOf({ groups }: Pick<Policy, 'groups'>, member: string): string {
  const group = groups.find(({ name }) => name === member);
  const [first] = group?.members ?? [];
  if (group === undefined || first === undefined || group.threshold !== 1) return member;
  return group.members.every((name) => name === first || name.startsWith(`${first}-`)) ? first : member;
}
