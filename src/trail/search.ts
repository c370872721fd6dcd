/**
 * Questions to the log: a query and a scope in, indices in ascending order out, a page at a time.
 *
 * The first page pins the answer to the size that the tree had; its cursor carries that size, so that later pages
 * answer the same question about the same events although the log goes on growing. A page says whether it ends the
 * answer: `complete` is false as long as anything within the pinned size was not looked at.
 *
 * Time is the log's own: it grows with the index, so that a range of time is a range of indices and can be proved
 * complete.
 */
import { hash } from 'node:crypto';
import { parseDecimal } from '../../proofs/numbers.ts';
import type { Log } from '../log/types.ts';
import { type EventQuery, formatQuery } from './query.ts';
import { conditionsOf, type Scope } from './scope.ts';

/** A question, and what the asker may see. */
export interface Asked {
  readonly query: EventQuery;
  readonly scope: Scope | null;
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

/** The answer to a question at one size of the tree. */
export interface PinnedAnswer {
  /** The indices of its range of time, half-open. */
  readonly first: number;
  readonly end: number;
  /** Whether it asks for anything but a time. */
  readonly isFiltered: boolean;
  /** The first `limit` events from index `next` on. */
  page(next: number, limit: number): Promise<FoundPage>;
  /** How many events it has in all; reads the search index only. */
  count(): Promise<number>;
}

/** Looks up once which indices the range of time means. */
export async function openAnswer(log: Log, asked: Asked, size: number): Promise<PinnedAnswer> {
  const { terms, anyOf, fromUs, toUs } = conditionsOf(asked.query, asked.scope);
  const first = fromUs === undefined ? 0 : await log.indexAtTime(fromUs);
  const end = toUs === undefined ? size : Math.min(size, await log.indexAtTime(toUs));
  const search = (from: number, limit: number) => log.search({ terms, anyOf, from, size: end, limit });
  const isFiltered = terms.length > 0 || anyOf.length > 0;
  return {
    ...{ first, end, isFiltered },
    page: async (next, limit) => {
      const from = Math.max(first, next);
      if (from >= end) return { size, indices: [], complete: true, next: end };
      // One more than asked for: its presence is what tells a full page from the last one.
      const found = await search(from, limit + 1);
      const beyond = found.indices[limit];
      if (beyond !== undefined) return { size, indices: found.indices.slice(0, limit), complete: false, next: beyond };
      return { size, indices: found.indices, complete: found.complete, next: found.complete ? end : found.next };
    },
    count: async () => {
      if (!isFiltered) return Math.max(0, end - first);
      let count = 0;
      for (let from = first; from < end; ) {
        const found = await search(from, COUNT_LIMIT);
        count += found.indices.length;
        if (found.complete && found.indices.length < COUNT_LIMIT) break;
        from = found.next;
      }
      return count;
    },
  };
}

/** Indices that are held at once while counting. */
const COUNT_LIMIT = 65_536;

const CURSOR_VERSION = '1';
const MAX_CURSOR_LENGTH = 200;

/** Opaque to clients. It binds the position to this query and this log; it is not a secret and grants nothing. */
export function formatCursor(log: Log, asked: Asked, { size, next }: SearchPosition): string {
  return Buffer.from([CURSOR_VERSION, size, next, questionHash(log, asked)].join('.')).toString('base64url');
}

/** Throws SearchError `invalid-cursor`, or `cursor-of-another-query` for a good one that belongs elsewhere. */
export function parseCursor(log: Log, asked: Asked, cursor: string): SearchPosition {
  const [size, next, digest] = cursorParts(cursor);
  if (digest !== questionHash(log, asked)) {
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

/** The same for the same question in any order of its filters and values. */
function questionHash(log: Log, { query, scope }: Asked): string {
  const filters = new Map([...query.filters].map(([name, values]) => [name, [...values].sort()]));
  const text = JSON.stringify([log.origin, formatQuery({ ...query, filters }), scope]);
  return hash('sha256', text, 'hex').slice(0, 32);
}
