/** The checkpoint with the signatures on it, as they are drawn: every witness of the pinned policy, signed or not. */
import { checkCheckpoint, NO_QUORUM, type Policy, parsePolicy } from '../../../proofs/policy.ts';
import type { DrawnHead, DrawnWitness, Pins } from './protocol.ts';

/** Undefined without a checkpoint. Throws what `checkCheckpoint` does. */
export function drawHead({ policy: text, at }: Pins, note: Uint8Array | string | undefined): DrawnHead | undefined {
  if (note === undefined) return undefined;
  const policy = parsePolicy(text);
  const { checkpoint, witnesses } = checkCheckpoint(policy, note, { quorum: 'report' });
  const { origin, size, root } = checkpoint;
  const signed = new Map(witnesses.map(({ name, timestamp }) => [name, timestamp]));
  const drawn = policy.witnesses.map(({ name }): DrawnWitness => {
    const seconds = signed.get(name);
    return { name, seconds, isLate: at !== undefined && seconds !== undefined && seconds > at };
  });
  return { origin, size, root, witnesses: drawn, quorum: describeQuorum(policy) };
}

/** "2 of w1, w2, w3"; the names are those of the policy. */
export function describeQuorum({ quorum, groups }: Pick<Policy, 'quorum' | 'groups'>): string {
  if (quorum === NO_QUORUM) return 'no witness';
  const group = groups.find(({ name }) => name === quorum);
  if (group === undefined) return quorum;
  const { threshold, members } = group;
  return threshold === members.length ? `all of ${members.join(', ')}` : `${threshold} of ${members.join(', ')}`;
}
