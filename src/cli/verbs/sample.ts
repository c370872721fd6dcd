/**
 * `countersign sample`: a random sample that neither auditor nor operator can steer, in the steps of docs/samples.md: commit,
 * wait for a cosigned head, draw, verify.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command, InvalidArgumentError, Option } from 'commander';
import { base64Encode } from '../../../proofs/bytes.ts';
import type { JsonObject } from '../../../proofs/canonical-json.ts';
import { drandRoundAt } from '../../../proofs/drand.ts';
import { BUNDLE_FILTER_NAMES } from '../../../proofs/filter.ts';
import { parsePolicy } from '../../../proofs/policy.ts';
import { NONCE_BYTES, nonceHash } from '../../../proofs/sample-draw.ts';
import { isStratum } from '../../../proofs/sample-entries.ts';
import { designJson, readDesign, type SampleDesign, sampleSize } from '../../../proofs/sample-size.ts';
import { parseCount, parseEntries, parseTimeoutMs } from '../arguments.ts';
import { awaitCheckpoint } from '../await-checkpoint.ts';
import { parseAnswer, send, unexpectedAnswer, withRetries } from '../client.ts';
import { CliError } from '../errors.ts';
import { BUNDLE_TIMEOUT_MS, fetchBundle } from '../fetch-bundle.ts';
import { fetchDrandSignature } from '../fetch-drand.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { addQuestion, readQuestion } from '../question.ts';
import { createSampleFile, readSampleFile, replaceSampleFile, type SampleFile } from '../sample-file.ts';
import { addTargetOptions, readPolicyText, resolveTarget, type Target, type TargetOptions } from '../target.ts';
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

const RETRY_MS = 30_000;

const SampleAnswer = Type.Object({
  sample: Type.Integer({ minimum: 0 }),
  head_size: Type.Integer({ minimum: 0 }),
  start: Type.Integer(),
  end: Type.Integer(),
  query: Type.String(),
  number: Type.Integer(),
  reveal: Type.Union([Type.Integer(), Type.Null()]),
  drand_round: Type.Union([Type.Integer(), Type.Null()]),
  matches: Type.Optional(Type.Integer()),
});
type SampleAnswer = Static<typeof SampleAnswer>;
const ListAnswer = Type.Object({ samples: Type.Array(SampleAnswer) });

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
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const { from, to, strata, delay, drandIn, out } = options;
  const round = drandIn === undefined ? undefined : drandRoundAt(io.nowMs() / 1000 + drandIn) + 1;
  const asked = {
    ...{ query: readQuestion(words), from, to, strata, delay, drand_round: round },
    ...{ design: designJson(designOf(options)), nonce_hash: base64Encode(nonceHash(nonce)) },
  };
  const content: SampleFile = {
    ...{ format: 'countersign/sample-file/v1', log: target.logUrl, nonce: base64Encode(nonce) },
    asked: { ...asked },
  };
  await createSampleFile(out, content);
  const sample = await tellCommit(io, target, out, content);
  const { sample: index, start, end, matches, number } = sample;
  printResult(io, options.json, { file: out, ...sample }, [
    `Entry ${index} commits to a sample of ${oneLine(sample.query)} in [${start}, ${end})${matches === undefined ? '' : `, ${matches} events`}.`,
    `You had committed to ${number} samples before it. ${out} holds your nonce: show it to nobody before the draw.`,
    `Then: countersign sample draw ${out} --out REPORT.zip`,
  ]);
}

/** The log answers the same nonce with the same entry, so that a commit whose answer was lost can be sent again. */
async function tellCommit(io: Io, target: Target, file: string, content: SampleFile): Promise<SampleAnswer> {
  const answer = await post(io, target, 'samples', content.asked);
  const { sample, head_size, drand_round } = answer;
  await replaceSampleFile(file, { ...content, sample, head_size, drand_round });
  return answer;
}

async function draw(io: Io, file: string, options: DrawOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const kept = await readSampleFile(file);
  const answered = kept.head_size === undefined ? await tellCommit(io, target, file, kept) : kept;
  const { sample, head_size: headSize = 0, drand_round: round = null } = answered;
  const policy = parsePolicy((await readPolicyText(io, options)).text);
  const signature = await drandSignature(io, options, round);
  // From here on the head is fixed: what the nonce decides can no longer be changed by anyone.
  const { note, size } = await awaitCheckpoint(io, target, policy, headSize, options.timeout);
  const head = `${file}.checkpoint`;
  await writeFile(head, note);
  await post(io, target, `samples/${sample}/reveal`, {
    nonce: kept.nonce,
    drand_signature: signature === undefined ? undefined : base64Encode(signature),
  });
  const fetched = await fetchBundle(io, target, {
    path: `samples/${sample}/report`,
    question: { pinned_size: size },
    ...{ out: options.out, timeoutMs: options.timeout },
  });
  await tellBundle(io, { ...options, pin: head }, fetched);
}

async function drandSignature(io: Io, { drand }: DrawOptions, round: number | null): Promise<Uint8Array | undefined> {
  if (round === null) return undefined;
  if (drand !== undefined) return fetchDrandSignature(io, drand, round);
  throw new CliError('usage', `the commit names drand round ${round}`, 'Say with --drand URL where to fetch it.');
}

async function list(io: Io, options: TargetOptions & { readonly json?: boolean }): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const url = `${target.logUrl}/samples`;
  const answer = parseAnswer(url, (await send(io, target, url)).text);
  if (!Value.Check(ListAnswer, answer)) throw unexpectedAnswer(url, 'it is not a list of samples');
  printResult(
    io,
    options.json,
    answer,
    answer.samples.map(({ sample, query, start, end, reveal }) => {
      const state = reveal === null ? 'NOT DRAWN' : `drawn, entry ${reveal}`;
      return `entry ${sample}  ${oneLine(query)}  [${start}, ${end})  ${state}`;
    }),
  );
}

async function post(io: Io, target: Target, path: string, body: object): Promise<SampleAnswer> {
  const url = `${target.logUrl}/${path}`;
  const request = {
    method: 'POST' as const,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  };
  const { text } = await withRetries(
    io,
    RETRY_MS,
    () => send(io, target, url, request),
    (error) => io.err(`trying again: ${error.message}\n`),
  );
  const answer = parseAnswer(url, text);
  if (Value.Check(SampleAnswer, answer)) return answer;
  throw unexpectedAnswer(url, 'it is not a sample');
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
