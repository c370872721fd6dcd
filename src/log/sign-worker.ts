/** The worker thread of sign-off-thread.ts: one message in, one signature out. ML-DSA-44 takes 6 to 25 ms. */
import { parentPort } from 'node:worker_threads';
import { parseCheckpointBody } from '../../proofs/checkpoint.ts';
import { signCheckpoint } from '../../proofs/cosignature.ts';
import { parseSignerKey } from '../../proofs/key.ts';

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

parentPort?.on('message', ({ id, body, signerKey, timestamp }: SignRequest) => {
  let reply: SignReply;
  try {
    const line = signCheckpoint(parseCheckpointBody(body), parseSignerKey(signerKey), timestamp);
    reply = { id, bytes: line.signature };
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : 'the signature could not be made' };
  }
  parentPort?.postMessage(reply);
});
