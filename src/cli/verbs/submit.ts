/** `countersign submit`: one JSON event or many as NDJSON, from a file or standard input, until the log has them all. */
import { Command } from 'commander';
import { parsePolicy } from '../../../proofs/policy.ts';
import { parseTimeoutMs } from '../arguments.ts';
import { awaitCheckpoint } from '../await-checkpoint.ts';
import { CliError, EXIT, messageOf } from '../errors.ts';
import { decodeText, readInput } from '../files.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { startProgress } from '../progress.ts';
import {
  type AcceptedEvent,
  type RefusedEvent,
  type Submission,
  type SubmitOptions,
  submitEvents,
} from '../submit-events.ts';
import { readProducerKey, submitSigned } from '../submit-signed.ts';
import { addTargetOptions, readPolicyText, resolveTarget, type TargetOptions } from '../target.ts';

interface SubmitVerbOptions extends TargetOptions {
  readonly timeout: number;
  readonly wait?: boolean;
  readonly sign?: string;
  readonly json?: boolean;
}

const STDIN = '-';
const DEFAULT_TIMEOUT_MS = 60_000;

export function submitVerb(io: Io): Command {
  return addTargetOptions(
    new Command('submit')
      .description('submit events: a JSON object, or NDJSON with one event per line; safe to run again')
      .argument('<FILE>', `file with the event or events; ${STDIN} reads standard input`),
    'producer',
  )
    .option('--sign <KEY>', 'sign each event with the secret key in this file (see producer-key)')
    .option('--wait', 'also wait until a cosigned checkpoint covers the events (checked under --policy)')
    .option('--policy <FILE>', 'trust policy for --wait (default: that of the network file)')
    .option(
      '--timeout <SECONDS>',
      'how long to try while the log is away (default: 60)',
      parseTimeoutMs,
      DEFAULT_TIMEOUT_MS,
    )
    .option('--json', 'print JSON')
    .action((file: string, options: SubmitVerbOptions) => submit(io, file, options));
}

async function submit(io: Io, file: string, options: SubmitVerbOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'producer');
  const submissions = splitEvents(await readText(io, file), file === STDIN ? 'standard input' : file);
  const policy = options.wait === true ? parsePolicy((await readPolicyText(io, options)).text) : undefined;
  const key = options.sign === undefined ? undefined : await readProducerKey(options.sign);
  const accepted: AcceptedEvent[] = [];
  const refused: RefusedEvent[] = [];
  const progress = startProgress(io, 'submitted', submissions.length);
  try {
    const submitOptions: SubmitOptions = {
      timeoutMs: options.timeout,
      onAccepted: (event) => {
        accepted.push(event);
        progress.update(accepted.length + refused.length);
      },
      onRefused: (event) => void refused.push(event),
      onWait: (error) => progress.waiting(accepted.length + refused.length, `trying again: ${error.message}`),
    };
    if (key === undefined) await submitEvents(io, target, submissions, submitOptions);
    else await submitSigned(io, target, key, submissions, submitOptions);
  } finally {
    progress.stop();
  }
  const size = accepted.reduce((most, { index }) => Math.max(most, index + 1), 0);
  const published =
    options.wait === true && size > 0 ? await awaitCheckpoint(io, target, policy, size, options.timeout) : undefined;
  const isNew = ({ status }: AcceptedEvent): boolean => status === 'accepted';
  const result = {
    read: submissions.length,
    accepted: accepted.filter(isNew).length,
    duplicate: accepted.filter((event) => !isNew(event)).length,
    refused,
    ...(published === undefined ? {} : { checkpoint_size: published.size }),
    events: accepted,
  };
  printResult(io, options.json, result, [
    ...accepted.map(({ status, index, event_id }) => `${status}  index ${index}  ${oneLine(event_id)}`),
    ...(published === undefined ? [] : [`a checkpoint of ${published.size} entries, cosigned, covers them`]),
  ]);
  for (const refusal of refused) io.err(formatRefusal(refusal));
  if (refused.length > 0) io.exitWith(EXIT.failed);
}

/** One refused event, for people. */
export function formatRefusal({ where, event_id, type, detail, errors }: RefusedEvent): string {
  const id = event_id === undefined ? '' : ` (event_id ${oneLine(event_id)})`;
  return `refused: ${where}${id}: ${oneLine(detail)} [${type}]\n${errors.map((line) => `  ${line}\n`).join('')}`;
}

async function readText(io: Io, file: string): Promise<string> {
  if (file !== STDIN) return readInput(file, 'the events');
  try {
    return decodeText(await io.readStdin());
  } catch (error) {
    throw new CliError('unreadable-input', `cannot read the events on standard input: ${messageOf(error)}`);
  }
}

/**
 * The events as lines. The text goes to the log as it is, never parsed and written again: what JSON.parse would hide (a
 * member twice, an integer that is too large) is for the log to refuse.
 */
function splitEvents(text: string, name: string): readonly Submission[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const isOneEvent = lines.length > 1 && !isJson(lines[0] ?? '') && isJson(text);
  // Between the tokens of valid JSON a line break means no more than a space; inside a string there is none.
  if (isOneEvent) return [{ text: lines.join(' '), where: name }];
  const submissions = lines.flatMap((line, index) =>
    line.trim() === '' ? [] : [{ text: line, where: `${name} line ${index + 1}` }],
  );
  if (submissions.length > 0) return submissions;
  throw new CliError('unreadable-input', `there is no event in ${name}`, 'Give a JSON object, or one per line.');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
