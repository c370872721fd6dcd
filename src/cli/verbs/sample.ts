/**
 * `countersign sample`: a random sample that neither auditor nor operator can steer, in the steps of docs/samples.md: commit,
 * wait for a cosigned head, draw, verify.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { JsonObject } from '../../../proofs/canonical-json.ts';
import { drandRoundAt } from '../../../proofs/drand.ts';
import { BUNDLE_FILTER_NAMES } from '../../../proofs/filter.ts';
import { isStratum } from '../../../proofs/sample-entries.ts';
import { designJson, readDesign, type SampleDesign, sampleSize } from '../../../proofs/sample-size.ts';
import { parseCount, parseEntries, parseTimeoutMs } from '../arguments.ts';
import { commitSample, drawSample, listSamples } from '../draw-sample.ts';
import { CliError } from '../errors.ts';
import { BUNDLE_TIMEOUT_MS } from '../fetch-bundle.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { addQuestion, readQuestion } from '../question.ts';
import { addTargetOptions, readPolicyText, resolveTarget, type TargetOptions } from '../target.ts';
import { DEFAULT_SHOWN_EVENTS, tellBundle } from '../tell-evidence.ts';
import { verifyVerb } from './verify.ts';

interface DesignOptions {
  readonly size?: number;
  readonly rate?: number;
  readonly confidence?: string;
  readonly tolerable?: number;
  readonly deviations: number;
}

interface CommitOptions extends TargetOptions, DesignOptions {
  readonly from?: string;
  readonly to?: string;
  readonly strata?: string;
  readonly delay?: number;
  readonly drandIn?: number;
  readonly out: string;
  readonly json?: boolean;
}

interface DrawOptions extends TargetOptions {
  readonly out: string;
  readonly drand?: string;
  readonly timeout: number;
  readonly show: number;
  readonly json?: boolean;
}

export function sampleVerb(io: Io): Command {
  const sample = new Command('sample').description('draw a random sample that neither auditor nor operator can steer');
  sample.addCommand(commitCommand(io));
  sample.addCommand(drawCommand(io));
  sample.addCommand(verifyVerb(io));
  sample.addCommand(
    addTargetOptions(new Command('list').description('your samples, and which were never drawn'), 'auditor')
      .option('--json', 'print JSON')
      .action((options: TargetOptions & { readonly json?: boolean }) => list(io, options)),
  );
  sample.addCommand(
    addDesign(new Command('size').description('how many events a sample needs; asks nobody'))
      .requiredOption('--population <N>', 'events that it is drawn from', parseEntries)
      .option('--json', 'print JSON')
      .action((options: DesignOptions & { readonly population: number; readonly json?: boolean }) => {
        const size = sampleSize(designOf(options), options.population);
        printResult(io, options.json, { population: options.population, size }, [`${size}`]);
      }),
  );
  return sample;
}

function commitCommand(io: Io): Command {
  return addDesign(
    addTargetOptions(
      addQuestion(new Command('commit').description('commit to a nonce and a population; it becomes an entry')),
      'auditor',
    ),
  )
    .option('--from <TIME>', 'log time: a date, or an RFC 3339 time')
    .option('--to <TIME>', 'log time: a date (included), or an RFC 3339 time (excluded); at most now')
    .addOption(
      new Option('--strata <MEMBER>', 'draw in proportion, and at least one, from each value of this').choices(
        BUNDLE_FILTER_NAMES.filter(isStratum),
      ),
    )
    .option('--delay <N>', 'entries between the commit and the end of the head that goes into the seed', parseCount)
    .option('--drand-in <SECONDS>', 'mix in the drand round that is due in so many seconds', parseCount)
    .requiredOption('--out <FILE>', 'keeps your nonce until the draw; show it to nobody')
    .option('--json', 'print JSON')
    .action((words: readonly string[], options: CommitOptions) => commit(io, words, options));
}

function drawCommand(io: Io): Command {
  return addTargetOptions(
    new Command('draw')
      .description('wait for the head, open the nonce, fetch the report and verify it')
      .argument('<FILE>', 'what "sample commit" wrote'),
    'auditor',
  )
    .requiredOption('--out <FILE.zip>', 'where the report goes')
    .option('--policy <FILE>', 'trust policy: whose head the nonce is opened for (default: that of the network file)')
    .option('--drand <URL>', 'where to fetch the drand round, if the commit named one; any server will do')
    .option('--show <N>', `events to print (default: ${DEFAULT_SHOWN_EVENTS})`, parseCount, DEFAULT_SHOWN_EVENTS)
    .option('--timeout <SECONDS>', 'how long it may take (default: 600)', parseTimeoutMs, BUNDLE_TIMEOUT_MS)
    .option('--json', 'print JSON')
    .action((file: string, options: DrawOptions) => draw(io, file, options));
}

function addDesign(command: Command): Command {
  return command
    .option('--size <N>', 'draw so many', parseCount)
    .option('--rate <PERCENT>', 'draw so much of the population', parseBasisPoints)
    .addOption(new Option('--confidence <PERCENT>', 'attribute sampling: with --tolerable').choices(['95', '99']))
    .option('--tolerable <PERCENT>', 'rate of deviations from which on the sample has to show it', parseBasisPoints)
    .option('--deviations <N>', 'deviations that are expected in the sample, 0 to 3 (default: 0)', parseCount, 0);
}

/** Throws CliError `usage`. */
function designOf({ size, rate, confidence, tolerable, deviations }: DesignOptions): SampleDesign {
  const json: JsonObject = {
    ...(size !== undefined && { size }),
    ...(rate !== undefined && { rate_bp: rate }),
    ...((confidence ?? tolerable) !== undefined && {
      ...{ confidence: Number(confidence), tolerable_bp: tolerable ?? 0, deviations },
    }),
  };
  try {
    return readDesign(json);
  } catch {
    throw new CliError(
      'usage',
      'a sample needs one size',
      'Give --size N, or --rate PERCENT, or --confidence 95 --tolerable PERCENT (0.1 and more) [--deviations 0..3].',
    );
  }
}

