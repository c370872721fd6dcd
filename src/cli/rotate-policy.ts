/**
 * Changes of keys as changes of a trust policy, purely: the new key is added beside the old one, each gets the range in
 * which it counts, and the two keys of one witness count as one witness. Nothing that was trusted is forgotten, so every
 * receipt that verified before verifies after.
 */
import { utf8Decode } from '../../proofs/bytes.ts';
import type { VerifierKey } from '../../proofs/key.ts';
import {
  formatPolicy,
  type Policy,
  type PolicyGroup,
  type PolicyLog,
  type PolicyWitness,
  parsePolicy,
} from '../../proofs/policy.ts';
import { keyLabel, type Validity } from '../../proofs/validity.ts';
import { CliError } from './errors.ts';

/** Where the old keys end and the new ones begin; they overlap in between. */
export interface KeyChange {
  readonly newKeys: readonly VerifierKey[];
  readonly from: Pick<Validity, 'fromSize' | 'fromTime'>;
  readonly until: Pick<Validity, 'untilSize' | 'untilTime'>;
}

/** A changed policy, and the keys of it that now have an end. */
export interface ChangedPolicy {
  readonly policy: Policy;
  readonly retired: readonly VerifierKey[];
}

/** Adds new keys of the log of this origin. Throws CliError `refused` when there is no key of the type to follow. */
export function changeLogKeys(policy: Policy, origin: string, change: KeyChange): ChangedPolicy {
  const logs: PolicyLog[] = [...policy.logs];
  const retired: VerifierKey[] = [];
  for (const key of change.newKeys) {
    const at = lastCurrent(logs, origin, key);
    const old = logs[at];
    if (old === undefined) throw nothingToFollow(origin, key);
    retired.push(old.key);
    const { url } = old;
    logs[at] = { ...old, validity: { ...old.validity, ...change.until } };
    logs.splice(at + 1, 0, { key, ...(url === undefined ? {} : { url }), validity: change.from });
  }
  return { policy: { ...policy, logs }, retired };
}

/** The same for the witness of this key name; old and new key count as one witness wherever the old one counted. */
export function changeWitnessKeys(policy: Policy, keyName: string, change: KeyChange): ChangedPolicy {
  let changed = policy;
  const retired: VerifierKey[] = [];
  for (const key of change.newKeys) {
    const witnesses: PolicyWitness[] = [...changed.witnesses];
    const at = lastCurrent(witnesses, keyName, key);
    const old = witnesses[at];
    if (old === undefined) throw nothingToFollow(keyName, key);
    retired.push(old.key);
    const name = `${old.name.replace(/-[0-9a-f]{8}$/, '')}-${keyLabel(key).slice(-8)}`;
    const { url } = old;
    witnesses[at] = { ...old, validity: { ...old.validity, ...change.until } };
    witnesses.splice(at + 1, 0, { name, key, ...(url === undefined ? {} : { url }), validity: change.from });
    changed = countAsOne({ ...changed, witnesses }, old.name, name);
  }
  return { policy: changed, retired };
}

/** The text of the changed policy, under the comments that the old text began with. Throws CliError `refused`. */
export function rewritePolicy(oldText: string, changed: Policy): string {
  const lines = oldText.split('\n');
  const end = lines.findIndex((line) => !/^#(?!countersign)/i.test(line));
  const header = lines.slice(0, Math.max(0, end)).map((line) => `${line}\n`);
  try {
    const text = header.join('') + utf8Decode(formatPolicy(changed));
    parsePolicy(text);
    return text;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('refused', `the keys cannot be changed in this way: ${reason}`);
  }
}

/** The key that a new one of its type follows: the last of the name that has no end yet. */
function lastCurrent(items: readonly (PolicyLog | PolicyWitness)[], name: string, { type }: VerifierKey): number {
  return items.findLastIndex(
    ({ key, validity }) =>
      key.name === name && key.type === type && validity?.untilSize === undefined && validity?.untilTime === undefined,
  );
}

/** A group in which the two stand for each other: one that exists for the keys of this witness, or a new one. */
function countAsOne(policy: Policy, oldName: string, newName: string): Policy {
  const keyNameOf = new Map(policy.witnesses.map(({ name, key }) => [name, key.name]));
  const own = policy.groups.find(
    ({ threshold, members }) =>
      threshold === 1 &&
      members.includes(oldName) &&
      members.every((member) => keyNameOf.has(member) && keyNameOf.get(member) === keyNameOf.get(oldName)),
  );
  if (own !== undefined) {
    const grown: PolicyGroup = { ...own, members: [...own.members, newName] };
    return { ...policy, groups: policy.groups.map((group) => (group === own ? grown : group)) };
  }
  const name = freeName(policy, `${oldName}-keys`);
  const replace = (member: string): string => (member === oldName ? name : member);
  const groups = policy.groups.map((group) => ({ ...group, members: group.members.map(replace) }));
  const pair: PolicyGroup = { name, threshold: 1, members: [oldName, newName] };
  return { ...policy, groups: [pair, ...groups], quorum: replace(policy.quorum) };
}

function freeName(policy: Policy, wanted: string): string {
  const taken = new Set([...policy.witnesses, ...policy.groups].map(({ name }) => name));
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}-${i}`;
  return name;
}

function nothingToFollow(name: string, { type }: VerifierKey): CliError {
  return new CliError(
    'refused',
    `the policy has no key of "${name}" of type ${type} that is still without an end`,
    'A new key follows the one that is in use. Look at the log, witness and "#countersign: valid" lines of the policy.',
  );
}
