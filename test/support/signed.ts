/** Keys from names, and checkpoints signed by them: the same bytes in every run. */
import { utf8Encode } from '../../proofs/bytes.ts';
import { formatCheckpointBody, parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { signCheckpoint } from '../../proofs/cosignature.ts';
import { type Hash, sha256 } from '../../proofs/hash.ts';
import { makeSignerKey, type SignatureType, type SignerKey } from '../../proofs/key.ts';
import { formatNote, type NoteSignature } from '../../proofs/note.ts';

/** A test key: its seed is the hash of its name and type. */
export function testSigner(name: string, type: SignatureType): SignerKey {
  return makeSignerKey(name, type, sha256(utf8Encode(`test key ${name} ${type}`)));
}

export interface TestHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
  readonly extensions?: readonly string[];
}

/** A signed checkpoint; every cosignature has the same time. */
export function signedCheckpoint(head: TestHead, signers: readonly SignerKey[], timestamp = 1_700_000_000): string {
  const text = formatCheckpointBody(head);
  const checkpoint = parseCheckpointBody(text);
  const signatures = signers.map((signer): NoteSignature => signCheckpoint(checkpoint, signer, timestamp));
  return formatNote({ text, signatures });
}
