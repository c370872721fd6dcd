/**
 * Trust policies (C2SP tlog-policy): which logs and witnesses a verifier believes, and how many of them it needs.
 *
 *     log example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx
 *     witness w1 Wit1+9b3fb2d5+BFhZSmQj9+SoL+p/nN0Hh76xXmF7QcHfytUrI1XfSClk https://witness.example/
 *     witness w2 Wit2+38153445+BGVbwFJte9wMQIPSnEnj4KibeO6vSIOEDUTDp3o63c2x
 *     group both all w1 w2
 *     quorum both
 *
 * A policy file is the one thing that a verifier trusts beforehand, and `checkCheckpoint` is the one place where it is
 * decided that a log's head is believed. Names and URLs are octets, kept as `octets.ts` says. A file that does not end in
 * a newline may have been cut off and is refused. While keys change, comments of one exact form say when each key counts
 * (validity.ts); outside of that a key is unknown, like one that the policy does not name.
 */
import { concatBytes, equalBytes } from './bytes.ts';
import { type Checkpoint, parseCheckpoint, verifyLogSignatures } from './checkpoint.ts';
import { readTimestamp, type VerifyOptions, verifyCosignature, verifySignature } from './cosignature.ts';
import { ProofError, recode } from './errors.ts';
import { EMPTY_ROOT } from './hash.ts';
import { parseVerifierKey, type VerifierKey } from './key.ts';
import type { Note } from './note.ts';
import { textToOctets } from './octets.ts';
import { atLine, fail, joinItems, splitItems, splitLines } from './policy-lines.ts';
import {
  coversSize,
  coversTime,
  formatDirective,
  isBoundInTime,
  isDirectiveLike,
  isUnlimited,
  keyLabel,
  parseDirective,
  type Validity,
  type ValidityDirective,
} from './validity.ts';

export interface PolicyLog {
  /** Its name is the log's origin. Type 0x01 or 0x06; a log with both keys has two lines. */
  readonly key: VerifierKey;
  readonly url?: string;
  /** Bounded by tree sizes only: an Ed25519 signature of a log has no time. */
  readonly validity?: Validity;
}

export interface PolicyWitness {
  /** Meaningful in this policy only. */
  readonly name: string;
  /** Type 0x04 or 0x06. */
  readonly key: VerifierKey;
  readonly url?: string;
  readonly validity?: Validity;
}

export interface PolicyGroup {
  readonly name: string;
  /** How many members it takes: 1 ≤ threshold ≤ members.length. */
  readonly threshold: number;
  /** Names of witnesses and of groups before this one. */
  readonly members: readonly string[];
}

export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  readonly groups: readonly PolicyGroup[];
  /** Name of a witness or group, or `none`. */
  readonly quorum: string;
}

export interface CheckOptions extends VerifyOptions {
  /** `report` returns a checkpoint whose quorum is not met, for whoever is still collecting cosignatures. */
  readonly quorum?: 'require' | 'report';
}

export interface WitnessedBy {
  /** The witness's name in the policy. */
  readonly name: string;
  readonly key: VerifierKey;
  /** Seconds since the epoch; the earliest, if it signed more than once; 0 if it gave no time. */
  readonly timestamp: number;
}

export interface CheckedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly note: Note;
  /** The trusted keys of the log that signed; at least one. */
  readonly logKeys: readonly VerifierKey[];
  /** The witnesses of the policy that cosigned, in the policy's order. */
  readonly witnesses: readonly WitnessedBy[];
  /** Always true unless the options say `report`. */
  readonly quorum: boolean;
}

/** 2 MiB; a line with an ML-DSA-44 key has about 2 KB. */
export const MAX_POLICY_BYTES = 2_097_152;
/** Of logs, of witnesses, of groups; the specification asks for at least 32. */
export const MAX_POLICY_ITEMS = 256;
/** The predefined quorum that asks for nobody. */
export const NO_QUORUM = 'none';

/**
 * Parses a policy file. Throws `invalid-policy` with the line number, and for keys also `invalid-key`,
 * `bad-public-key` and `unsupported-key-type`.
 */
