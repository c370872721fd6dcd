/**
 * `GET events`: the first answer to "who did what". Filters, a range of log time, a page and a cursor; the answer says to
 * which tree size it is pinned and whether it is complete.
 */
import { Type } from '@sinclair/typebox';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { FILTERS, type FilterName } from '../events/terms.ts';
import { parseTimeUs } from '../events/time.ts';
import type { Log, StoredEvent } from '../log/types.ts';
import { openedEventOf } from '../trail/open.ts';
import { type EventQuery, type FoundPage, findEvents, formatCursor, parseCursor } from '../trail/search.ts';
import { formatTimeUs } from '../trail/time.ts';
import type { HttpLimits } from './limits.ts';
import { decimal, invalidParameter, readQuery } from './query.ts';
import { JSON_CONTENT_TYPE, respond, SECURITY_HEADERS } from './respond.ts';
import type { TokenExchange, TokenRoute } from './route.ts';
import { queryParameter, SearchPage } from './schemas.ts';

const PARAMETERS = [...FILTERS, 'from', 'to', 'limit', 'cursor'] as const;

/** Events that are read from the log at once while a page is put together. */
const READ_EVENTS = 64;
const MAX_FILTER_LENGTH = 1_000;

const FILTER_DESCRIPTIONS: Readonly<Record<FilterName, string>> = {
  actor: 'Id of the actor, exactly.',
  action: 'Action, exactly.',
  target: 'Id of the target, exactly.',
  outcome: 'Result: success, failure or denied.',
  tenant: 'Tenant, exactly.',
  rule: 'Id of the rule that allowed or denied it, exactly.',
  break_glass: '`true`: only break-glass and bypassed controls.',
};

export const searchRoutes: readonly TokenRoute[] = [
  {
    method: 'GET',
    path: '/:log/events',
    access: 'auditor',
    description: {
      summary: 'Search events, in index order, pinned to a tree size',
      parameters: [
        ...FILTERS.map((name) => queryParameter(name, FILTER_DESCRIPTIONS[name])),
        queryParameter('from', 'Log time, RFC 3339, inclusive.', Type.String({ format: 'date-time' })),
        queryParameter('to', 'Log time, RFC 3339, exclusive.', Type.String({ format: 'date-time' })),
        queryParameter('limit', 'Most events in this page.', Type.Integer({ minimum: 1 })),
        queryParameter('cursor', '`next_cursor` of the page before, with the same filters.'),
      ],
      answers: {
        200: {
          description: 'A page. If `complete` is false there is more: go on with `next_cursor`.',
          content: { 'application/json': SearchPage },
        },
        400: { description: 'A parameter or the cursor is not valid, or the cursor belongs to another query.' },
      },
    },
    handle: search,
  },
];

async function search({ c, served: { log }, services: { limits } }: TokenExchange): Promise<Response> {
  const values = readQuery(c, PARAMETERS);
  const query = readEventQuery(values);
  const limit = readLimit(values.get('limit'), limits);
  const cursor = values.get('cursor');
  const position = cursor === undefined ? undefined : parseCursor(log, query, cursor);
  const page = await findEvents(log, query, position, limit);
  const { rows, end } = await readRows(log, page, limits.maxPageBytes);
  return respond(200, pageText(log, query, end, rows), {
    ...SECURITY_HEADERS,
    'content-type': JSON_CONTENT_TYPE,
    'cache-control': 'no-store',
  });
}

function readEventQuery(values: ReadonlyMap<(typeof PARAMETERS)[number], string>): EventQuery {
  const filters = new Map<FilterName, string>();
  for (const name of FILTERS) {
    const value = values.get(name);
    if (value === undefined) continue;
    if (value === '' || value.length > MAX_FILTER_LENGTH) throw invalidParameter(name, 'is empty or too long');
    filters.set(name, value);
  }
  checkClosedFilters(filters);
  const fromUs = readTime('from', values.get('from'));
  const toUs = readTime('to', values.get('to'));
  return { filters, ...(fromUs === undefined ? {} : { fromUs }), ...(toUs === undefined ? {} : { toUs }) };
}

/** A filter value that no event can have is a typing error, not an empty answer. */
function checkClosedFilters(filters: ReadonlyMap<FilterName, string>): void {
  const outcome = filters.get('outcome');
  if (outcome !== undefined && !['success', 'failure', 'denied'].includes(outcome)) {
    throw invalidParameter('outcome', 'is success, failure or denied');
  }
  const breakGlass = filters.get('break_glass');
  if (breakGlass !== undefined && breakGlass !== 'true') throw invalidParameter('break_glass', 'can only be true');
}

function readTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeUs = parseTimeUs(text);
  if (timeUs === undefined)
    throw invalidParameter(name, 'is not an RFC 3339 time with a zone and at most microseconds');
  return timeUs;
}

function readLimit(text: string | undefined, limits: HttpLimits): number {
  if (text === undefined) return limits.defaultPageEvents;
  const limit = decimal(text, 'limit');
  if (limit < 1 || limit > limits.maxPageEvents) throw invalidParameter('limit', `is 1 to ${limits.maxPageEvents}`);
  return limit;
}

/** The page's rows, as many as fit; `end` says where the answer goes on, or that it does not. */
async function readRows(
  log: Log,
  page: FoundPage,
  maxBytes: number,
): Promise<{ readonly rows: readonly string[]; readonly end: FoundPage }> {
  const rows: string[] = [];
  let characters = 0;
  for (let start = 0; start < page.indices.length; start += READ_EVENTS) {
    for (const stored of await log.eventsAt(page.indices.slice(start, start + READ_EVENTS))) {
      const row = rowText(stored);
      // At least one row a page, however large, or the cursor would stand still.
      if (rows.length > 0 && characters + row.length > maxBytes) {
        return { rows, end: { ...page, complete: false, next: stored.index } };
      }
      characters += row.length;
      rows.push(row);
    }
  }
  return { rows, end: page };
}

function rowText(stored: StoredEvent): string {
  const opened = formatOpenedEvent(openedEventOf(stored));
  return `{"index":${stored.index},"log_time":"${formatTimeUs(stored.logTime)}","event":${opened}}`;
}

function pageText(log: Log, query: EventQuery, end: FoundPage, rows: readonly string[]): string {
  const head = JSON.stringify({
    origin: log.origin,
    tree_size: end.size,
    published_size: log.publishedSize(),
    complete: end.complete,
    ...(end.complete ? {} : { next_cursor: formatCursor(log, query, end) }),
  });
  return `${head.slice(0, -1)},"events":[${rows.join(',')}]}\n`;
}
