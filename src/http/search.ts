/**
 * `GET events`: the first answer to "who did what". Filters, a range of log time, a page and a cursor; the answer says to
 * which tree size it is pinned, whether it is complete, and within which scope.
 */
import { Type } from '@sinclair/typebox';
import { FILTERS, type FilterName } from '../events/terms.ts';
import type { Log, StoredEvent } from '../log/types.ts';
import { type Unevaluated, unevaluatedBy } from '../trail/lost-contents.ts';
import { isStoredBreakGlass, openedEventText } from '../trail/open.ts';
import { formatQuery, pairOf, parsePairs, QUERY_KEYS, QUERY_PARAMETER, QueryError, queryOf } from '../trail/query.ts';
import { checkWithinScope } from '../trail/scope.ts';
import { type Asked, type FoundPage, formatCursor, openAnswer, parseCursor } from '../trail/search.ts';
import { formatTimeUs } from '../trail/time.ts';
import type { HttpLimits } from './limits.ts';
import { decimal, invalidParameter, readQuery } from './query.ts';
import { recordRead } from './reads.ts';
import { JSON_CONTENT_TYPE, respond, SECURITY_HEADERS } from './respond.ts';
import type { Parameter, TokenExchange, TokenRoute } from './route.ts';
import { queryParameter, SearchPage } from './schemas.ts';

/** Everything that asks a question, on this path and on that of exports. */
export const QUESTION_PARAMETERS = [QUERY_PARAMETER, ...QUERY_KEYS] as const;
const PARAMETERS = [...QUESTION_PARAMETERS, 'limit', 'cursor'] as const;

/** Events that are read from the log at once while a page is put together. */
const READ_EVENTS = 128;

const FILTER_DESCRIPTIONS: Readonly<Record<FilterName, string>> = {
  actor: 'Id of the actor, exactly.',
  action: 'Action, exactly; `role.*` for all that begin so.',
  class: 'Class of the action in the catalogue, as it was when the event was written.',
  target: 'Id of the target, exactly.',
  target_type: 'Type of the target, exactly.',
  outcome: 'Result: success, failure or denied.',
  rule: 'Id of the rule that allowed or denied it, exactly.',
  tenant: 'Tenant, exactly.',
  break_glass: '`true`: only break-glass and bypassed controls.',
  producer: 'Producer, as the entry names it.',
  correlation_id: 'Correlation id, exactly.',
};

const DAY = Type.String({ format: 'date' });

export const QUESTION_DESCRIPTION: readonly Parameter[] = [
  queryParameter(
    QUERY_PARAMETER,
    'The whole question in one text: `action:role.grant actor:u_8842 from:2026-03-01 to:2026-05-31 breakglass:true`. ' +
      'Several values of one key mean any of them.',
  ),
  ...FILTERS.map((name) => queryParameter(name, FILTER_DESCRIPTIONS[name])),
  queryParameter('from', 'Log time: RFC 3339, inclusive; or a date, from its first moment in UTC.'),
  queryParameter('to', 'Log time: RFC 3339, exclusive; or a date, to its last moment in UTC.'),
  queryParameter('occurred_from', 'First day of `occurred_at`, in UTC; with occurred_to.', DAY),
  queryParameter('occurred_to', 'Last day of `occurred_at`, in UTC, inclusive.', DAY),
];

export const searchRoutes: readonly TokenRoute[] = [
  {
    method: 'GET',
    path: '/:log/events',
    access: 'auditor',
    description: {
      summary: 'Search events, in index order, pinned to a tree size',
      parameters: [
        ...QUESTION_DESCRIPTION,
        queryParameter('limit', 'Most events in this page.', Type.Integer({ minimum: 1 })),
        queryParameter('cursor', '`next_cursor` of the page before, with the same filters.'),
      ],
      answers: {
        200: {
          description: 'A page. If `complete` is false there is more: go on with `next_cursor`.',
          content: { 'application/json': SearchPage },
        },
        400: { description: 'A parameter or the cursor is not valid, or the cursor belongs to another query.' },
        403: { description: 'The question reaches beyond the scope of the token.' },
      },
    },
    handle: search,
  },
];

async function search(exchange: TokenExchange): Promise<Response> {
  const { c, services, token } = exchange;
  const { log, trail } = exchange.served;
  const values = readQuery(c, PARAMETERS);
  const asked: Asked = { query: readQuestion(values), scope: token.scope };
  const limit = readLimit(values.get('limit'), services.limits);
  const cursor = values.get('cursor');
  checkWithinScope(asked.query, asked.scope);
  const position = cursor === undefined ? undefined : parseCursor(log, asked, cursor);
  const answer = await openAnswer(log, asked, position?.size ?? log.treeSize());
  const page = await answer.page(position?.next ?? 0, limit);
  const { rows, end } = await readRows(log, page, services.limits.maxPageBytes);
  const context = {
    query: formatQuery(asked.query),
    tree_size: end.size,
    from_index: position?.next ?? 0,
    complete: end.complete,
  };
  const entry = await recordRead(exchange, { action: 'countersign.read.search', results: rows.length, context });
  return respond(200, pageText(log, asked, end, rows, unevaluatedBy(answer, trail.lostBefore)), {
    ...SECURITY_HEADERS,
    'content-type': JSON_CONTENT_TYPE,
    'cache-control': 'no-store',
    ...entry,
  });
}

/** The question of `q` and of the single parameters together; each key stands in one of the two. Throws QueryError. */
export function readQuestion(values: ReadonlyMap<string, string>): Asked['query'] {
  const text = values.get(QUERY_PARAMETER);
  const pairs = text === undefined ? [] : parsePairs(text);
  const single = QUERY_KEYS.flatMap((key) => {
    const value = values.get(key);
    return value === undefined ? [] : [pairOf(key, value, `${key}:${value}`, key)];
  });
  const twice = single.find(({ key }) => pairs.some((pair) => pair.key === key));
  if (twice !== undefined) {
    throw new QueryError('duplicate-key', `is given in ${QUERY_PARAMETER} and as a parameter of its own`, twice);
  }
  return queryOf([...pairs, ...single]);
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
  if (stored.contentsLost) {
    return `{"index":${stored.index},"log_time":"${formatTimeUs(stored.logTime)}","contents_lost":true}`;
  }
  const marked = isStoredBreakGlass(stored) ? ',"break_glass":true' : '';
  return `{"index":${stored.index},"log_time":"${formatTimeUs(stored.logTime)}"${marked},"event":${openedEventText(stored)}}`;
}

function pageText(
  log: Log,
  asked: Asked,
  end: FoundPage,
  rows: readonly string[],
  unevaluated: Unevaluated | undefined,
): string {
  const head = JSON.stringify({
    origin: log.origin,
    tree_size: end.size,
    published_size: log.publishedSize(),
    ...(asked.scope === null ? {} : { scope: asked.scope }),
    complete: end.complete,
    ...(end.complete ? {} : { next_cursor: formatCursor(log, asked, end) }),
    ...(unevaluated === undefined ? {} : { unevaluated: { ...unevaluated, reason: 'contents-lost' } }),
  });
  return `${head.slice(0, -1)},"events":[${rows.join(',')}]}\n`;
}
