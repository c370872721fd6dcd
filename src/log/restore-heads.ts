/**
 * Who vouches for what is about to be restored: every head of this log that can be had, from the guard file, from the
 * witnesses, from heads that somebody kept (an e-mail, a safe). Each must be a head of the restored tree; together they
 * say up to which size a quorum of the policy stands behind it.
 */
import { equalBytes } from '../../proofs/bytes.ts';
import { ProofError } from '../../proofs/errors.ts';
import type { Hash } from '../../proofs/hash.ts';
import { formatNote, type NoteSignature } from '../../proofs/note.ts';
import { type CheckedCheckpoint, checkCheckpoint, type Policy, quorumSatisfied } from '../../proofs/policy.ts';
import type { GuardedHead } from './guard.ts';
import { RestoreError } from './restore-error.ts';
import type { WitnessReport } from './witness-client.ts';

/** A head that the copy is held against. */
export interface KnownHead {
  /** For people: `the guard file`, `witness w1`, `the pin head.txt`. */
  readonly holder: string;
  readonly size: number;
  readonly root: Hash;
  /** Names of the policy's witnesses that cosigned it. */
  readonly witnesses: readonly string[];
  readonly checked?: CheckedCheckpoint;
}

/** Throws RestoreError `altered` for a checkpoint that the policy's log keys did not sign. */
export function judgeHead(policy: Policy, origin: string, holder: string, note: string | Uint8Array): KnownHead {
  let checked: CheckedCheckpoint;
  try {
    checked = checkCheckpoint(policy, note, { quorum: 'report' });
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new RestoreError('altered', `the checkpoint of ${holder} is not good under the policy (${error.code})`);
  }
  const { checkpoint, witnesses } = checked;
  if (checkpoint.origin !== origin) throw new RestoreError('altered', `${holder} has the checkpoint of another log`);
  const { size, root } = checkpoint;
  return { holder, size, root, witnesses: witnesses.map(({ name }) => name), checked };
}

/** The heads of the witnesses that answered, and who did not. One that never cosigned says nothing. */
export function judgeWitnesses(
  policy: Policy,
  origin: string,
  reports: readonly WitnessReport[],
): { readonly heads: readonly KnownHead[]; readonly silent: readonly string[] } {
  const heads: KnownHead[] = [];
  const silent: string[] = [];
  for (const { endpoint, note, error } of reports) {
    const holder = `witness ${endpoint.names.join(', ')}`;
    if (error !== undefined) silent.push(`${holder}: ${error}`);
    if (note !== undefined) heads.push(judgeHead(policy, origin, holder, note));
  }
  return { heads, silent };
}

export function guardedHead(head: GuardedHead): KnownHead {
  return { holder: 'the guard file', size: head.size, root: head.root, witnesses: [] };
}

/** Refuses with `behind` a copy that somebody is ahead of. Cheap, so asked before anything is fetched. */
export function refuseNewer(copySize: number, heads: readonly KnownHead[]): void {
  const ahead = heads.find(({ size }) => size > copySize);
  if (ahead === undefined) return;
  throw new RestoreError(
    'behind',
    `the copy has ${copySize} entries, but ${ahead.holder} holds a head of size ${ahead.size} that this log signed. Going ` +
      'on from the copy would be a second history. Restore from a copy that has all of them.',
  );
}

/** Refuses with `contradicted` unless each head is that of the restored tree. */
export async function refuseOthers(
  rootAt: (size: number) => Promise<Hash>,
  heads: readonly KnownHead[],
): Promise<void> {
  for (const { holder, size, root } of heads) {
    if (equalBytes(await rootAt(size), root)) continue;
    throw new RestoreError(
      'contradicted',
      `${holder} holds a head of size ${size} that this log signed and that the copy contradicts: one of them is another ` +
        'history. Keep both, and restore nothing until it is known which is the true one.',
    );
  }
}

/**
 * The largest size up to which the quorum stands behind the restored tree. A witness that cosigned a larger head has
 * vouched for the smaller ones too. 0 when there is no quorum.
 */
export function quorumSize(policy: Policy, heads: readonly KnownHead[]): number {
  const sizes = [...new Set(heads.map(({ size }) => size))].sort((a, b) => b - a);
  for (const size of sizes) {
    const names = heads.filter((head) => head.size >= size).flatMap(({ witnesses }) => witnesses);
    if (quorumSatisfied(policy, new Set(names))) return size;
  }
  return 0;
}

/** The copy's checkpoint with every line of a witness that anyone has for it; undefined unless they make the quorum. */
export function publishedNote(
  policy: Policy,
  copy: CheckedCheckpoint,
  heads: readonly KnownHead[],
): string | undefined {
  const lines = new Map<string, NoteSignature>();
  for (const line of linesOf(copy, copy.logKeys)) lines.set(line.line, line);
  const taken = new Set<string>();
  for (const { checked } of [{ checked: copy }, ...heads]) {
    if (checked === undefined || checked.checkpoint.body !== copy.checkpoint.body) continue;
    for (const { name, key } of checked.witnesses) {
      if (taken.has(name)) continue;
      taken.add(name);
      for (const line of linesOf(checked, [key]).slice(0, 1)) lines.set(line.line, line);
    }
  }
  const note = formatNote({ text: copy.checkpoint.body, signatures: [...lines.values()] });
  return checkCheckpoint(policy, note, { quorum: 'report' }).quorum ? note : undefined;
}

/** The lines by these keys. */
export function linesOf(
  { note }: CheckedCheckpoint,
  keys: readonly { readonly name: string; readonly keyId: number }[],
): readonly NoteSignature[] {
  return note.signatures.filter((line) => keys.some((key) => key.name === line.name && key.keyId === line.keyId));
}
