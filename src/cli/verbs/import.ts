/**
 * `countersign import cloudtrail`: real records into the log, once. Every record ends up as new, as duplicate (it was
 * there), or as refused with the reason; then it waits for the cosigned checkpoint that covers them all.
 */
import { Argument, Command } from 'commander';
import { parsePolicy } from '../../../proofs/policy.ts';
import { parseTimeoutMs } from '../arguments.ts';
import { awaitCheckpoint, type PublishedCheckpoint } from '../await-checkpoint.ts';
import { EXIT } from '../errors.ts';
import { type Io, printResult } from '../io.ts';
import { startProgress } from '../progress.ts';
import { findRecordFiles, readRecordFile } from '../read-cloudtrail.ts';
import { type RefusedEvent, type SubmitOptions, submitEvents } from '../submit-events.ts';
import { addTargetOptions, readPolicyText, resolveTarget, type TargetOptions } from '../target.ts';
import { formatRefusal } from './submit.ts';

interface ImportOptions extends TargetOptions {
  readonly timeout: number;
  readonly json?: boolean;
}

interface Totals {
  files: number;
  read: number;
  accepted: number;
  duplicate: number;
  /** One past the highest index that was acknowledged. */
  size: number;
  readonly refused: RefusedEvent[];
}

const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_REFUSALS_PRINTED = 20;

export function importVerb(io: Io): Command {
  return addTargetOptions(
    new Command('import')
      .description('import records of another system as events; importing twice adds nothing')
      .addArgument(new Argument('<format>', 'what the files hold').choices(['cloudtrail']))
      .argument('<FILE|DIR...>', '.json and .json.gz files; of a directory, all of them, also in its subdirectories'),
    'producer',
  )
    .option('--policy <FILE>', 'trust policy for the checkpoint at the end (default: that of the network file)')
    .option(
      '--timeout <SECONDS>',
      'how long to try while the log is away, and to wait for the checkpoint (default: 120)',
      parseTimeoutMs,
      DEFAULT_TIMEOUT_MS,
    )
    .option('--json', 'print JSON')
    .action((_format: string, names: readonly string[], options: ImportOptions) => importRecords(io, names, options));
}

async function importRecords(io: Io, names: readonly string[], options: ImportOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'producer');
  const policy = parsePolicy((await readPolicyText(io, options)).text);
  const files = await findRecordFiles(names);
  const totals: Totals = { files: files.length, read: 0, accepted: 0, duplicate: 0, size: 0, refused: [] };
  const progress = startProgress(io, 'files', files.length);
  let done = 0;
  const submitOptions: SubmitOptions = {
    timeoutMs: options.timeout,
    onAccepted: ({ status, index }) => {
      totals[status] += 1;
      totals.size = Math.max(totals.size, index + 1);
      progress.update(done, `${totals.accepted + totals.duplicate} events`);
    },
    onRefused: (refused) => void totals.refused.push(refused),
    onWait: (error) => progress.waiting(done, `trying again: ${error.message}`),
  };
  try {
    for (const file of files) {
      const { submissions, refused } = await readRecordFile(file);
      totals.read += submissions.length + refused.length;
      totals.refused.push(...refused);
      await submitEvents(io, target, submissions, submitOptions);
      done += 1;
      progress.update(done, `${totals.accepted + totals.duplicate} events`);
    }
  } finally {
    progress.stop();
  }
  const published =
    totals.size === 0 ? undefined : await awaitCheckpoint(io, target, policy, totals.size, options.timeout);
  report(io, options, totals, published);
}

function report(io: Io, options: ImportOptions, totals: Totals, published: PublishedCheckpoint | undefined): void {
  const { files, read, accepted, duplicate, refused } = totals;
  const checkpoint = { checkpoint_size: published?.size ?? 0, witnesses: published?.witnesses ?? [] };
  printResult(io, options.json, { files, read, new: accepted, duplicate, refused, ...checkpoint }, [
    `${read} records read from ${files} files: ${accepted} new, ${duplicate} there before, ${refused.length} refused`,
    published === undefined
      ? 'no event went in, so there is no checkpoint to wait for'
      : `a checkpoint of ${published.size} entries covers them, cosigned by ${(published.witnesses ?? []).join(', ')}`,
  ]);
  for (const refusal of refused.slice(0, MAX_REFUSALS_PRINTED)) io.err(formatRefusal(refusal));
  if (refused.length > MAX_REFUSALS_PRINTED)
    io.err(`and ${refused.length - MAX_REFUSALS_PRINTED} more (--json lists all)\n`);
  if (refused.length > 0) io.exitWith(EXIT.failed);
}
