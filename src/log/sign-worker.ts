/** The worker thread of sign-off-thread.ts: one message in, one signature out. ML-DSA-44 takes 6 to 25 ms. */
import { parentPort } from 'node:worker_threads';
import { parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { cosignedMessage, makeCosignature } from '../../proofs/cosignature.ts';
import { parseSignerKey, type SignerKey } from '../../proofs/key.ts';
import { signerOf } from '../../proofs/mldsa44.ts';

export interface SignRequest {
  readonly id: number;
  readonly body: string;
  readonly signerKey: string;
  readonly timestamp: number;
}

/** `bytes` is the signature as it stands in the note, without the key id. */
export type SignReply =
  | { readonly id: number; readonly bytes: Uint8Array }
  | { readonly id: number; readonly error: string };

interface Signer {
  readonly key: SignerKey;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** By the text of the key: a log has one, or two while they are changed, and making one ready takes milliseconds. */
const signers = new Map<string, Signer>();

parentPort?.on('message', ({ id, body, signerKey, timestamp }: SignRequest) => {
  let reply: SignReply;
  try {
    const { key, sign } = signerFor(signerKey);
    const message = cosignedMessage(parseCheckpointBody(body), key, timestamp);
    reply = { id, bytes: makeCosignature(key, timestamp, sign(message)).signature };
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : 'the signature could not be made' };
  }
  parentPort?.postMessage(reply);
});

function signerFor(signerKey: string): Signer {
  const known = signers.get(signerKey);
  if (known !== undefined) return known;
  const key = parseSignerKey(signerKey);
  const signer = { key, sign: signerOf(key.secret) };
  signers.set(signerKey, signer);
  return signer;
}
