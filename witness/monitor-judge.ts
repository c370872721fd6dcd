/**
 * What a round of observations means: pure, from what was seen and when to problems that somebody is told about. A problem
 * stays for as long as its cause does; alerts are made from its coming and going (monitor-alerts.ts).
 */
import type { Observation } from './monitor-sources.ts';
import { MAX_GROWTH, type MonitorState, type SourceMemory } from './monitor-state.ts';

export type ProblemCode =
  /** The log signed two heads that cannot both be true: there is a fork proof. */
  | 'fork'
  /** A source shows a smaller head than before. */
  | 'rollback'
  /** An entry, or a tile, is not the one in the tree that the log signed. */
  | 'entries-differ'
  /** A source shows something that is not a well-signed head of this log. */
  | 'bad-head'
  /** The log published a checkpoint that the policy's quorum did not cosign. */
  | 'quorum-not-met'
  /** A head that the log signed has for too long no place in the history that it shows. */
  | 'unexplained-head'
  /** The log's head stands still. */
  | 'head-still'
  /** A witness, a mirror or the published checkpoint is behind the log's head for too long. */
  | 'behind'
  /** A source has not answered for too long. */
  | 'unreachable';

export interface Problem {
  readonly code: ProblemCode;
  /** Which log, witness, mirror or file. */
  readonly source: string;
  readonly detail: string;
}

export interface JudgeLimits {
  readonly maxLagMs: number;
  /** 0: the head may stand still for ever. */
  readonly maxStillMs: number;
}

export interface JudgedRound {
  readonly problems: readonly Problem[];
  readonly unchecked: readonly string[];
  /** What the next round has to know. */
  readonly next: Pick<MonitorState, 'growth' | 'sources'>;
}

export function judgeRound(round: {
  readonly nowMs: number;
  readonly limits: JudgeLimits;
  readonly state: MonitorState;
  readonly observations: readonly Observation[];
  readonly forkFiles: readonly string[];
}): JudgedRound {
  const { nowMs, limits, state, observations, forkFiles } = round;
  const growth = grow(state.growth, newestOfLog(observations), nowMs, limits.maxLagMs);
  const sources = Object.fromEntries(observations.map((one) => [one.source.name, remember(one, state, nowMs)]));
  const problems: Problem[] = forkFiles.map((file) => ({
    code: 'fork',
    source: file,
    detail: 'two histories, signed',
  }));
  const unchecked: string[] = [];
  const expected = expectedSize(growth, nowMs - limits.maxLagMs);
  for (const one of observations) {
    const memory = sources[one.source.name] ?? { size: 0, answeredAtMs: nowMs };
    problems.push(...judgeSource(one, memory, state, nowMs, limits));
    if (one.kind === 'unreachable') unchecked.push(`${one.source.name}: ${one.detail}`);
    if (one.kind === 'none' && one.source.kind === 'checkpoint') unchecked.push('the log has published nothing yet');
    const size = one.kind === 'head' ? one.head.checkpoint.size : 0;
    if ((one.kind === 'head' || one.kind === 'none') && one.source.kind !== 'head' && size < expected) {
      const detail = `its head has size ${size}; the log signed ${expected} more than ${limits.maxLagMs} ms ago`;
      problems.push({ code: 'behind', source: one.source.name, detail });
    }
  }
  for (const { source, sinceMs } of state.unplaced) {
    if (nowMs - sinceMs < limits.maxLagMs) continue;
    problems.push({ code: 'unexplained-head', source, detail: `since ${timeOf(sinceMs)} no tiles lead to its head` });
  }
  if (limits.maxStillMs > 0 && nowMs - state.headSinceMs >= limits.maxStillMs) {
    problems.push({ code: 'head-still', source: 'log', detail: `no new head since ${timeOf(state.headSinceMs)}` });
  }
  return { problems, unchecked, next: { growth, sources } };
}

function judgeSource(
  one: Observation,
  { answeredAtMs }: SourceMemory,
  state: MonitorState,
  nowMs: number,
  { maxLagMs }: JudgeLimits,
): readonly Problem[] {
  const source = one.source.name;
  if (one.kind === 'bad') return [{ code: 'bad-head', source, detail: one.detail }];
  if (one.kind === 'unreachable') {
    if (nowMs - answeredAtMs < maxLagMs) return [];
    return [{ code: 'unreachable', source, detail: `no answer since ${timeOf(answeredAtMs)}: ${one.detail}` }];
  }
  const problems: Problem[] = [];
  const before = state.sources[source]?.size ?? 0;
  const size = one.kind === 'head' ? one.head.checkpoint.size : 0;
  if (size < before) problems.push({ code: 'rollback', source, detail: `it shows size ${size} after ${before}` });
  if (one.kind === 'head' && one.source.kind === 'checkpoint' && !one.head.quorum) {
    problems.push({ code: 'quorum-not-met', source, detail: `the checkpoint of size ${size} lacks its quorum` });
  }
  return problems;
}

/** The largest size is kept: a source that went back is wrong until it is there again. */
function remember(one: Observation, { sources }: MonitorState, nowMs: number): SourceMemory {
  const before = sources[one.source.name];
  const size = Math.max(before?.size ?? 0, one.kind === 'head' ? one.head.checkpoint.size : 0);
  const answered = one.kind !== 'unreachable';
  return { size, answeredAtMs: answered ? nowMs : (before?.answeredAtMs ?? nowMs) };
}

function newestOfLog(observations: readonly Observation[]): number {
  const sizes = observations.map((one) =>
    one.kind === 'head' && (one.source.kind === 'head' || one.source.kind === 'checkpoint')
      ? one.head.checkpoint.size
      : 0,
  );
  return Math.max(0, ...sizes);
}

/** Adds the size; forgets what is older than the newest size that everybody must have by now. */
function grow(before: MonitorState['growth'], size: number, nowMs: number, maxLagMs: number): MonitorState['growth'] {
  const grown = size > (before.at(-1)?.size ?? 0) ? [...before, { size, atMs: nowMs }] : before;
  const due = grown.findLastIndex(({ atMs }) => atMs <= nowMs - maxLagMs);
  const kept = grown.slice(Math.max(0, due));
  // Every second one goes: a witness is found to be behind a little later than it could be.
  return kept.length <= MAX_GROWTH ? kept : kept.filter((_, i) => i === 0 || i === kept.length - 1 || i % 2 === 0);
}

function expectedSize(growth: MonitorState['growth'], dueMs: number): number {
  return growth.findLast(({ atMs }) => atMs <= dueMs)?.size ?? 0;
}

function timeOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
