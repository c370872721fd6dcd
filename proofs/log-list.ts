/**
 * Log lists of the public witness network (witness-network.org, "Log-list format"): which logs a witness may serve.
 *
 *     logs/v0
 *
 *     vkey example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx
 *     origin example.com/another-origin
 *     qpd 86400
 *     contact someone@example.com
 *
 * `origin` is left out where it is the key's name, `contact` where there is none. White space around a line, blank
 * lines and lines that begin with `#` mean nothing, so a list has many spellings; `formatLogList` writes one of them.
 */
import { utf8Decode } from './bytes.ts';
import { ProofError, recode } from './errors.ts';
import { hasControlCharacter, parseVerifierKey, type VerifierKey } from './key.ts';

export interface ListedLog {
  /** Type 0x01: the format permits no other. */
  readonly key: VerifierKey;
  readonly origin: string;
  /** Requests to add-checkpoint that the log may make in a day: 1 ≤ requestsPerDay < 2^31. */
  readonly requestsPerDay: number;
  /** Text for people. */
  readonly contact?: string;
}

/** 4 MiB. */
export const MAX_LOG_LIST_BYTES = 4_194_304;
export const MAX_LOG_LIST_LOGS = 16_384;

const HEADER = 'logs/v0';
const MAX_REQUESTS_PER_DAY = 2 ** 31 - 1;
const WHITE_SPACE = /\p{White_Space}/u;

/** Throws `invalid-log-list` with the line number. One bad log refuses the whole list. */
export function parseLogList(bytes: Uint8Array | string): readonly ListedLog[] {
  if (bytes.length > MAX_LOG_LIST_BYTES) throw new ProofError('invalid-log-list', 'the list is too long');
  const text = typeof bytes === 'string' ? bytes : recode('invalid-log-list', () => utf8Decode(bytes));
  const lines = text
    .split('\n')
    .map((line, i): Line => ({ text: trim(line), number: i + 1 }))
    .filter((line) => line.text !== '' && !line.text.startsWith('#'));
  const cursor = { lines, next: 0 };
  if (lines[cursor.next++]?.text !== HEADER) throw new ProofError('invalid-log-list', `the list begins with ${HEADER}`);
  const logs: ListedLog[] = [];
  while (cursor.next < lines.length) {
    if (logs.length >= MAX_LOG_LIST_LOGS) throw new ProofError('invalid-log-list', 'too many logs');
    logs.push(parseLog(cursor));
  }
  return logs;
}

export function formatLogList(logs: readonly ListedLog[]): string {
  const text = [HEADER, ...logs.map(formatLog)].map((part) => `${part}\n`).join('\n');
  if (JSON.stringify(parseLogList(text).map(plain)) !== JSON.stringify(logs.map(plain))) {
    throw new ProofError('invalid-log-list', 'a log has a text that does not fit one line');
  }
  return text;
}

interface Line {
  readonly text: string;
  readonly number: number;
}

interface Cursor {
  readonly lines: readonly Line[];
  next: number;
}

function parseLog(cursor: Cursor): ListedLog {
  const key = parseKey(required(cursor, 'vkey'));
  const origin = take(cursor, 'origin')?.text ?? key.name;
  const requestsPerDay = parseRequestsPerDay(required(cursor, 'qpd'));
  const contact = take(cursor, 'contact')?.text;
  return contact === undefined ? { key, origin, requestsPerDay } : { key, origin, requestsPerDay, contact };
}

function formatLog({ key, origin, requestsPerDay, contact }: ListedLog): string {
  const lines = [`vkey ${key.vkey}`];
  if (origin !== key.name) lines.push(`origin ${origin}`);
  lines.push(`qpd ${requestsPerDay}`);
  if (contact !== undefined) lines.push(`contact ${contact}`);
  return lines.join('\n');
}

/** The value of the next line, if that line has this key. */
function take(cursor: Cursor, key: string): Line | undefined {
  const line = cursor.lines[cursor.next];
  if (line === undefined || !line.text.startsWith(`${key} `)) return undefined;
  cursor.next++;
  const value = line.text.slice(key.length + 1);
  if (value !== trim(value) || hasControlCharacter(value)) fail(line, 'white space or a control character in a value');
  return { text: value, number: line.number };
}

function required(cursor: Cursor, key: string): Line {
  const line = cursor.lines[cursor.next] ?? cursor.lines.at(-1) ?? { text: '', number: 1 };
  return take(cursor, key) ?? fail(line, `${key} is expected here`);
}

function parseKey(line: Line): VerifierKey {
  const key = recode('invalid-log-list', () => parseVerifierKey(line.text));
  if (key.type !== 1) fail(line, 'a listed log has an Ed25519 key of type 1');
  return key;
}

function parseRequestsPerDay(line: Line): number {
  const value = /^[1-9][0-9]{0,9}$/.test(line.text) ? Number(line.text) : 0;
  if (value < 1 || value > MAX_REQUESTS_PER_DAY) fail(line, 'qpd is a decimal number from 1 to 2^31-1');
  return value;
}

function fail({ number }: Line, message: string): never {
  throw new ProofError('invalid-log-list', `log list line ${number}: ${message}`, { line: number });
}

/** Without the Unicode white space around it, in time linear in the length. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && WHITE_SPACE.test(text.charAt(start))) start++;
  while (end > start && WHITE_SPACE.test(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function plain({ key, origin, requestsPerDay, contact }: ListedLog): unknown {
  return [key.vkey, origin, requestsPerDay, contact];
}
