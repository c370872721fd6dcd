/**
 * `countersign evidence`: a question in, a bundle out that proves its answer; verified at once against the policy, and
 * told in words. `countersign verify` tells the same, years later and with nothing running.
 */
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { parseCheckpoint } from '../../../proofs/checkpoint.ts';
import { parseCount, parseTimeoutMs } from '../arguments.ts';
import { CliError, messageOf } from '../errors.ts';
import { BUNDLE_TIMEOUT_MS, fetchBundle } from '../fetch-bundle.ts';
import type { Io } from '../io.ts';
import { addQuestion, readQuestion } from '../question.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';
import { DEFAULT_SHOWN_EVENTS, tellBundle } from '../tell-evidence.ts';

interface EvidenceOptions extends TargetOptions {
  readonly query: string;
  readonly from?: string;
  readonly to?: string;
  readonly mode?: string;
  readonly pin?: string;
  readonly out: string;
  readonly timeout: number;
  readonly show: number;
  readonly json?: boolean;
}

export function evidenceVerb(io: Io): Command {
  return addTargetOptions(
    addQuestion(
      new Command('evidence').description('answer a question with a bundle that proves it, and show what it says'),
    ),
    'auditor',
  )
    .option('--query <TEXT>', 'the question, or more of it, as one argument', '')
    .option('--from <TIME>', 'log time: a date, or an RFC 3339 time')
    .option('--to <TIME>', 'log time: a date (included), or an RFC 3339 time (excluded)')
    .addOption(
      new Option('--mode <MODE>', 'complete proves that nothing is left out').choices(['complete', 'selected']),
    )
    .option('--pin <HEAD>', 'a checkpoint that you hold: the bundle proves that the log extends it')
    .requiredOption('--out <FILE>', 'where the bundle goes (zip)')
    .option('--policy <FILE>', 'trust policy to verify it with (default: that of the network file)')
    .option('--show <N>', `matches to print (default: ${DEFAULT_SHOWN_EVENTS})`, parseCount, DEFAULT_SHOWN_EVENTS)
    .option('--timeout <SECONDS>', 'how long it may take (default: 600)', parseTimeoutMs, BUNDLE_TIMEOUT_MS)
    .option('--json', 'print JSON')
    .action((words: readonly string[], options: EvidenceOptions) => fetchEvidence(io, words, options));
}

async function fetchEvidence(io: Io, words: readonly string[], options: EvidenceOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const question = {
    query: readQuestion([...words, options.query]),
    from: options.from,
    to: options.to,
    mode: options.mode,
    pinned_size: options.pin === undefined ? undefined : await pinnedSize(options.pin),
  };
  const { out, timeout: timeoutMs } = options;
  const fetched = await fetchBundle(io, target, { question, out, timeoutMs });
  await tellBundle(io, options, fetched);
}

async function pinnedSize(file: string): Promise<number> {
  try {
    return parseCheckpoint(await readFile(file)).checkpoint.size;
  } catch (error) {
    throw new CliError('unreadable-input', `${file} is no checkpoint: ${messageOf(error)}`);
  }
}
