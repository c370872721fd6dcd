/** `countersign proof`: the receipt of an event, or with --out the pair of files that `verify` reads, also for all events. */
import path from 'node:path';
import { Command } from 'commander';
import { awaitCheckpoint, type PublishedCheckpoint } from '../await-checkpoint.ts';
import { CliError } from '../errors.ts';
import {
  assembleReceipt,
  EVENT_SUFFIX,
  evidenceStem,
  type FetchOptions,
  fetchAllEvents,
  fetchEvent,
  fetchReceipt,
  type OpenedText,
  RECEIPT_SUFFIX,
  writeEvidence,
} from '../fetch-evidence.ts';
import { makeDirectory } from '../files.ts';
import { type Io, printResult } from '../io.ts';
import { type Progress, startProgress } from '../progress.ts';
import { resolveTarget } from '../target.ts';
import { addEventOptions, type EventOptions, eventName } from './event.ts';

interface ProofOptions extends EventOptions {
  readonly all?: boolean;
}

/** Receipts that are asked for at one time. */
const PARALLEL_RECEIPTS = 8;

export function proofVerb(io: Io): Command {
  return addEventOptions(new Command('proof').description('print the receipt of an event (a C2SP .tlog-proof)'))
    .option('--out <DIR>', `write EVENT_ID${EVENT_SUFFIX} and EVENT_ID${RECEIPT_SUFFIX} there, for "verify"`)
    .option('--all', 'with --out: do so for every event of the log')
    .action((id: string | undefined, options: ProofOptions) => proof(io, id, options));
}

async function proof(io: Io, id: string | undefined, options: ProofOptions): Promise<void> {
  if (options.all === true) return writeAll(io, id, options);
  const name = eventName(id, options);
  const target = await resolveTarget(io, options, 'auditor');
  const onWait = (error: Error): void => io.err(`trying again: ${error.message}\n`);
  const fetchOptions = { timeoutMs: options.timeout, onWait };
  const receipt = await fetchReceipt(io, target, name, fetchOptions);
  if (options.out === undefined) {
    io.out(options.json === true ? `${JSON.stringify({ receipt })}\n` : receipt);
    return;
  }
  const opened = await fetchEvent(io, target, name, fetchOptions);
  const directory = path.resolve(options.out);
  await makeDirectory(directory);
  const stem = evidenceStem(opened, () => false);
  await writeEvidence(directory, stem, opened.text, receipt);
  const files = [EVENT_SUFFIX, RECEIPT_SUFFIX].map((suffix) => path.join(directory, `${stem}${suffix}`));
  printResult(io, options.json, { index: opened.index, event_id: opened.eventId ?? null, files }, files);
}

async function writeAll(io: Io, id: string | undefined, options: ProofOptions): Promise<void> {
  if (options.out === undefined || id !== undefined || options.index !== undefined) {
    throw new CliError('usage', '--all is for every event', 'Use it with --out DIR, and without EVENT_ID and --index.');
  }
  const target = await resolveTarget(io, options, 'auditor');
  const directory = path.resolve(options.out);
  await makeDirectory(directory);
  const stems = new Set<string>();
  let progress: Progress | undefined;
  let checkpoint: PublishedCheckpoint | undefined;
  const onWait = (error: Error): void => progress?.waiting(stems.size, `waiting: ${error.message}`);
  const fetchOptions: FetchOptions = { timeoutMs: options.timeout, onWait };
  // All pages are pinned to one size, so one checkpoint serves all receipts.
  const onSize = async (size: number): Promise<void> => {
    progress ??= startProgress(io, 'receipts', size);
    checkpoint ??= await awaitCheckpoint(io, target, undefined, size, options.timeout);
  };
  try {
    for await (const page of fetchAllEvents(io, target, fetchOptions, onSize)) {
      await forEachLimited(page, async (opened) => {
        if (checkpoint === undefined) return;
        const stem = evidenceStem(opened, (taken) => stems.has(taken));
        stems.add(stem);
        const receipt = await assembleReceipt(io, target, opened, checkpoint, fetchOptions);
        await writeEvidence(directory, stem, opened.text, receipt);
        progress?.update(stems.size);
      });
    }
  } finally {
    progress?.stop();
  }
  printResult(io, options.json, { events: stems.size, directory }, [
    `${stems.size} events and receipts in ${directory}`,
  ]);
}

async function forEachLimited(items: readonly OpenedText[], work: (item: OpenedText) => Promise<void>): Promise<void> {
  const queue = items.values();
  const workers = Array.from({ length: PARALLEL_RECEIPTS }, async () => {
    for (const item of queue) await work(item);
  });
  await Promise.all(workers);
}