async function commit(io: Io, words: readonly string[], options: CommitOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const { from, to, strata, delay, drandIn, out } = options;
  const round = drandIn === undefined ? undefined : drandRoundAt(io.nowMs() / 1000 + drandIn) + 1;
  const question = {
    ...{ query: readQuestion(words), from, to, strata, delay, drand_round: round },
    design: designJson(designOf(options)),
  };
  const sample = await commitSample(io, target, out, question);
  const { sample: index, start, end, matches, number } = sample;
  printResult(io, options.json, { file: out, ...sample }, [
    `Entry ${index} commits to a sample of ${oneLine(sample.query)} in [${start}, ${end})${matches === undefined ? '' : `, ${matches} events`}.`,
    `You had committed to ${number} samples before it. ${out} holds your nonce: show it to nobody before the draw.`,
    `Then: countersign sample draw ${out} --out REPORT.zip`,
  ]);
}

async function draw(io: Io, file: string, options: DrawOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const { text: policyText } = await readPolicyText(io, options);
  const { out, drand, timeout: timeoutMs } = options;
  const { fetched, pin } = await drawSample(io, target, { file, out, policyText, drand, timeoutMs });
  await tellBundle(io, { ...options, pin }, fetched);
}

async function list(io: Io, options: TargetOptions & { readonly json?: boolean }): Promise<void> {
  const samples = await listSamples(io, await resolveTarget(io, options, 'auditor'));
  printResult(
    io,
    options.json,
    { samples },
    samples.map(({ sample, query, start, end, reveal }) => {
      const state = reveal === null ? 'NOT DRAWN' : `drawn, entry ${reveal}`;
      return `entry ${sample}  ${oneLine(query)}  [${start}, ${end})  ${state}`;
    }),
  );
}

/** Percent with at most two decimals, as basis points. */
function parseBasisPoints(text: string): number {
  const [, whole = '', decimals = ''] = /^(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,2}))?$/.exec(text) ?? [];
  const points = Number(whole) * 100 + Number(decimals.padEnd(2, '0'));
  if (whole === '' || points < 1 || points > 10_000) {
    throw new InvalidArgumentError('It must be a percentage from 0.01 to 100, with at most two decimals.');
  }
  return points;
}
