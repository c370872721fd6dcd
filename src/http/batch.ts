/**
 * Many events in one body, one JSON text a line (NDJSON). Each line stands alone: a bad one is reported with its number
 * and the good ones go in, in their order. The answer has one line for each line that is not blank:
 *
 *   {"line":1,"status":"accepted","event_id":"…","index":7,"log_time":"…","leaf_hash":"…"}
 *   {"line":2,"status":"refused","problem":{"type":"urn:countersign:problem:missing-member",…}}
 *
 * Lines are prepared and submitted in slices, the next one being prepared while the last one is being written. If the
 * log refuses a slice (overload), that slice and everything behind it is reported as refused, so that order is kept and
 * a client can send again exactly what did not go in. If it refuses the first, the whole request is the 503.
 */
import { prepareLines } from '../events/prepare-lines.ts';
import { EventProblem, type PrepareContext, type Prepared } from '../events/types.ts';
import type { Log, SubmitResult } from '../log/types.ts';
import { problemDocument, problemOf } from './problems.ts';
import { type Conflict, type RefusedInput, reportConflicts, reportRefused } from './refusals.ts';
import { type PlainAnswer, SECURITY_HEADERS } from './respond.ts';
import type { SubmitExchange } from './route.ts';
import {
  type AcknowledgementJson,
  acknowledgement,
  conflictProblem,
  contextOf,
  prepareBody,
  submitGroup,
} from './submission.ts';

/** Lines that are prepared before other requests get a turn, and submitted together. */
const SLICE_LINES = 256;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

interface Line {
  /** From 1, blank lines counted. */
  readonly line: number;
  readonly bytes: Uint8Array;
}

/** One line of the answer. */
export interface Outcome extends Partial<Omit<AcknowledgementJson, 'status'>> {
  readonly line: number;
  readonly status: AcknowledgementJson['status'] | 'refused';
  readonly problem?: Readonly<Record<string, unknown>>;
  readonly receipt?: string;
}

export async function takeBatch(exchange: SubmitExchange): Promise<PlainAnswer> {
  const { c, services, served } = exchange;
  const body = await services.bodies.read(c, services.limits.maxBatchBytes);
  const lines = splitLines(body, services.limits.maxBatchLines);
  if (lines.length === 0) throw new EventProblem({ code: 'empty-body', pointer: '', detail: 'the batch has no lines' });
  const troubles: Troubles = { refused: [], conflicts: [] };
  const outcomes = await submitLines(exchange, lines, troubles);
  await reportRefused(exchange, troubles.refused);
  await reportConflicts(exchange, troubles.conflicts);
  const waitSeconds = services.waits.granted(c.req.header('prefer'));
  const applied = waitSeconds !== undefined && (await waitForAll(exchange, outcomes, waitSeconds));
  const withReceipts = applied && lines.length <= services.limits.maxBatchReceipts;
  const answered = withReceipts
    ? await Promise.all(outcomes.map((outcome) => withReceipt(served.log, outcome)))
    : outcomes;
  return {
    status: 200,
    headers: {
      ...SECURITY_HEADERS,
      'content-type': 'application/x-ndjson',
      'cache-control': 'no-store',
      ...(applied ? { 'preference-applied': `wait=${waitSeconds}` } : {}),
    },
    body: answered.map((outcome) => `${textOf(outcome)}\n`).join(''),
  };
}

function splitLines(body: Uint8Array, maxLines: number): readonly Line[] {
  const lines: Line[] = [];
  for (let start = 0, line = 1; start < body.length; line++) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline;
    const bytes = body.subarray(start, end > start && body[end - 1] === CARRIAGE_RETURN ? end - 1 : end);
    if (line > maxLines) {
      throw new EventProblem({ code: 'too-many-lines', pointer: '', detail: `a batch has at most ${maxLines} lines` });
    }
    if (!isBlank(bytes)) lines.push({ line, bytes });
    start = end + 1;
  }
  return lines;
}

function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== SPACE && byte !== TAB) return false;
  return true;
}

/** What becomes an entry of its own when the batch is through. */
interface Troubles {
  readonly refused: RefusedInput[];
  readonly conflicts: Conflict[];
}

async function submitLines(
  exchange: SubmitExchange,
  lines: readonly Line[],
  troubles: Troubles,
): Promise<readonly Outcome[]> {
  const context = contextOf(exchange);
  const outcomes: Outcome[] = [];
  let writing: Promise<Written> | undefined;
  // One turn more than there are slices: it collects what the last one became.
  for (let start = 0; start < lines.length + SLICE_LINES; start += SLICE_LINES) {
    const preparing = prepareSlice(exchange, lines.slice(start, start + SLICE_LINES), context);
    const [slice, written] = await Promise.all([preparing, writing]);
    for (const item of slice) if ('problem' in item) troubles.refused.push(item);
    if (written?.refusedBy !== undefined) {
      if (outcomes.length === 0) throw written.refusedBy;
      const rest = lines.slice(start).map(({ line }) => refusedLine(line, written.refusedBy));
      return [...outcomes, ...written.outcomes, ...rest];
    }
    outcomes.push(...(written?.outcomes ?? []));
    if (slice.length === 0) break;
    writing = submitSlice(exchange, slice, troubles.conflicts);
    await othersTurn();
  }
  return outcomes;
}

