/**
 * Opens a signed note with a set of known keys (C2SP signed-note, "Signatures"). Signatures by unknown keys are
 * ignored; a bad signature by a known key refuses the whole note; without one good signature there is nothing to read.
 */
import { utf8Encode } from './bytes.ts';
import { type Checkpoint, parseCheckpointBody } from './checkpoint.ts';
import { type VerifyOptions, verifySignature } from './cosignature.ts';
import { verify as verifyEd25519 } from './ed25519.ts';
import { ProofError, recode } from './errors.ts';
import { sameKey, type VerifierKey } from './key.ts';
import { type NoteSignature, parseNote } from './note.ts';

export interface OpenedNote {
  readonly text: string;
  /** The first good signature of each known key, in the note's order. */
  readonly verified: readonly NoteSignature[];
  /** Signatures by unknown keys, repeated lines dropped. They say nothing. */
  readonly unverified: readonly NoteSignature[];
}

/**
 * Throws what `parseNote` does; `bad-signature` if a known key's signature fails; `invalid-signature` if no known key
 * signed; `invalid-argument` if two different known keys share a name and an id.
 */
export function openNote(
  bytes: Uint8Array | string,
  known: readonly VerifierKey[],
  options: VerifyOptions = {},
): OpenedNote {
  const { text, signatures } = parseNote(bytes);
  const verified = new Map<string, NoteSignature>();
  const unverified = new Map<string, NoteSignature>();
  for (const signature of signatures) {
    const key = findKey(known, signature);
    if (key === undefined) {
      unverified.set(signature.line, signature);
      continue;
    }
    verifyOnText(text, signature, key, options);
    if (!verified.has(key.vkey)) verified.set(key.vkey, signature);
  }
  if (verified.size === 0) throw new ProofError('invalid-signature', 'no known key signed the note');
  return { text, verified: [...verified.values()], unverified: [...unverified.values()] };
}

/** The known key of a signature line: name and id both match. */
function findKey(known: readonly VerifierKey[], signature: NoteSignature): VerifierKey | undefined {
  const [key, ...others] = known.filter(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
  if (key !== undefined && !others.every((other) => sameKey(key, other))) {
    throw new ProofError('invalid-argument', 'two known keys have the same name and id', { name: key.name });
  }
  return key;
}

function verifyOnText(text: string, signature: NoteSignature, key: VerifierKey, options: VerifyOptions): void {
  if (key.type !== 1) {
    // A cosignature is of a checkpoint; on any other text it cannot be good.
    const checkpoint: Checkpoint = recode('bad-signature', () => parseCheckpointBody(text));
    verifySignature(checkpoint, signature, key, options);
    return;
  }
  const verify = options.verifiers?.ed25519 ?? verifyEd25519;
  if (!verify(utf8Encode(text), signature.signature, key.publicKey)) {
    throw new ProofError('bad-signature', `a signature by ${key.name} is bad`, { name: key.name });
  }
}
