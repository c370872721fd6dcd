import { describe, expect, it } from 'vitest';
import { LogError } from '../../src/log/types.ts';
import { createIncidents, type Incident } from '../../src/trail/incidents.ts';
import type { OwnEvent, Recorder } from '../../src/trail/record.ts';

function incident(actor: string, code = 'missing-member', count?: number): Incident {
  return {
    action: 'countersign.submission.refused',
    actor: { type: 'token', id: actor },
    code,
    outcome: 'failure',
    context: {},
    ...(count === undefined ? {} : { count }),
  };
}

function desk(limits = {}) {
  const recorded: OwnEvent[] = [];
  const state = { nowMs: 1_767_882_727_000, refuses: false };
  const recorder: Recorder = {
    record: async (event) => {
      if (state.refuses) throw new LogError('log-stopped', 'stopped');
      recorded.push(event);
      return { index: recorded.length - 1, eventId: 'x', logTime: 0, known: false };
    },
  };
  const incidents = createIncidents({
    recorder,
    nowMs: () => state.nowMs,
    limits: { burst: 3, refillMs: 1_000, sumIntervalMs: 3_600_000, maxTracked: 3, ...limits },
  });
  return { incidents, recorded, state };
}

const report = async (incidents: ReturnType<typeof desk>['incidents'], times: number, actor: string, code?: string) => {
  for (let i = 0; i < times; i++) await incidents.report(incident(actor, code));
};

describe('incidents', () => {
  it('are entries one by one while the budget lasts, then one sum, and nothing is lost', async () => {
    const { incidents, recorded } = desk();
    await report(incidents, 10, 'p1');
    await report(incidents, 5, 'p1', 'invalid-json');
    expect(recorded).toHaveLength(3);
    await incidents.flush();
    expect(recorded[3]).toMatchObject({
      action: 'countersign.submission.refused',
      actor: { id: 'p1' },
      outcome: { result: 'failure' },
      context: { count: 12, codes: { 'missing-member': 7, 'invalid-json': 5 } },
    });
    await incidents.flush();
    expect(recorded).toHaveLength(4);
  });

  it('get their budget back with time, and no more than it was', async () => {
    const { incidents, recorded, state } = desk();
    await report(incidents, 5, 'p1');
    expect(recorded).toHaveLength(3);
    state.nowMs += 1_500;
    await report(incidents, 2, 'p1');
    expect(recorded).toHaveLength(4);
    state.nowMs += 1_000_000;
    await report(incidents, 10, 'p1');
    expect(recorded).toHaveLength(7);
  });

  it('of one actor leave the budget of another alone', async () => {
    const { incidents, recorded } = desk();
    await report(incidents, 10, 'p1');
    await report(incidents, 1, 'p2');
    expect(recorded.map(({ actor }) => actor.id)).toEqual(['p1', 'p1', 'p1', 'p2']);
  });

  it('of more actors than are told apart are counted together', async () => {
    const { incidents, recorded } = desk({ maxTracked: 2 });
    for (const actor of ['p1', 'p2', 'p3', 'p4', 'p5']) await report(incidents, 2, actor);
    expect(recorded.map(({ actor }) => actor.id)).toEqual(['p1', 'p1', 'p2', 'p2']);
    await incidents.flush();
    expect(recorded[4]).toMatchObject({ actor: { type: 'system', id: 'countersign' }, context: { count: 6 } });
  });

  it('count the lines of a batch, and tell a bounded number of codes apart', async () => {
    const { incidents, recorded } = desk({ burst: 0 });
    for (let i = 0; i < 30; i++) await incidents.report(incident('p1', `code-${i}`, 100));
    await incidents.flush();
    const { context } = recorded[0] ?? {};
    expect(context).toMatchObject({ count: 3_000, codes: { other: 1_000 } });
    expect(Object.keys((context as { codes: object }).codes)).toHaveLength(21);
  });

  it('are counted on while the log takes no entries, and written when it does', async () => {
    const { incidents, recorded, state } = desk();
    state.refuses = true;
    await report(incidents, 4, 'p1');
    await incidents.flush();
    expect(recorded).toEqual([]);
    state.refuses = false;
    await incidents.close();
    expect(recorded).toMatchObject([{ context: { count: 4, codes: { 'missing-member': 4 } } }]);
  });
});