type PreparedLine = Line & ({ readonly prepared: Prepared } | { readonly problem: EventProblem });

/** Never rejects for what is wrong with a line. */
async function prepareSlice(
  exchange: SubmitExchange,
  slice: readonly Line[],
  context: PrepareContext,
): Promise<readonly PreparedLine[]> {
  if (slice.length === 0) return [];
  const { served } = exchange;
  if (served.identity !== undefined) return Promise.all(slice.map((line) => prepareNamedLine(exchange, line, context)));
  const prepare = served.preparer?.prepareLines ?? prepareLines;
  const outcomes = await prepare(
    slice.map(({ bytes }) => bytes),
    context,
  );
  const refused = outcomes.filter((one) => one instanceof EventProblem).length;
  if (refused > 0) exchange.services.metrics.submitted(served.log.name, 'refused', refused);
  return slice.map((line, i) => {
    const outcome = outcomes[i];
    if (outcome === undefined) throw new Error('a line was neither prepared nor refused');
    return outcome instanceof EventProblem ? { ...line, problem: outcome } : { ...line, prepared: outcome };
  });
}

async function prepareNamedLine(exchange: SubmitExchange, line: Line, context: PrepareContext): Promise<PreparedLine> {
  try {
    return { ...line, prepared: await prepareBody(exchange, line.bytes, 'event', context) };
  } catch (error) {
    if (error instanceof EventProblem) return { ...line, problem: error };
    throw error;
  }
}

interface Written {
  readonly outcomes: readonly Outcome[];
  /** What kept the whole slice out: nothing behind it may go in before it. */
  readonly refusedBy?: unknown;
}

/** Never rejects: nobody waits for it while the next slice is being prepared. */
async function submitSlice(
  exchange: SubmitExchange,
  slice: readonly PreparedLine[],
  conflicts: Conflict[],
): Promise<Written> {
  const good = slice.flatMap((item) => ('prepared' in item ? [item.prepared] : []));
  try {
    const results = good.length === 0 ? [] : await submitGroup(exchange, good);
    for (const [i, result] of results.entries()) {
      if (result.status === 'conflict') conflicts.push({ eventId: good[i]?.eventId ?? '', index: result.index });
    }
    const left = results.values();
    return {
      outcomes: slice.map((item) =>
        'prepared' in item
          ? storedLine(item.line, item.prepared, left.next().value)
          : refusedLine(item.line, item.problem),
      ),
    };
  } catch (error) {
    return {
      outcomes: slice.map((item) => refusedLine(item.line, 'prepared' in item ? error : item.problem)),
      refusedBy: error,
    };
  }
}

function storedLine(line: number, prepared: Prepared, result: SubmitResult | undefined): Outcome {
  if (result === undefined) throw new Error('the log answered fewer results than it was given events');
  if (result.status === 'conflict')
    return { ...refusedLine(line, conflictProblem(result.index)), event_id: prepared.eventId };
  const { status, event_id, index, log_time, leaf_hash } = acknowledgement(prepared.eventId, result);
  return { line, status, event_id, index, log_time, leaf_hash };
}

/** Text that JSON spells as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** The JSON of one line of the answer; of one that nearly all are like, without going through the object again. */
export function textOf(outcome: Outcome): string {
  const { line, status, event_id, index, log_time, leaf_hash, receipt, problem } = outcome;
  if (receipt !== undefined || problem !== undefined || event_id === undefined || !PLAIN.test(event_id))
    return JSON.stringify(outcome);
  return `{"line":${line},"status":"${status}","event_id":"${event_id}","index":${index},"log_time":"${log_time}","leaf_hash":"${leaf_hash}"}`;
}

function refusedLine(line: number, error: unknown): Outcome {
  return { line, status: 'refused', problem: problemDocument(problemOf(error)) };
}

/** True if the wait was granted and every event that went in is published. */
async function waitForAll(exchange: SubmitExchange, outcomes: readonly Outcome[], seconds: number): Promise<boolean> {
  const last = Math.max(-1, ...outcomes.map(({ index }) => index ?? -1));
  if (last === -1) return false;
  const { applied } = await exchange.services.waits.forPublished(exchange.served.log, last, seconds);
  return applied;
}

async function withReceipt(log: Log, outcome: Outcome): Promise<Outcome> {
  if (outcome.status === 'refused' || outcome.index === undefined) return outcome;
  const receipt = log.publishedSize() > outcome.index ? await log.receipt(outcome.index) : undefined;
  return receipt === undefined ? outcome : { ...outcome, receipt };
}

function othersTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
