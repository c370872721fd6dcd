/**
 * What a monitor remembers, in one file of its directory that is replaced by rename: how far it has verified the log, the
 * newest head that everything was held against, heads that nobody could place yet, and when it last saw what. It belongs
 * to one log for ever.
 */
import { readFile } from 'node:fs/promises';
import { base64Decode, base64Encode } from '../proofs/bytes.ts';
import { assertRange, type CompactRange, EMPTY_RANGE } from '../proofs/range.ts';
import { writeFileDurably } from './durable-file.ts';
import { messageOf, WitnessError } from './errors.ts';

export interface SourceMemory {
  /** Size of the newest head that it showed. */
  readonly size: number;
  /** When it last answered, or, if it never did, when it was first asked. */
  readonly answeredAtMs: number;
}

/** A head that is larger than any that could be verified, and who showed it. */
export interface Unplaced {
  readonly source: string;
  readonly note: string;
  readonly sinceMs: number;
}

export interface MonitorState {
  readonly origin: string;
  /** The newest head whose whole history was verified: a signed note. */
  readonly head?: string;
  /** When the head first had this size. */
  readonly headSinceMs: number;
  /** The entries that were read and hashed. */
  readonly entries: CompactRange;
  /** Sizes of the log's head and when each was first seen, ascending. */
  readonly growth: readonly { readonly size: number; readonly atMs: number }[];
  readonly sources: Readonly<Record<string, SourceMemory>>;
  readonly unplaced: readonly Unplaced[];
}

export const MAX_GROWTH = 512;
export const MAX_UNPLACED = 64;
const FORMAT = 'countersign/monitor/v1';

export function emptyState(origin: string, nowMs: number): MonitorState {
  return { origin, headSinceMs: nowMs, entries: EMPTY_RANGE, growth: [], sources: {}, unplaced: [] };
}

/** Undefined when there is no file. Throws `state-corrupt` for one that cannot be read: it is not begun anew silently. */
export async function loadMonitorState(path: string): Promise<MonitorState | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return decode(JSON.parse(text));
  } catch (error) {
    throw new WitnessError('state-corrupt', `${path} is damaged (${messageOf(error)}); remove it to begin anew`);
  }
}

export async function saveMonitorState(path: string, state: MonitorState): Promise<void> {
  const { size, hashes } = state.entries;
  const entries = { size, hashes: hashes.map(base64Encode) };
  await writeFileDurably(path, `${JSON.stringify({ format: FORMAT, ...state, entries }, null, 2)}\n`);
}

function decode(value: unknown): MonitorState {
  const members = new Map(Object.entries(objectOf(value)));
  if (members.get('format') !== FORMAT) throw new TypeError(`the format is not ${FORMAT}`);
  const head = members.get('head');
  const entries = new Map(Object.entries(objectOf(members.get('entries'))));
  const hashes = listOf(entries.get('hashes')).map((hash) => base64Decode(textOf(hash)));
  return {
    origin: textOf(members.get('origin')),
    ...(head === undefined ? {} : { head: textOf(head) }),
    headSinceMs: numberOf(members.get('headSinceMs')),
    entries: assertRange({ size: numberOf(entries.get('size')), hashes }),
    growth: listOf(members.get('growth')).map((one) => {
      const { size, atMs } = namedNumbers(one);
      return { size: numberOf(size), atMs: numberOf(atMs) };
    }),
    sources: Object.fromEntries(
      Object.entries(objectOf(members.get('sources'))).map(([name, one]) => {
        const { size, answeredAtMs } = namedNumbers(one);
        return [name, { size: numberOf(size), answeredAtMs: numberOf(answeredAtMs) }];
      }),
    ),
    unplaced: listOf(members.get('unplaced')).map((one) => {
      const { source, note, sinceMs } = objectOf(one) as { source?: unknown; note?: unknown; sinceMs?: unknown };
      return { source: textOf(source), note: textOf(note), sinceMs: numberOf(sinceMs) };
    }),
  };
}

function namedNumbers(value: unknown): { size?: unknown; atMs?: unknown; answeredAtMs?: unknown } {
  return objectOf(value);
}

function objectOf(value: unknown): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object');
  return value;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new TypeError('not a whole number');
  return value;
}