export function parsePolicy(file: Uint8Array | string): Policy {
  if (file.length > MAX_POLICY_BYTES) throw new ProofError('invalid-policy', 'the policy is too long');
  const octets = typeof file === 'string' ? textToOctets(file) : file;
  const builder = new PolicyBuilder();
  splitLines(octets).forEach((line, index) => {
    const items = splitItems(line, index + 1);
    if (items[0] === undefined) return;
    if (!items[0].startsWith('#')) builder.add(items, index + 1);
    else if (isDirectiveLike(items)) builder.addDirective(items, index + 1);
  });
  return builder.finish();
}

/** The policy as a file, which parses to the same policy. Throws `invalid-policy` for a policy that is none. */
export function formatPolicy(policy: Policy): Uint8Array {
  const lines = [
    ...policy.logs.map(({ key, url }) => ['log', key.vkey, url]),
    ...policy.witnesses.map(({ name, key, url }) => ['witness', name, key.vkey, url]),
    ...formatDirectives([...policy.logs, ...policy.witnesses]),
    ...policy.groups.map(({ name, threshold, members }) => ['group', name, String(threshold), ...members]),
    ['quorum', policy.quorum],
  ];
  const rows = lines.map((items) => joinItems(items.filter((item) => item !== undefined)));
  const file = concatBytes(...rows);
  if (!samePolicy(parsePolicy(file), policy)) throw new ProofError('invalid-policy', 'an item holds white space');
  return file;
}

/** The keys that the policy trusts for a checkpoint of this origin and size; none for an origin that it does not name. */
export function logKeysAt(policy: Policy, origin: string, size: number): readonly VerifierKey[] {
  const logs = policy.logs.filter(({ key, validity }) => key.name === origin && coversSize(validity, size));
  return logs.map(({ key }) => key);
}

/** Whether a cosignature by this witness, on a checkpoint of this size and made at this time, counts. */
export function countsAt({ validity }: PolicyWitness, size: number, timestamp: number): boolean {
  return coversSize(validity, size) && coversTime(validity, timestamp);
}

/** Whether these witnesses (by their names in the policy) make the quorum. */
export function quorumSatisfied(policy: Policy, cosignedBy: ReadonlySet<string>): boolean {
  if (policy.quorum === NO_QUORUM) return true;
  const satisfied = new Set<string>();
  for (const { name } of policy.witnesses) if (cosignedBy.has(name)) satisfied.add(name);
  // Groups name only what stands before them, so one pass decides all.
  for (const { name, threshold, members } of policy.groups) {
    if (threshold >= 1 && members.filter((member) => satisfied.has(member)).length >= threshold) satisfied.add(name);
  }
  return satisfied.has(policy.quorum);
}

/**
 * Holds a whole checkpoint against the policy and fails closed. Throws what `parseCheckpoint` does;
 * `invalid-checkpoint` for an empty tree with a root of its own; `wrong-origin` if the policy has no log of that origin;
 * `no-log-signature` without a good one by a trusted key of that log;
 * `bad-log-signature` or `bad-signature` for any bad one by a key that the policy names; `quorum-not-met`.
 */
export function checkCheckpoint(
  policy: Policy,
  bytes: Uint8Array | string,
  options: CheckOptions = {},
): CheckedCheckpoint {
  const { checkpoint, note } = parseCheckpoint(bytes);
  if (checkpoint.size === 0 && !equalBytes(checkpoint.root, EMPTY_ROOT)) {
    throw new ProofError('invalid-checkpoint', 'the root of an empty tree is another');
  }
  const { origin, size } = checkpoint;
  if (!policy.logs.some(({ key }) => key.name === origin)) {
    throw new ProofError('wrong-origin', 'the policy has no log of this origin');
  }
  const logKeys = verifyLogSignatures(checkpoint, note, logKeysAt(policy, origin, size), options);
  for (const { key, validity } of policy.logs) {
    if (key.name !== origin && coversSize(validity, size)) refuseBadSignatures(checkpoint, note, key, options);
  }
  const witnesses = policy.witnesses.flatMap((witness) => witnessedBy(checkpoint, note, witness, options));
  const quorum = quorumSatisfied(policy, new Set(witnesses.map(({ name }) => name)));
  if (!quorum && options.quorum !== 'report') {
    throw new ProofError('quorum-not-met', 'the quorum of the policy is not met', { witnesses: witnesses.length });
  }
  return { checkpoint, note, logKeys, witnesses, quorum };
}

