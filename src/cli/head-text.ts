/**
 * A head as a short e-mail: what it is, how it is used later, and the signed note in the block that survives quoting and
 * wrapping (proofs/pin.ts). Only the short Ed25519 lines go in: an ML-DSA-44 signature alone has 3,300 characters.
 */
import { base64Encode } from '../../proofs/bytes.ts';
import { existedBy, formatSeconds } from '../../proofs/existed-by.ts';
import type { VerifierKey } from '../../proofs/key.ts';
import { formatNote, type NoteSignature } from '../../proofs/note.ts';
import { formatPinBlock, formatPinCode } from '../../proofs/pin.ts';
import type { CheckedCheckpoint, Policy } from '../../proofs/policy.ts';

/** Printable, no line longer than 72 characters unless the origin is. */
export function headText(policy: Policy, checked: CheckedCheckpoint): string {
  const { origin, size, root } = checked.checkpoint;
  const bound = existedBy(policy, checked);
  const time =
    bound === undefined
      ? 'not witnessed'
      : `${formatSeconds(bound.seconds)}, by ${bound.satisfied} of ${bound.members} witnesses`;
  return `Head of the audit log ${origin}

  Origin   ${origin}
  Entries  ${size}
  Root     ${base64Encode(root)}
  Time     ${time}

Keep this message where the operator of the log cannot change it. Years
later it shows whether any of these entries was changed or removed:

  countersign verify --pin MESSAGE --network network.json
  countersign verify --pin MESSAGE --consistency FILE --policy POLICY

MESSAGE is this text in a file, quoted or not. FILE is what the operator
makes of it with: countersign head --since MESSAGE --out FILE

${formatPinBlock(shortNote(checked))}`;
}

/** The same head in one line, for a QR code. */
export function headCode(checked: CheckedCheckpoint): string {
  const { checkpoint, note, logKeys } = checked;
  const key = logKeys.find(({ type }) => type === 1);
  const signature = key && lineBy(note.signatures, key);
  return formatPinCode({ ...checkpoint, ...(signature === undefined ? {} : { signature }) });
}

function shortNote({ note, logKeys, witnesses }: CheckedCheckpoint): string {
  const verified = [...logKeys, ...witnesses.map(({ key }) => key)];
  const short = verified.filter(({ type }) => type !== 6);
  const keys = short.length === 0 ? verified : short;
  const signatures = keys.flatMap((key) => lineBy(note.signatures, key) ?? []);
  return formatNote({ text: note.text, signatures });
}

function lineBy(signatures: readonly NoteSignature[], key: VerifierKey): NoteSignature | undefined {
  return signatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId);
}
