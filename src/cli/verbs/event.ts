/** `countersign event`: one opened event, as the JSON document that `verify` reads. */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { parseIndex, parseTimeoutMs } from '../arguments.ts';
import { CliError } from '../errors.ts';
import { type EventName, fetchEvent } from '../fetch-evidence.ts';
import type { Io } from '../io.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';

export interface EventOptions extends TargetOptions {
  readonly index?: number;
  readonly producer?: string;
  readonly timeout: number;
  readonly out?: string;
  readonly json?: boolean;
}

export const DEFAULT_FETCH_TIMEOUT_MS = 30_000;

export function eventVerb(io: Io): Command {
  return addEventOptions(new Command('event').description('print an opened event (JSON)'))
    .option('--out <FILE>', 'write it to a file instead')
    .action((id: string | undefined, options: EventOptions) => printEvent(io, id, options));
}

/** What `event` and `proof` have in common: which event, of which log. */
export function addEventOptions(command: Command): Command {
  return addTargetOptions(command.argument('[EVENT_ID]', 'the id that its producer gave it'), 'auditor')
    .option('--index <N>', 'choose the event by its index instead', parseIndex)
    .option('--producer <ID>', 'the producer, where several used the same event id')
    .option(
      '--timeout <SECONDS>',
      'how long to try while the log is away (default: 30)',
      parseTimeoutMs,
      DEFAULT_FETCH_TIMEOUT_MS,
    )
    .option('--json', 'print JSON');
}

/** Throws CliError `usage` unless exactly one of id and index was given. */
export function eventName(id: string | undefined, { index, producer }: EventOptions): EventName {
  if (id !== undefined && index === undefined) return producer === undefined ? { id } : { id, producer };
  if (id === undefined && index !== undefined) return { index };
  throw new CliError('usage', 'say which event', 'Give its EVENT_ID, or --index N.');
}

async function printEvent(io: Io, id: string | undefined, options: EventOptions): Promise<void> {
  const name = eventName(id, options);
  const target = await resolveTarget(io, options, 'auditor');
  const onWait = (error: Error): void => io.err(`trying again: ${error.message}\n`);
  const { text } = await fetchEvent(io, target, name, { timeoutMs: options.timeout, onWait });
  if (options.out === undefined) io.out(`${text}\n`);
  else await writeFile(options.out, `${text}\n`);
}
