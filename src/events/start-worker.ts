/**
 * Starts a worker thread from a file of this house. In a checkout it is TypeScript, and a worker that was given
 * `--import tsx` has no loader when its parent was started through tsx itself (Node 20), so it registers one before it
 * loads its file.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** `file` is the URL of the module without its extension, which is that of whoever asks. */
export function startWorker(file: string, askedBy: string, options: WorkerOptions = {}): Worker {
  if (!askedBy.endsWith('.ts')) return new Worker(new URL(`${file}.js`), { ...options, execArgv: [] });
  const loader = import.meta.resolve('tsx/esm/api');
  const text = `import('${loader}').then((tsx) => { tsx.register(); return import('${file}.ts'); })`;
  return new Worker(text, { ...options, eval: true, execArgv: [] });
}
