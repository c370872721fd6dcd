/**
 * The page's end of the worker. The worker runs this page's own script, from a blob of the text that the page's policy
 * has the hash of; so there is one script, and nothing is fetched.
 */
import type { Answer, Judged, Pins, Request } from './protocol.ts';

/** One file, or an opened event with its receipt. */
export interface Evidence {
  readonly name: string;
  readonly file: Blob;
  readonly receipt?: Blob | undefined;
}

export type OnProgress = (done: number, total: number | undefined) => void;

export interface Verifier {
  verify(evidence: Evidence, pins: Pins, onProgress: OnProgress): Promise<Judged>;
  /** Stops at once; what was waited for is rejected. */
  close(): void;
}

export class VerifierBroken extends Error {}

export function openVerifier(start: () => Worker): Verifier {
  const worker = start();
  const waiting = new Map<number, { done: (judged: Judged) => void; fail: (error: Error) => void; tell: OnProgress }>();
  let last = 0;
  const failAll = (message: string): void => {
    for (const { fail } of waiting.values()) fail(new VerifierBroken(message));
    waiting.clear();
  };
  worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    const one = waiting.get(data.id);
    if (one === undefined) return;
    if (data.kind === 'progress') {
      one.tell(data.done, data.total);
      return;
    }
    waiting.delete(data.id);
    if (data.kind === 'judged') one.done(data.judged);
    else one.fail(new VerifierBroken(data.message));
  });
  worker.addEventListener('error', (event) => failAll(event.message || 'the worker stopped'));
  return {
    verify: ({ name, file, receipt }, pins, tell) => {
      const id = ++last;
      const request: Request = { id, pins, name, file, receipt };
      return new Promise((done, fail) => {
        waiting.set(id, { done, fail, tell });
        worker.postMessage(request);
      });
    },
    close: () => {
      worker.terminate();
      failAll('stopped');
    },
  };
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

declare global {
  interface Window {
    /** https://www.w3.org/TR/trusted-types/; the page's policy allows this one and nothing else. */
    readonly trustedTypes?: TrustedTypes;
  }
}

/** Starts workers that run this script. To be called once: the page may make its one policy for such URLs only once. */
export function workerStarter(script: string): () => Worker {
  const policy = window.trustedTypes?.createPolicy('countersign-worker', { createScriptURL: (own) => own });
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  return () => new Worker(policy?.createScriptURL(url) ?? url);
}
