/**
 * Events as customers take them home (Q8): one JSON object or one CSV row an event, read page by page so that memory stays
 * bounded whatever the size, and an explicit last line, so that a download that was cut off is recognised as such.
 *
 *   NDJSON   {"index":7,"log_time":"…","producer":"tok_…","leaf_hash":"…","event":{…}}
 *            {"complete":true,"count":1,"size":42}
 *   CSV      index,log_time,…           a header
 *            7,"2026-01-08T14:32:07.000000Z",…
 *            "#complete",1,42,,,…       as many cells as columns
 *
 * `count` are the events of the file, `size` the tree size that it is pinned to. An export that failed on the way, or that
 * could not hold its question against all entries (lost-contents.ts), ends in `{"complete":false,"failure":…}` or
 * `"#incomplete"`; one without either was cut off.
 */
import { base64Encode } from '../../proofs/bytes.ts';
import { canonicalJson, type JsonObject, type JsonValue, parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { joinFields, memberAt } from '../../proofs/fields.ts';
import { formatOpenedEvent } from '../../proofs/opened-event.ts';
import { LOG_FIELD } from '../log/disclosure.ts';
import type { Log, StoredEvent } from '../log/types.ts';
import { csvRow } from './display.ts';
import type { Unevaluated } from './lost-contents.ts';
import { isStoredBreakGlass, openedEventOf } from './open.ts';
import type { PinnedAnswer } from './search.ts';
import { formatTimeUs } from './time.ts';

/** The two forms, as lines of text with their ends. */
export interface ExportForm {
  readonly contentType: string;
  readonly head: string;
  row(stored: StoredEvent): string;
  /** The last line: that everything is there, or the code of what went wrong. */
  end(summary: ExportSummary): string;
}

export interface ExportSummary {
  readonly count: number;
  readonly size: number;
  /** Undefined if the export is complete. */
  readonly failure?: string;
  readonly unevaluated?: Unevaluated;
}

/** Events that are read from the log at once. */
const PAGE_EVENTS = 128;
/** The failure of an export that leaves out entries whose contents are lost; and such an entry's cell, in one that has it. */
const CONTENTS_LOST = 'contents-lost';
const ALL_LOST = '(contents lost)';

/**
 * The rows of the whole answer, in pieces. What goes wrong on the way ends it with a line that says so; `failureOf` gives
 * the code of an error.
 */
export async function* exportRows(
  log: Log,
  answer: PinnedAnswer,
  { size, unevaluated }: Pick<ExportSummary, 'size' | 'unevaluated'>,
  form: ExportForm,
  failureOf: (error: unknown) => string,
): AsyncGenerator<string> {
  let count = 0;
  yield form.head;
  try {
    for (let next = 0, complete = false; !complete; ) {
      const page = await answer.page(next, PAGE_EVENTS);
      const stored = await log.eventsAt(page.indices);
      count += stored.length;
      if (stored.length > 0) yield stored.map((one) => form.row(one)).join('');
      ({ next, complete } = page);
    }
  } catch (error) {
    yield form.end({ count, size, failure: failureOf(error) });
    return;
  }
  yield form.end({ count, size, ...(unevaluated !== undefined && { failure: CONTENTS_LOST, unevaluated }) });
}

/** `withOpenings`: each line also carries the opened event, with which a receipt can be verified. */
export function ndjsonForm({ withOpenings }: { readonly withOpenings: boolean }): ExportForm {
  return {
    contentType: 'application/x-ndjson',
    head: '',
    row: (stored) => `${ndjsonLine(stored, withOpenings)}\n`,
    end: (summary) => `${JSON.stringify({ complete: summary.failure === undefined, ...summary })}\n`,
  };
}

function ndjsonLine(stored: StoredEvent, withOpenings: boolean): string {
  const { event, erased } = readable(stored);
  const line = {
    index: stored.index,
    log_time: formatTimeUs(stored.logTime),
    producer: stored.producerId,
    leaf_hash: base64Encode(stored.leafHash),
    ...(isStoredBreakGlass(stored) ? { break_glass: true } : {}),
    ...(erased.length === 0 ? {} : { erased }),
    ...(stored.contentsLost ? { contents_lost: true } : { event }),
  };
  const text = JSON.stringify(line);
  return withOpenings ? `${text.slice(0, -1)},"opened":${formatOpenedEvent(openedEventOf(stored))}}` : text;
}

type Cell = string | number | boolean | null;

/** A column: its name, and where its value is. */
const COLUMNS: readonly (readonly [name: string, cell: (row: CsvEvent) => Cell])[] = [
  ['index', ({ stored }) => stored.index],
  ['log_time', ({ stored }) => formatTimeUs(stored.logTime)],
  ['break_glass', ({ stored }) => isStoredBreakGlass(stored)],
  ['event_id', member('event_id')],
  ['occurred_at', member('occurred_at')],
  ['tenant', member('tenant')],
  ['actor_type', member('actor', 'type')],
  ['actor_id', member('actor', 'id')],
  ['actor_role', member('actor', 'role')],
  ['delegation', member('actor', 'delegation')],
  ['action', member('action')],
  ['target_type', member('target', 'type')],
  ['target_id', member('target', 'id')],
  ['target_version', member('target', 'version')],
  ['outcome', member('outcome', 'result')],
  ['outcome_code', member('outcome', 'code')],
  ['decision', member('authorization', 'decision')],
  ['rule', member('authorization', 'rule')],
  ['ticket', member('authorization', 'ticket')],
  ['reason', member('reason')],
  ['details', member('details')],
  ['changes', member('changes')],
  ['context', member('context')],
  ['correlation_id', member('correlation_id')],
  ['producer', ({ stored }) => stored.producerId],
  ['producer_seq', member('producer_seq')],
  ['leaf_hash', ({ stored }) => base64Encode(stored.leafHash)],
  ['erased', ({ stored, erased }) => (stored.contentsLost ? ALL_LOST : erased.length === 0 ? null : erased.join(' '))],
];

export const CSV_COMPLETE = '#complete';
export const CSV_INCOMPLETE = '#incomplete';

export const csvForm: ExportForm = {
  contentType: 'text/csv; charset=utf-8; header=present',
  head: csvRow(COLUMNS.map(([name]) => name)),
  row: (stored) => {
    const row: CsvEvent = { stored, ...readable(stored) };
    return csvRow(COLUMNS.map(([, cell]) => cell(row)));
  },
  end: ({ count, size, failure, unevaluated }) => {
    const lost: readonly Cell[] = unevaluated === undefined ? [] : [`${unevaluated.from} to before ${unevaluated.to}`];
    const cells: readonly Cell[] =
      failure === undefined ? [CSV_COMPLETE, count, size] : [CSV_INCOMPLETE, count, size, failure, ...lost];
    return csvRow(COLUMNS.map((_, i) => cells[i] ?? null));
  },
};

interface Readable {
  /** The producer's fields that are still there, put together. */
  readonly event: JsonObject;
  readonly erased: readonly string[];
}

interface CsvEvent extends Readable {
  readonly stored: StoredEvent;
}

function readable({ fields }: StoredEvent): Readable {
  const own = fields.filter(({ id }) => id !== LOG_FIELD);
  const opened = own.flatMap(({ id, opening }) =>
    opening === undefined ? [] : [[id, parseCanonicalJson(opening.value)] as const],
  );
  const erased = fields.flatMap(({ id, opening }) => (opening === undefined ? [id] : []));
  return { event: joinFields(opened), erased };
}

/** A scalar as it is, an object or a list as its JSON text, nothing as an empty cell. */
function member(...path: readonly string[]): (row: CsvEvent) => Cell {
  return ({ event }) => {
    const value: JsonValue | undefined = memberAt(event, ...path);
    if (value === undefined) return null;
    return typeof value === 'object' && value !== null ? canonicalJson(value) : value;
  };
}
