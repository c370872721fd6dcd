/**
 * `countersign export`: events as NDJSON or CSV into a file, streamed. The last line must say that everything is there;
 * a file that was cut off never gets its name.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { CSV_COMPLETE } from '../../trail/export.ts';
import { members, refusal, UnavailableError } from '../client.ts';
import { CliError, messageOf } from '../errors.ts';
import { exists, SECRET_FILE_MODE } from '../files.ts';
import { type Io, oneLine } from '../io.ts';
import { addQuestion, readQuestion } from '../question.ts';
import { addTargetOptions, resolveTarget, type Target, type TargetOptions } from '../target.ts';

interface ExportOptions extends TargetOptions {
  readonly csv?: boolean;
  readonly ndjson?: boolean;
  readonly openings?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly out?: string;
}

/** How long the server may send nothing. */
const STALL_MS = 60_000;
/** Longest last line that is looked at. */
const MAX_TAIL_CHARACTERS = 4_096;

export function exportVerb(io: Io): Command {
  return addTargetOptions(
    addQuestion(new Command('export').description('write events to a file, as NDJSON or CSV')),
    'auditor',
  )
    .option('--ndjson', 'one JSON object a line (the default)')
    .option('--csv', 'CSV, safe to open in a spreadsheet')
    .option('--openings', 'NDJSON: with the opened events, to be verified with their receipts')
    .option('--from <TIME>', 'log time: a date, or RFC 3339')
    .option('--to <TIME>', 'log time: a date, inclusive, or RFC 3339, exclusive')
    .option('--out <FILE>', 'the file to write (mode 0600); it appears when it is complete')
    .action((words: readonly string[], options: ExportOptions) => exportEvents(io, words, options));
}

async function exportEvents(io: Io, words: readonly string[], options: ExportOptions): Promise<void> {
  if (options.csv === true && (options.ndjson === true || options.openings === true)) {
    throw new CliError('usage', '--csv does not go with --ndjson or --openings');
  }
  const times = [
    ...(options.from === undefined ? [] : [`from:${options.from}`]),
    ...(options.to === undefined ? [] : [`to:${options.to}`]),
  ];
  const question = readQuestion([...words, ...times]);
  const file = options.out === undefined ? undefined : path.resolve(options.out);
  if (file !== undefined && (await exists(file))) {
    throw new CliError('already-exists', `${file} exists`, 'Choose another --out.');
  }
  const target = await resolveTarget(io, options, 'auditor');
  const form = options.csv === true ? 'csv' : 'ndjson';
  const query = new URLSearchParams({
    ...(question === '' ? {} : { q: question }),
    ...(options.openings === true ? { openings: 'true' } : {}),
  });
  const url = `${target.logUrl}/export.${form}${query.size === 0 ? '' : `?${query}`}`;
  const summary =
    file === undefined
      ? await copy(io, target, url, async (text) => io.out(text))
      : await copyToFile(io, target, url, file);
  const { count, size } = checkEnd(summary, form);
  io.err(`${count} events, complete, at tree size ${size}${file === undefined ? '' : ` in ${file}`}\n`);
}

interface Copied {
  readonly lines: number;
  /** The last line, without its end. */
  readonly last: string;
}

/** Through a file of another name, which is checked before it gets its own. */
async function copyToFile(io: Io, target: Target, url: string, file: string): Promise<Copied> {
  const temporary = `${file}.part`;
  const stream = createWriteStream(temporary, { flags: 'wx', mode: SECRET_FILE_MODE, flush: true });
  try {
    await once(stream, 'open');
    const copied = await copy(io, target, url, async (text) => {
      if (!stream.write(text)) await once(stream, 'drain');
    });
    stream.end();
    await once(stream, 'close');
    checkEnd(copied, url.includes('/export.csv') ? 'csv' : 'ndjson');
    await rename(temporary, file);
    return copied;
  } catch (error) {
    stream.destroy();
    await rm(temporary, { force: true });
    throw error;
  }
}

async function copy(io: Io, target: Target, url: string, write: (text: string) => Promise<void>): Promise<Copied> {
  const stall = new AbortController();
  let timer = setTimeout(() => stall.abort(), STALL_MS);
  let lines = 0;
  let tail = '';
  try {
    const headers = target.token === undefined ? {} : { authorization: `Bearer ${target.token}` };
    const response = await io.fetch(url, { headers, redirect: 'error', signal: stall.signal });
    if (response.status !== 200) {
      throw refusal(url, { status: response.status, headers: response.headers, text: await response.text() });
    }
    const decoder = new TextDecoder('utf-8', { fatal: true });
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => stall.abort(), STALL_MS);
      const text = decoder.decode(chunk, { stream: true });
      lines += text.split('\n').length - 1;
      tail = (tail + text).slice(-2 * MAX_TAIL_CHARACTERS);
      await write(text);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new UnavailableError(`the export from ${url} broke off: ${messageOf(error)}`, undefined);
  } finally {
    clearTimeout(timer);
  }
  return { lines, last: tail.trimEnd().split('\n').at(-1) ?? '' };
}

/** What the last line says, held against what came. Throws CliError `unexpected-answer`. */
function checkEnd({ lines, last }: Copied, form: 'csv' | 'ndjson'): { count: number; size: number } {
  const end = form === 'csv' ? csvEnd(last) : ndjsonEnd(last);
  if (end === undefined) {
    throw new CliError(
      'unexpected-answer',
      `the export is not complete; it ends in: ${oneLine(last.slice(0, 200))}`,
      'Try again, or ask for a shorter range of time.',
    );
  }
  const rows = lines - (form === 'csv' ? 2 : 1);
  if (rows !== end.count) {
    throw new CliError('unexpected-answer', `the export says that it has ${end.count} events, and ${rows} came`);
  }
  return end;
}

function ndjsonEnd(last: string): { count: number; size: number } | undefined {
  try {
    const { complete, count, size } = members(JSON.parse(last));
    return complete === true && typeof count === 'number' && typeof size === 'number' ? { count, size } : undefined;
  } catch {
    return undefined;
  }
}

function csvEnd(last: string): { count: number; size: number } | undefined {
  const [marker, count = '', size = ''] = last.split(',');
  const whole = /^[0-9]+$/;
  return marker === `"${CSV_COMPLETE}"` && whole.test(count) && whole.test(size)
    ? { count: Number(count), size: Number(size) }
    : undefined;
}
