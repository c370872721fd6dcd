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
import { fetchControl } from '../fetch-control.ts';
import type { Io } from '../io.ts';
import { addQuestion, readQuestion } from '../question.ts';
import { controlById, MAPPING_HELP, readControls } from '../read-controls.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';
import { DEFAULT_SHOWN_EVENTS, tellBundle } from '../tell-evidence.ts';

interface EvidenceOptions extends TargetOptions {
  readonly query: string;
  readonly from?: string;
  readonly to?: string;
  readonly mode?: string;
  readonly pin?: string;
  readonly control?: string;
  readonly mapping?: string;
  readonly resume?: string;
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
    .option('--control <ID>', 'instead of a question: the bundles for a control such as SOC2:CC7.2, and a cover page')
    .option('--mapping <FILE>', MAPPING_HELP)
    .option('--resume <BUNDLE>', 'instead of a question: go on with a bundle that was asked for before')
    .requiredOption('--out <FILE>', 'where the bundle goes (zip); for a control, a directory')
    .option('--policy <FILE>', 'trust policy to verify it with (default: that of the network file)')
    .option('--show <N>', `matches to print (default: ${DEFAULT_SHOWN_EVENTS})`, parseCount, DEFAULT_SHOWN_EVENTS)
    .option('--timeout <SECONDS>', 'how long it may take (default: 600)', parseTimeoutMs, BUNDLE_TIMEOUT_MS)
    .option('--json', 'print JSON')
    .action((words: readonly string[], options: EvidenceOptions) => fetchEvidence(io, words, options));
}

async function fetchEvidence(io: Io, words: readonly string[], options: EvidenceOptions): Promise<void> {
  const { control: controlId, resume } = options;
  const ways = [words.length > 0 || options.query !== '', controlId !== undefined, resume !== undefined];
  if (ways.filter((way) => way).length > 1) {
    throw new CliError('usage', 'a question, --control and --resume exclude each other');
  }
  const target = await resolveTarget(io, options, 'auditor');
  if (controlId !== undefined) {
    const mapping = await readControls(options.mapping);
    const held = options.pin === undefined ? {} : { pinned_size: await pinnedSize(options.pin) };
    await fetchControl(io, target, { mapping, control: controlById(mapping, controlId) }, options, held);
    return;
  }
  const question = {
    query: readQuestion([...words, options.query]),
    from: options.from,
    to: options.to,
    mode: options.mode,
    pinned_size: options.pin === undefined ? undefined : await pinnedSize(options.pin),
  };
  const { out, timeout: timeoutMs } = options;
  const fetched = await fetchBundle(io, target, { question, out, timeoutMs, ...(resume !== undefined && { resume }) });
  await tellBundle(io, options, fetched);
}

async function pinnedSize(file: string): Promise<number> {
  try {
    return parseCheckpoint(await readFile(file)).checkpoint.size;
  } catch (error) {
    throw new CliError('unreadable-input', `${file} is no checkpoint: ${messageOf(error)}`);
  }
}
