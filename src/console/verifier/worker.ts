/**
 * The side that verifies, in a thread of its own so that the page stays alive: takes one file after the other, tells how
 * far it is, and answers with the verdict.
 */
import { judgeEvidence } from './judge.ts';
import type { Answer, Request } from './protocol.ts';

/** What a dedicated worker's global scope has; the types of the page do not know it. */
export interface WorkerScope {
  addEventListener(type: 'message', listener: (event: { readonly data: Request }) => void): void;
  postMessage(answer: Answer): void;
}

/** Between two reports of progress. */
const PROGRESS_MS = 100;

export function serveWorker(scope: WorkerScope): void {
  let queue: Promise<void> = Promise.resolve();
  scope.addEventListener('message', ({ data }) => {
    queue = queue.then(() => answer(scope, data));
  });
}

async function answer(scope: WorkerScope, { id, pins, name, file, receipt }: Request): Promise<void> {
  try {
    const bytes = await bytesOf(file);
    const receiptBytes = receipt === undefined ? {} : { receipt: await bytesOf(receipt) };
    let toldMs = performance.now();
    const judged = judgeEvidence({ name, bytes, ...receiptBytes }, pins, {
      nowMs: () => performance.now(),
      onProgress: (done, total) => {
        const nowMs = performance.now();
        if (nowMs - toldMs < PROGRESS_MS && done > 0) return;
        toldMs = nowMs;
        scope.postMessage({ id, kind: 'progress', done, total });
      },
    });
    scope.postMessage({ id, kind: 'judged', judged });
  } catch (error) {
    scope.postMessage({ id, kind: 'broken', message: error instanceof Error ? error.message : String(error) });
  }
}

async function bytesOf(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}
