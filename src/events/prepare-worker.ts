/** The worker thread of prepare-off-thread.ts: lines in, prepared events out, with a copy of the log's settings. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Catalogue } from './catalogue/catalogue.ts';
import { createContextSource, type PrepareSettings } from './context-source.ts';
import { type PackedLines, packLines, transferable } from './packed-lines.ts';
import { type LineOutcome, prepareLines } from './prepare-lines.ts';

/** Lines of one submission. */
export interface PrepareJob {
  readonly producerId: string;
  readonly clockOffsetUs: number | null;
  readonly lineCount: number;
}

export type PrepareRequest =
  | { readonly catalogue: Catalogue | null }
  | {
      readonly id: number;
      readonly jobs: readonly PrepareJob[];
      /** The lines of all jobs, one behind the other. */
      readonly bytes: Uint8Array;
      /** Where each of them ends. */
      readonly ends: Uint32Array;
    };

export type PrepareReply =
  | { readonly id: number; readonly packed: PackedLines }
  | { readonly id: number; readonly error: string };

const settings: PrepareSettings = workerData;
const source = createContextSource(settings);

parentPort?.on('message', (request: PrepareRequest) => {
  if ('catalogue' in request) {
    source.useCatalogue(request.catalogue);
    return;
  }
  const { id } = request;
  try {
    const packed = packLines(prepareJobs(request.jobs, request.bytes, request.ends));
    parentPort?.postMessage({ id, packed } satisfies PrepareReply, transferable(packed));
  } catch (error) {
    const reply: PrepareReply = { id, error: error instanceof Error ? error.message : 'the lines were not prepared' };
    parentPort?.postMessage(reply);
  }
});

function prepareJobs(jobs: readonly PrepareJob[], bytes: Uint8Array, ends: Uint32Array): readonly LineOutcome[] {
  const outcomes: LineOutcome[] = [];
  let line = 0;
  for (const { producerId, clockOffsetUs, lineCount } of jobs) {
    const lines = Array.from({ length: lineCount }, (_, i) => bytes.subarray(ends[line + i - 1] ?? 0, ends[line + i]));
    outcomes.push(...prepareLines(lines, { ...source.contextFor(producerId), clockOffsetUs }));
    line += lineCount;
  }
  return outcomes;
}