/** Collects lines in their order; guards the names, which witnesses and groups share. */
class PolicyBuilder {
  readonly #logs: PolicyLog[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups: PolicyGroup[] = [];
  readonly #names = new Set<string>();
  readonly #members = new Set<string>();
  readonly #directives: { readonly directive: ValidityDirective; readonly line: number }[] = [];
  #quorum: string | undefined;

  add(items: readonly string[], line: number): void {
    const [keyword, ...rest] = items;
    if (keyword === 'log') this.#addLog(rest, line);
    else if (keyword === 'witness') this.#addWitness(rest, line);
    else if (keyword === 'group') this.#addGroup(rest, line);
    else if (keyword === 'quorum') this.#addQuorum(rest, line);
    else fail(line, 'a line begins with log, witness, group, quorum or #');
  }

  finish(): Policy {
    if (this.#quorum === undefined) throw new ProofError('invalid-policy', 'the policy has no quorum line');
    const [logs, witnesses] = [this.#bounded(this.#logs), this.#bounded(this.#witnesses)];
    for (const { directive, line } of this.#directives) {
      const isLog = logs.some(({ key }) => keyLabel(key) === directive.key);
      const isWitness = witnesses.some(({ key }) => keyLabel(key) === directive.key);
      if (!isLog && !isWitness) fail(line, 'the directive is about a key that the policy does not name');
      if (isLog && isBoundInTime(directive.validity)) fail(line, 'the key of a log is bounded by tree sizes only');
    }
    return { logs, witnesses, groups: this.#groups, quorum: this.#quorum };
  }

  addDirective(items: readonly string[], line: number): void {
    const directive = atLine(line, () => parseDirective(items));
    if (this.#directives.some((other) => other.directive.key === directive.key)) {
      fail(line, 'there is another directive about this key');
    }
    this.#directives.push({ directive, line });
    checkCount(this.#directives, line);
  }

  #bounded<T extends { readonly key: VerifierKey }>(items: readonly T[]): readonly (T & { validity?: Validity })[] {
    return items.map((item) => {
      const found = this.#directives.find(({ directive }) => directive.key === keyLabel(item.key));
      return found === undefined ? item : { ...item, validity: found.directive.validity };
    });
  }

  #addLog(items: readonly string[], line: number): void {
    const [vkey, url, ...more] = items;
    if (vkey === undefined || more.length > 0) fail(line, 'a log has a vkey and at most a URL');
    const key = parseKey(vkey, line);
    if (key.type === 4) fail(line, 'the key of a log has type 1 or 6', 'unsupported-key-type');
    checkNewKey(this.#logs, key, line);
    this.#logs.push(url === undefined ? { key } : { key, url });
    checkCount(this.#logs, line);
  }

  #addWitness(items: readonly string[], line: number): void {
    const [name, vkey, url, ...more] = items;
    if (name === undefined || vkey === undefined || more.length > 0) {
      fail(line, 'a witness has a name, a vkey and at most a URL');
    }
    const key = parseKey(vkey, line);
    if (key.type === 1) fail(line, 'the key of a witness has type 4 or 6', 'unsupported-key-type');
    this.#define(name, line);
    checkNewKey(this.#witnesses, key, line);
    this.#witnesses.push(url === undefined ? { name, key } : { name, key, url });
    checkCount(this.#witnesses, line);
  }

  #addGroup(items: readonly string[], line: number): void {
    const [name, threshold, ...members] = items;
    if (name === undefined || threshold === undefined) fail(line, 'a group has a name and a threshold');
    for (const member of members) {
      if (!this.#names.has(member)) fail(line, 'a member of the group is not defined on a line before it');
      if (this.#members.has(member)) fail(line, 'a name can be a member once, in one group');
      this.#members.add(member);
    }
    this.#groups.push({ name, threshold: parseThreshold(threshold, members.length, line), members });
    this.#define(name, line);
    checkCount(this.#groups, line);
  }

  #addQuorum(items: readonly string[], line: number): void {
    const [name, ...more] = items;
    if (name === undefined || more.length > 0) fail(line, 'a quorum is one name');
    if (this.#quorum !== undefined) fail(line, 'a policy has one quorum line');
    if (name !== NO_QUORUM && !this.#names.has(name)) fail(line, 'the quorum is not defined on a line before it');
    this.#quorum = name;
  }

  #define(name: string, line: number): void {
    if (name === NO_QUORUM) fail(line, 'the name none is taken');
    if (this.#names.has(name)) fail(line, 'the name is defined twice');
    this.#names.add(name);
  }
}

function witnessedBy(
  checkpoint: Checkpoint,
  note: Note,
  witness: PolicyWitness,
  options: VerifyOptions,
): WitnessedBy[] {
  const { name, key } = witness;
  if (!coversSize(witness.validity, checkpoint.size)) return [];
  // Only a time within the validity makes the key known; then the signature has to be good.
  const lines = linesBy(note, key).filter(
    ({ signature }) => !isBoundInTime(witness.validity) || coversTime(witness.validity, timeOf(signature)),
  );
  const timestamps = lines.map((line) => verifyCosignature(checkpoint, line, key, options).timestamp);
  if (timestamps.length === 0) return [];
  const times = timestamps.filter((timestamp) => timestamp > 0);
  return [{ name, key, timestamp: times.length === 0 ? 0 : Math.min(...times) }];
}

/** A known key's signature is never ignored, whoever's checkpoint it stands on. */
function refuseBadSignatures(checkpoint: Checkpoint, note: Note, key: VerifierKey, options: VerifyOptions): void {
  for (const line of linesBy(note, key)) verifySignature(checkpoint, line, key, options);
}

function linesBy(note: Note, key: VerifierKey): Note['signatures'] {
  return note.signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId);
}

/** The time of a cosignature; one that cannot be read is a bad signature by a key that the policy names. */
function timeOf(signature: Uint8Array): number {
  return recode('bad-signature', () => readTimestamp(signature));
}

/** A directive for each key that has bounds; a key that is both a log's and a witness's has one. */
function formatDirectives(items: readonly (PolicyLog | PolicyWitness)[]): readonly (readonly string[])[] {
  const byKey = new Map<string, readonly string[]>();
  for (const { key, validity } of items) {
    const label = keyLabel(key);
    if (validity !== undefined && !isUnlimited(validity)) {
      byKey.set(label, formatDirective({ key: label, validity }));
    }
  }
  return [...byKey.values()];
}

function parseKey(vkey: string, line: number): VerifierKey {
  return atLine(line, () => parseVerifierKey(vkey));
}

/** Keys are duplicates if the public key is the same; equal names and ids of different keys would be ambiguous. */
function checkNewKey(items: readonly { readonly key: VerifierKey }[], key: VerifierKey, line: number): void {
  for (const { key: other } of items) {
    if (equalBytes(other.publicKey, key.publicKey)) fail(line, 'the public key is listed twice');
    if (other.name === key.name && other.keyId === key.keyId) fail(line, 'another key has the same name and id');
  }
}

function checkCount(items: readonly unknown[], line: number): void {
  if (items.length > MAX_POLICY_ITEMS) fail(line, `at most ${MAX_POLICY_ITEMS} lines of a kind are supported`);
}

function parseThreshold(text: string, count: number, line: number): number {
  if (count < 1) fail(line, 'a group has at least one member');
  if (text === 'all') return count;
  if (text === 'any') return 1;
  if (!/^[1-9][0-9]{0,5}$/.test(text)) fail(line, 'a threshold is all, any or a decimal number from 1');
  const threshold = Number(text);
  if (threshold > count) fail(line, 'the threshold is above the number of members');
  return threshold;
}

function samePolicy(a: Policy, b: Policy): boolean {
  const text = (policy: Policy): string =>
    JSON.stringify([
      policy.logs.map(({ key, url, validity }) => [key.vkey, url, boundsOf(key, validity)]),
      policy.witnesses.map(({ name, key, url, validity }) => [name, key.vkey, url, boundsOf(key, validity)]),
      policy.groups.map(({ name, threshold, members }) => [name, threshold, members]),
      policy.quorum,
    ]);
  return text(a) === text(b);
}

function boundsOf(key: VerifierKey, validity: Validity | undefined): readonly string[] {
  return validity === undefined ? [] : formatDirective({ key: keyLabel(key), validity }).slice(3);
}
