import { describe, expect, it } from 'vitest';
import { EventProblem } from '../../src/events/types.ts';
import { LogError } from '../../src/log/types.ts';
import { createDeferredRecorder } from '../../src/trail/defer.ts';
import type { OwnEvent, Recorder } from '../../src/trail/record.ts';
import { until } from '../support/test-log.ts';

function desk(maxWaiting = 2) {
  const recorded: OwnEvent[] = [];
  const state: { failure: Error | undefined; nowMs: number; told: number[] } = {
    failure: undefined,
    nowMs: 0,
    told: [],
  };
  const recorder: Recorder = {
    record: async (event) => {
      if (state.failure !== undefined) throw state.failure;
      recorded.push(event);
      return { index: recorded.length - 1, eventId: '', logTime: 0, known: false };
    },
  };
  let ids = 0;
  const deferred = createDeferredRecorder({
    recorder,
    nowMs: () => state.nowMs,
    newId: () => `id-${++ids}`,
    maxWaiting,
    retryMs: 1,
    onWaiting: (waiting) => state.told.push(waiting),
  });
  return { deferred, recorded, state };
}

const READ: OwnEvent = {
  action: 'countersign.read.search',
  actor: { type: 'token', id: 'tok_1' },
  outcome: { result: 'success' },
};
const STOPPED = new LogError('log-stopped', 'the disk is full');

describe('a read while the log takes no entries', () => {
  it('is answered, waits with its own time and id, and goes in as soon as it can, in order', async () => {
    const { deferred, recorded, state } = desk();
    state.failure = STOPPED;
    state.nowMs = 1_000;
    expect(await deferred.record(READ)).toBe('waiting');
    state.nowMs = 2_000;
    expect(await deferred.record(READ)).toBe('waiting');
    expect(deferred.waiting).toBe(2);
    state.failure = undefined;
    await until(() => deferred.waiting === 0);
    expect(recorded.map(({ event_id, occurred_at }) => [event_id, occurred_at])).toEqual([
      ['id-1', '1970-01-01T00:00:01.000Z'],
      ['id-2', '1970-01-01T00:00:02.000Z'],
    ]);
    expect(await deferred.record(READ)).toEqual({ index: 2 });
    expect(state.told).toEqual([1, 0]);
  });

  it('is refused beyond the bound, because it could not be recorded', async () => {
    const { deferred, state } = desk(1);
    state.failure = STOPPED;
    await deferred.record(READ);
    await expect(deferred.record(READ)).rejects.toMatchObject({ code: 'log-stopped' });
    expect(await deferred.close()).toBe(1);
  });

  it('is refused at once when it is the entry itself that is wrong', async () => {
    const { deferred, state } = desk();
    state.failure = new EventProblem({ code: 'invalid-member', pointer: '/x', detail: 'a bug' });
    await expect(deferred.record(READ)).rejects.toThrow('a bug');
    expect(deferred.waiting).toBe(0);
  });

  it('goes in when the log is closed, if it can', async () => {
    const { deferred, recorded, state } = desk();
    state.failure = STOPPED;
    await deferred.record(READ);
    state.failure = undefined;
    expect(await deferred.close()).toBe(0);
    expect(recorded).toHaveLength(1);
  });
});
