/**
 * Hands events to a log so that none is lost and none is doubled: a batch is sent again, with the same event ids, until
 * the log has answered for every line of it. A crash of this program or of the log at any point is repaired by
 * running the same command again.
 */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import {
  describeFault,
  members,
  parseAnswer,
  send,
  UnavailableError,
  unexpectedAnswer,
  withRetries,
} from './client.ts';
import type { Io } from './io.ts';
import type { Target } from './target.ts';

/** One event as one line of JSON, and where it came from, for messages. */
export interface Submission {
  readonly text: string;
  readonly where: string;
}

export interface AcceptedEvent {
  readonly where: string;
  readonly status: 'accepted' | 'duplicate';
  readonly event_id: string;
  readonly index: number;
  readonly log_time: string;
  readonly leaf_hash: string;
}

export interface RefusedEvent {
  readonly where: string;
  readonly event_id?: string;
  readonly type: string;
  readonly detail: string;
  /** `pointer: what is wrong`, one for each fault. */
  readonly errors: readonly string[];
}

export interface SubmitOptions {
  /** How long one batch is tried again before the log counts as unreachable. */
  readonly timeoutMs: number;
  readonly onAccepted: (event: AcceptedEvent) => void;
  readonly onRefused: (event: RefusedEvent) => void;
  readonly onWait: (error: UnavailableError) => void;
}

/** Well below what a log takes, so that a batch is answered soon and progress is seen. */
const BATCH_LINES = 200;
const BATCH_CHARACTERS = 1_000_000;

const AcceptedLine = Type.Object({
  line: Type.Integer({ minimum: 1 }),
  status: Type.Union([Type.Literal('accepted'), Type.Literal('duplicate')]),
  event_id: Type.String(),
  index: Type.Integer({ minimum: 0 }),
  log_time: Type.String(),
  leaf_hash: Type.String(),
});

const RefusedLine = Type.Object({
  line: Type.Integer({ minimum: 1 }),
  status: Type.Literal('refused'),
  event_id: Type.Optional(Type.String()),
  problem: Type.Object({ type: Type.String(), status: Type.Integer(), detail: Type.Optional(Type.String()) }),
});

/** A line that the log could not take at this moment. */
const LINE_OVERLOADED = 503;

/** Submits all events in their order. Throws UnavailableError when the log stays away, CliError when it refuses us. */
export async function submitEvents(
  io: Io,
  target: Target,
  submissions: AsyncIterable<Submission> | Iterable<Submission>,
  options: SubmitOptions,
): Promise<void> {
  for await (const batch of inBatches(submissions)) {
    let open: readonly Submission[] = batch;
    await withRetries(
      io,
      options.timeoutMs,
      async () => {
        open = await submitBatch(io, target, open, options);
        if (open.length > 0) throw new UnavailableError('the log has more work than it can take', undefined);
      },
      options.onWait,
    );
  }
}

/** Submits one batch; returns what has to be sent again. */
async function submitBatch(
  io: Io,
  target: Target,
  batch: readonly Submission[],
  options: SubmitOptions,
): Promise<readonly Submission[]> {
  const url = `${target.logUrl}/events`;
  const body = batch.map(({ text }) => `${text}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  const { text } = await send(io, target, url, { method: 'POST', body, headers });
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length !== batch.length) {
    throw unexpectedAnswer(url, `it has ${lines.length} lines for ${batch.length} events`);
  }
  const again: Submission[] = [];
  lines.forEach((line, index) => {
    const submission = batch[index];
    if (submission === undefined) return;
    const answer = parseAnswer(url, line);
    if (members(answer)['line'] !== index + 1) throw unexpectedAnswer(url, 'its lines are not those of the batch');
    if (!judgeLine(url, answer, submission, options)) again.push(submission);
  });
  return again;
}

/** False if the line has to be sent again. */
function judgeLine(url: string, answer: unknown, { where }: Submission, options: SubmitOptions): boolean {
  if (Value.Check(AcceptedLine, answer)) {
    const { status, event_id, index, log_time, leaf_hash } = answer;
    options.onAccepted({ where, status, event_id, index, log_time, leaf_hash });
    return true;
  }
  if (!Value.Check(RefusedLine, answer))
    throw unexpectedAnswer(url, 'a line is neither an acknowledgement nor a refusal');
  const { event_id, problem } = answer;
  if (problem.status === LINE_OVERLOADED) return false;
  const { errors } = members(problem);
  options.onRefused({
    where,
    ...(event_id === undefined ? {} : { event_id }),
    type: problem.type,
    detail: problem.detail ?? '',
    errors: Array.isArray(errors) ? errors.map((fault) => describeFault(members(fault))) : [],
  });
  return true;
}

async function* inBatches(
  submissions: AsyncIterable<Submission> | Iterable<Submission>,
): AsyncGenerator<readonly Submission[]> {
  let batch: Submission[] = [];
  let characters = 0;
  for await (const submission of submissions) {
    const isFull = batch.length >= BATCH_LINES || characters + submission.text.length > BATCH_CHARACTERS;
    if (isFull && batch.length > 0) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(submission);
    characters += submission.text.length;
  }
  if (batch.length > 0) yield batch;
}
