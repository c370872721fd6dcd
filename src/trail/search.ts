/**
 * Questions to the log: filters and a time range in, indices in ascending order out, a page at a time.
 *
 * The first page pins the answer to the size that the tree had; its cursor carries that size, so that later pages
 * answer the same question about the same events although the log goes on growing. A page says whether it ends the
 * answer: `complete` is false as long as anything within the pinned size was not looked at.
 *
 * Filters are equalities, joined by "and". Time is the log's own: it grows with the index, so that a range of time is a
 * range of indices and can be proved complete. `from` is inclusive, `to` exclusive.
 */
import { hash } from 'node:crypto';
import { parseDecimal } from '../../proofs/numbers.ts';
import { FILTERS, type FilterName, searchTerm } from '../events/terms.ts';
import type { Log } from '../log/types.ts';

export interface EventQuery {
  readonly filters: ReadonlyMap<FilterName, string>;
  /** Log time in microseconds since the Unix epoch, inclusive. */
  readonly fromUs?: number;
  /** Exclusive. */
  readonly toUs?: number;
}

/** Where a page begins: `next` is the first index not looked at yet, `size` the pinned tree size. */
export interface SearchPosition {
  readonly size: number;
  readonly next: number;
}

export interface FoundPage {
  readonly size: number;
  readonly indices: readonly number[];
  readonly complete: boolean;
  /** Where the answer goes on if it is not complete. */
  readonly next: number;
}

export type SearchErrorCode = 'invalid-cursor' | 'cursor-of-another-query';

export class SearchError extends Error {
  readonly code: SearchErrorCode;
  /** The query parameter at fault. */
  readonly parameter = 'cursor';

  constructor(code: SearchErrorCode, message: string) {
    super(message);
    this.name = 'SearchError';
    this.code = code;
  }
}

/** One page of the answer, from the position or, without one, from the beginning at the tree's size of this moment. */
export async function findEvents(
  log: Log,
  query: EventQuery,
  position: SearchPosition | undefined,
  limit: number,
): Promise<FoundPage> {
  const size = position?.size ?? log.treeSize();
  const first = query.fromUs === undefined ? 0 : await log.indexAtTime(query.fromUs);
  const end = query.toUs === undefined ? size : Math.min(size, await log.indexAtTime(query.toUs));
  const from = Math.max(first, position?.next ?? 0);
  if (from >= end) return { size, indices: [], complete: true, next: end };
  // One more than asked for: its presence is what tells a full page from the last one.
  const found = await log.search({ terms: termsOf(query), from, size: end, limit: limit + 1 });
  const beyond = found.indices[limit];
  if (beyond !== undefined) return { size, indices: found.indices.slice(0, limit), complete: false, next: beyond };
  return { size, indices: found.indices, complete: found.complete, next: found.complete ? end : found.next };
}

export function termsOf(query: EventQuery): readonly string[] {
  return FILTERS.flatMap((name) => {
    const value = query.filters.get(name);
    return value === undefined ? [] : [searchTerm(name, value)];
  });
}

const CURSOR_VERSION = '1';
const MAX_CURSOR_LENGTH = 200;

/** Opaque to clients. It binds the position to this query and this log; it is not a secret and grants nothing. */
export function formatCursor(log: Log, query: EventQuery, { size, next }: SearchPosition): string {
  return Buffer.from([CURSOR_VERSION, size, next, queryHash(log, query)].join('.')).toString('base64url');
}

/** Throws SearchError `invalid-cursor`, or `cursor-of-another-query` for a good one that belongs elsewhere. */
export function parseCursor(log: Log, query: EventQuery, cursor: string): SearchPosition {
  const [size, next, digest] = cursorParts(cursor);
  if (digest !== queryHash(log, query)) {
    throw new SearchError(
      'cursor-of-another-query',
      'A cursor goes on with the log and the filters that it came from.',
    );
  }
  if (size > log.treeSize() || next > size) throw invalidCursor();
  return { size, next };
}

function cursorParts(cursor: string): [size: number, next: number, digest: string] {
  const text = cursor.length <= MAX_CURSOR_LENGTH ? Buffer.from(cursor, 'base64url').toString('latin1') : '';
  const [version, size, next, digest, ...rest] = text.split('.');
  const whole = version === CURSOR_VERSION && rest.length === 0;
  if (!whole || size === undefined || next === undefined || digest === undefined) throw invalidCursor();
  try {
    return [parseDecimal(size, 'size'), parseDecimal(next, 'next'), digest];
  } catch {
    throw invalidCursor();
  }
}

function invalidCursor(): SearchError {
  return new SearchError('invalid-cursor', 'Use next_cursor of the page before, unchanged, or none.');
}

/** The same for the same question in any order of its parameters. */
function queryHash(log: Log, query: EventQuery): string {
  const filters = FILTERS.map((name) => query.filters.get(name) ?? null);
  const text = JSON.stringify([log.origin, filters, query.fromUs ?? null, query.toUs ?? null]);
  return hash('sha256', text, 'hex').slice(0, 32);
}
