/** Makes ML-DSA-44 signatures in a worker thread, so that submissions never wait for one. One worker serves a process. */
import type { Worker } from 'node:worker_threads';
import type { Checkpoint } from '../../proofs/checkpoint.ts';
import { formatSignerKey, type SignerKey } from '../../proofs/key.ts';
import { makeSignature, type NoteSignature } from '../../proofs/note.ts';
import { startWorker } from '../events/start-worker.ts';
import type { SignReply, SignRequest } from './sign-worker.ts';

export interface OffThreadSigner {
  sign(checkpoint: Checkpoint, signer: SignerKey, timestamp: number): Promise<NoteSignature>;
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

export function startOffThreadSigner(): OffThreadSigner {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let lastId = 0;

  const start = (): Worker => {
    const started = startWorker(new URL('./sign-worker', import.meta.url).href, import.meta.url);
    started.unref();
    started.on('message', (reply: SignReply) => {
      const one = waiting.get(reply.id);
      waiting.delete(reply.id);
      if ('bytes' in reply) one?.resolve(reply.bytes);
      else one?.reject(new Error(reply.error));
    });
    started.on('error', (error: Error) => {
      worker = undefined;
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
    });
    return started;
  };

  return {
    sign: async (checkpoint, signer, timestamp) => {
      worker ??= start();
      lastId += 1;
      const request: SignRequest = { id: lastId, body: checkpoint.body, signerKey: formatSignerKey(signer), timestamp };
      const bytes = await new Promise<Uint8Array>((resolve, reject) => {
        waiting.set(request.id, { resolve, reject });
        worker?.postMessage(request);
      });
      return makeSignature(signer.name, signer.keyId, bytes);
    },
    close: async () => {
      await worker?.terminate();
      worker = undefined;
      for (const one of waiting.values()) one.reject(new Error('the signer was closed'));
      waiting.clear();
    },
  };
}
