/** Where the one script begins, twice: in the page, and in the worker that the page starts with the same text. */
import { startPage } from './page.ts';
import { serveWorker, type WorkerScope } from './worker.ts';

const scope: object = globalThis;
if ('document' in scope) startPage(document.currentScript?.textContent ?? '');
else if (isWorkerScope(scope)) serveWorker(scope);

/** Without a document, a global scope that posts to whoever made it is a dedicated worker's. */
function isWorkerScope(candidate: object): candidate is WorkerScope {
  return 'postMessage' in candidate && 'addEventListener' in candidate;
}
