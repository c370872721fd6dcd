/**
 * `GET export.ndjson` and `GET export.csv`: everything that a question matches and the scope of the token covers, streamed
 * with bounded memory. How many events that will be is counted first, in the search index, so that the entry of the
 * export says it before the first byte leaves.
 */
import { Type } from '@sinclair/typebox';
import { csvForm, type ExportForm, exportRows, ndjsonForm } from '../trail/export.ts';
import { unevaluatedBy } from '../trail/lost-contents.ts';
import { formatQuery } from '../trail/query.ts';
import { checkWithinScope } from '../trail/scope.ts';
import { type Asked, openAnswer } from '../trail/search.ts';
import { HttpProblem, problemOf } from './problems.ts';
import { invalidParameter, readQuery } from './query.ts';
import { recordRead } from './reads.ts';
import { SECURITY_HEADERS } from './respond.ts';
import type { Answer, Parameter, TokenExchange, TokenRoute } from './route.ts';
import { queryParameter } from './schemas.ts';
import { QUESTION_DESCRIPTION, QUESTION_PARAMETERS, readQuestion } from './search.ts';

const OPENINGS = 'openings';

const OPENINGS_PARAMETER: Parameter = queryParameter(
  OPENINGS,
  '`true`: each line also carries the opened event, to be verified with its receipt.',
  Type.Literal('true'),
);

const ANSWERS: Readonly<Record<number, Answer>> = {
  400: { description: 'A parameter is not valid.' },
  403: { description: 'The question reaches beyond the scope of the token.' },
  503: { description: 'As many exports as can be made at once are being made; try again after Retry-After.' },
};

export const exportRoutes: readonly TokenRoute[] = [
  {
    method: 'GET',
    path: '/:log/export.ndjson',
    access: 'auditor',
    description: {
      summary: 'Export events as JSON, one a line; the last line says that it is complete',
      parameters: [...QUESTION_DESCRIPTION, OPENINGS_PARAMETER],
      answers: {
        200: {
          description: 'Events in index order, then `{"complete":true,"count":N,"size":S}`.',
          content: { 'application/x-ndjson': Type.String() },
        },
        ...ANSWERS,
      },
    },
    handle: (exchange) => {
      const values = readQuery(exchange.c, [...QUESTION_PARAMETERS, OPENINGS]);
      const openings = values.get(OPENINGS);
      if (openings !== undefined && openings !== 'true') throw invalidParameter(OPENINGS, 'can only be true');
      return exportAnswer(exchange, values, ndjsonForm({ withOpenings: openings === 'true' }), 'ndjson');
    },
  },
  {
    method: 'GET',
    path: '/:log/export.csv',
    access: 'auditor',
    description: {
      summary: 'Export events as CSV; the last row says that it is complete',
      parameters: QUESTION_DESCRIPTION,
      answers: {
        200: {
          description: 'A header, events in index order, then the row `"#complete",N,S`.',
          content: { 'text/csv': Type.String() },
        },
        ...ANSWERS,
      },
    },
    handle: (exchange) => exportAnswer(exchange, readQuery(exchange.c, QUESTION_PARAMETERS), csvForm, 'csv'),
  },
];

async function exportAnswer(
  exchange: TokenExchange,
  values: ReadonlyMap<string, string>,
  form: ExportForm,
  name: string,
): Promise<Response> {
  const { c, served, services, token } = exchange;
  const { log } = served;
  if (c.req.method !== 'GET') throw new HttpProblem('method-not-allowed', 'An export is made by GET alone.');
  const asked: Asked = { query: readQuestion(values), scope: token.scope };
  checkWithinScope(asked.query, asked.scope);
  const release = services.exports.enter();
  try {
    const size = log.treeSize();
    const answer = await openAnswer(log, asked, size);
    const results = await answer.count();
    const context = { query: formatQuery(asked.query), format: name, tree_size: size };
    const entry = await recordRead(exchange, { action: 'countersign.read.export', results, context });
    const failureOf = (error: unknown): string => {
      services.logger.error({ err: error, path: c.req.path }, 'an export ended early');
      return problemOf(error).code;
    };
    const unevaluated = unevaluatedBy(answer, served.trail.lostBefore);
    const summary = { size, ...(unevaluated !== undefined && { unevaluated }) };
    const rows = exportRows(log, answer, summary, form, failureOf);
    return new Response(streamOf(rows, services.limits.exportStallMs, release), {
      status: 200,
      headers: {
        ...SECURITY_HEADERS,
        'content-type': form.contentType,
        'content-disposition': `attachment; filename="${log.name}-${size}.${name}"`,
        'cache-control': 'no-store',
        ...entry,
      },
    });
  } catch (error) {
    release();
    throw error;
  }
}

/** How many exports are made at once. */
export interface ExportGate {
  /** Returns how to leave; may be called again. Throws HttpProblem `too-many-exports`. */
  enter(): () => void;
}

export function createExportGate({ maxExports }: { readonly maxExports: number }): ExportGate {
  let running = 0;
  return {
    enter() {
      if (running >= maxExports) {
        throw new HttpProblem('too-many-exports', `At most ${maxExports} exports are made at once; try again shortly.`);
      }
      running++;
      let left = false;
      return () => {
        if (!left) running--;
        left = true;
      };
    },
  };
}

/** One piece at a time, as fast as the client takes them; a client that takes none for a while is cut off. */
function streamOf(rows: AsyncGenerator<string>, stallMs: number, release: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let stalled: NodeJS.Timeout | undefined;
  const end = (): void => {
    clearTimeout(stalled);
    release();
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    stalled = setTimeout(() => {
      controller.error(new Error('the client took nothing for too long'));
      end();
    }, stallMs);
  };
  return new ReadableStream<Uint8Array>(
    {
      start: watch,
      async pull(controller) {
        clearTimeout(stalled);
        const next = await rows.next();
        if (next.done === true) {
          end();
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(next.value));
        watch(controller);
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}
