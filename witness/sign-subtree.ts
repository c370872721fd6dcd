/**
 * `POST /sign-subtree` (C2SP tlog-witness), bytes in and bytes out: given a checkpoint that we cosigned and a proof
 * that a subtree belongs to it, our ML-DSA-44 keys sign the subtree. Ed25519 cosignatures cannot say that.
 *
 * Nothing is recorded and nothing new is vouched for: the checkpoint carries our own signature, so the subtree is
 * part of a tree that we have checked already.
 *
 *     parse 400 -> origin 404 -> our own ML-DSA-44 cosignature 403 -> proof 422 -> sign
 */
import { makeCosignature, type SignedSubtree, subtreeMessage, verifyCosignature } from '../proofs/cosignature.ts';
import { ProofError } from '../proofs/errors.ts';
import { formatSignatureLines, type NoteSignature } from '../proofs/note.ts';
import { checkSubtreeConsistency } from '../proofs/subtree.ts';
import type { Cosigner } from './cosigner.ts';
import { answer, knownLog, takeToken } from './handler.ts';
import type { WitnessParts } from './parts.ts';
import { accepted, Refused, type Reply } from './reply.ts';
import { parseSignSubtree, type SignSubtreeRequest, type UnverifiedHead } from './request.ts';

export function signSubtree(parts: WitnessParts, body: Uint8Array): Promise<Reply> {
  return answer(parts, 'sign-subtree', async () => {
    const request = parseSignSubtree(body);
    const log = knownLog(parts, request.head);
    takeToken(parts, log, 'requests');
    const cosigners = ownCosigners(parts, request.head);
    checkSubtree(request);
    const { start, end, subtreeHash } = request;
    const subtree = { origin: log.origin, start, end, hash: subtreeHash };
    const lines: NoteSignature[] = [];
    for (const cosigner of cosigners) lines.push(await cosign(cosigner, subtree));
    return accepted(formatSignatureLines(lines));
  });
}

/** Those of our ML-DSA-44 keys that cosigned the checkpoint. Refused `not-signed`, or `bad-signature` for a forged line. */
function ownCosigners(
  { cosigners, verifyOptions }: WitnessParts,
  { checkpoint, note, strayBits }: UnverifiedHead,
): readonly Cosigner[] {
  if (strayBits === true) throw new Refused('bad-signature', 'a signature line is not in its one encoding');
  const signedBy: Cosigner[] = [];
  for (const cosigner of cosigners) {
    const { key } = cosigner;
    const lines = note.signatures.filter((line) => line.name === key.name && line.keyId === key.keyId);
    for (const line of lines) {
      try {
        verifyCosignature(checkpoint, line, key, verifyOptions);
      } catch (error) {
        if (error instanceof ProofError) throw new Refused('bad-signature', 'a cosignature in our name is not ours');
        throw error;
      }
    }
    if (lines.length > 0 && key.type === 6) signedBy.push(cosigner);
  }
  if (signedBy.length === 0) {
    throw new Refused('not-signed', 'the checkpoint has no ML-DSA-44 cosignature of this witness');
  }
  return signedBy;
}

function checkSubtree({ start, end, subtreeHash, proof, head }: SignSubtreeRequest): void {
  const { size, root } = head.checkpoint;
  try {
    checkSubtreeConsistency({ start, end, size, subtreeHash, root, proof });
  } catch (error) {
    if (error instanceof ProofError) throw new Refused('bad-proof', 'the subtree consistency proof does not verify');
    throw error;
  }
}

/** Without a time: a subtree says nothing about which tree is the largest. */
async function cosign({ key, sign }: Cosigner, subtree: SignedSubtree): Promise<NoteSignature> {
  return makeCosignature(key, 0, await sign(subtreeMessage(key.name, 0, subtree)));
}
