/** `countersign search`: who did what, as a table or as JSON; page by page, or all of it. */
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command } from 'commander';
import { escapeLine } from '../../../proofs/escape-line.ts';
import { parsePageSize } from '../arguments.ts';
import { members, parseAnswer, send, unexpectedAnswer, withRetries } from '../client.ts';
import type { Io } from '../io.ts';
import { addQuestion, readQuestion } from '../question.ts';
import { addTargetOptions, resolveTarget, type Target, type TargetOptions } from '../target.ts';

interface SearchOptions extends TargetOptions {
  readonly all?: boolean;
  readonly limit?: number;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 100;
const ALL_PAGE_LIMIT = 500;
const RETRY_MS = 30_000;

const Page = Type.Object({
  tree_size: Type.Integer({ minimum: 0 }),
  complete: Type.Boolean(),
  next_cursor: Type.Optional(Type.String()),
  scope: Type.Optional(Type.Unknown()),
  events: Type.Array(
    Type.Object({
      index: Type.Integer({ minimum: 0 }),
      log_time: Type.String(),
      break_glass: Type.Optional(Type.Boolean()),
      event: Type.Object({ fields: Type.Record(Type.String(), Type.Object({ value: Type.String() })) }),
    }),
  ),
});
type Page = Static<typeof Page>;
type Row = Page['events'][number];

export function searchVerb(io: Io): Command {
  return addTargetOptions(
    addQuestion(new Command('search').description('find events, in the order of the log')),
    'auditor',
  )
    .option('--limit <N>', `most events to show (default: ${DEFAULT_LIMIT})`, parsePageSize)
    .option('--all', 'go on until the answer is complete')
    .option('--json', 'print JSON')
    .action((words: readonly string[], options: SearchOptions) => search(io, words, options));
}

async function search(io: Io, words: readonly string[], options: SearchOptions): Promise<void> {
  const question = readQuestion(words);
  const target = await resolveTarget(io, options, 'auditor');
  const shower = options.json === true ? showJson(io) : showTable(io);
  const limit = options.limit ?? (options.all === true ? ALL_PAGE_LIMIT : DEFAULT_LIMIT);
  let shown = 0;
  let last: Page | undefined;
  for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
    const query = { ...(question === '' ? {} : { q: question }), limit: `${limit}` };
    const { page, text } = await fetchPage(io, target, { ...query, ...(cursor === undefined ? {} : { cursor }) });
    shower.page(page, text);
    shown += page.events.length;
    last = page;
    cursor = options.all === true && !page.complete ? page.next_cursor : undefined;
  }
  if (last === undefined) return;
  shower.end(last);
  const scope = last.scope === undefined ? '' : `, within the scope of this token: ${JSON.stringify(last.scope)}`;
  const state = last.complete ? 'complete' : 'NOT COMPLETE, there is more (--all)';
  io.err(`${shown} events, ${state}, at tree size ${last.tree_size}${scope}\n`);
}

async function fetchPage(
  io: Io,
  target: Target,
  query: Readonly<Record<string, string>>,
): Promise<{ page: Page; text: string }> {
  const url = `${target.logUrl}/events?${new URLSearchParams(query)}`;
  const onWait = (error: Error): void => io.err(`trying again: ${error.message}\n`);
  const { text } = await withRetries(io, RETRY_MS, () => send(io, target, url), onWait);
  const page = parseAnswer(url, text);
  if (!Value.Check(Page, page)) throw unexpectedAnswer(url, 'it is not a page of events');
  return { page, text };
}

interface Shower {
  page(page: Page, text: string): void;
  end(last: Page): void;
}

/** One JSON document, written as it comes, whatever the number of pages. */
function showJson(io: Io): Shower {
  let separator = '{"events":[';
  return {
    page: (_, text) => {
      const { events } = members(JSON.parse(text));
      for (const event of Array.isArray(events) ? events : []) {
        io.out(`${separator}${JSON.stringify(event)}`);
        separator = ',';
      }
    },
    end: ({ events: _, ...rest }) => {
      const head = separator === ',' ? '' : separator;
      io.out(`${head}],${JSON.stringify(rest).slice(1)}\n`);
    },
  };
}

const HEADINGS = ['index', 'log time', 'outcome', 'action', 'actor', 'target', 'rule'] as const;
const MAX_COLUMN = 48;

/** A table for people. Break-glass stands out in the first and in the last column. */
function showTable(io: Io): Shower {
  let headings = true;
  return {
    page: ({ events }) => {
      if (events.length === 0) return;
      const rows = events.map((row) => ({ cells: cellsOf(row), alarm: row.break_glass === true }));
      const table = headings ? [{ cells: HEADINGS, alarm: false }, ...rows] : rows;
      headings = false;
      const widths = HEADINGS.map((_, i) => Math.max(...table.map(({ cells }) => (cells[i] ?? '').length)));
      for (const { cells, alarm } of table) {
        const text = cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
        io.out(`${alarm ? '!' : ' '} ${alarm ? `${text}  BREAK-GLASS` : text.trimEnd()}\n`);
      }
    },
    end: () => undefined,
  };
}

function cellsOf({ index, log_time, event: { fields } }: Row): readonly string[] {
  const field = (name: string): unknown => {
    const text = fields[name]?.value;
    return text === undefined ? undefined : JSON.parse(text);
  };
  const text = (value: unknown): string => (typeof value === 'string' ? value : '?');
  const member = (name: string, key: string): string => text(members(field(name))[key]);
  const target = fields['target'] === undefined ? '' : `${member('target', 'type')} ${member('target', 'id')}`;
  const { rule } = members(field('authorization'));
  return [
    `${index}`,
    log_time,
    member('outcome', 'result'),
    text(field('action')),
    member('actor', 'id'),
    target,
    typeof rule === 'string' ? rule : '',
  ].map((cell) => shorten(escapeLine(cell)));
}

function shorten(cell: string): string {
  return cell.length <= MAX_COLUMN ? cell : `${cell.slice(0, MAX_COLUMN - 1)}…`;
}
