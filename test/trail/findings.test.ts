/** The list of findings: derived from the log, acknowledged once, the same after every restart. */
import { describe, expect, it } from 'vitest';
import { type Finding, findingId, raisedFinding, raiseEvent, SEVERITIES } from '../../src/trail/finding.ts';
import { FindingError, openFindingList } from '../../src/trail/findings.ts';
import { createRecorder } from '../../src/trail/record.ts';
import { testContexts } from '../support/http.ts';
import { openTestLog, withDirectory } from '../support/test-log.ts';

const T_US = 1_767_880_800_000_000;
const actor = { type: 'token', id: 'tok_admin', role: 'admin' } as const;

function finding(n: number, changes: Partial<Finding> = {}): Finding {
  return {
    kind: 'sequence-gap',
    severity: SEVERITIES[n % 4] ?? 'low',
    subject: { type: 'producer', id: `tok_${n}` },
    firstIndex: n,
    lastIndex: n + 1,
    firstTimeUs: T_US,
    lastTimeUs: T_US + 1_234_567,
    count: 3,
    message: `Finding ${n}.`,
    evidence: { missing_from: n, missing_to: n + 2 },
    ...changes,
  };
}

async function open(directory: string, options: { readonly maxListed?: number } = {}) {
  const { log } = await openTestLog(directory);
  const recorder = createRecorder({
    log,
    prepareContext: testContexts(),
    nowMs: () => Date.now(),
    newId: () => 'unused',
  });
  const list = openFindingList({ log, recorder, ...options });
  return {
    log,
    recorder,
    list,
    raise: async (...numbers: readonly number[]) => {
      for (const n of numbers) await recorder.record(raiseEvent(finding(n)));
    },
    close: async () => {
      await list.close();
      await log.close();
    },
  };
}

describe('a finding', () => {
  it('comes back from its entry as it went in', () =>
    withDirectory(async (directory) => {
      const { recorder, list, close } = await open(directory);
      const odd = finding(7, {
        subject: { type: 'user', id: 'ü "7" \u202e' },
        evidence: { a: [1, { b: null }], c: 'd' },
      });
      const { index } = await recorder.record(raiseEvent(odd));
      const { findings } = await list.page({ limit: 10 });
      const { discriminator, ...rest } = odd;
      expect(discriminator).toBeUndefined();
      expect(findings).toEqual([
        { ...rest, id: findingId(odd), index, raisedAtUs: expect.any(Number), acknowledgement: null },
      ]);
      await close();
    }));

  it('has an id that differs as soon as kind, subject, first index or discriminator do', () => {
    const others: readonly Partial<Finding>[] = [
      {},
      { kind: 'sequence-step-back' },
      { subject: { type: 'producer', id: 'other' } },
      { subject: { type: 'user', id: 'tok_1' } },
      { firstIndex: 0 },
      { discriminator: '5' },
    ];
    expect(new Set(others.map((changes) => findingId(finding(1, changes)))).size).toBe(others.length);
    expect(findingId(finding(1, { severity: 'low', count: 9, evidence: {}, lastIndex: 5 }))).toBe(
      findingId(finding(1)),
    );
    expect(findingId(finding(1))).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
  });

  it('is none when its entry has another form, or was erased', () => {
    const entry = (event: object) => ({ index: 0, logTime: T_US, producerId: 'countersign', event: { ...event } });
    expect(raisedFinding(entry({}))).toBeUndefined();
    expect(raisedFinding(entry({ event_id: 'x', context: { kind: 'unheard-of', severity: 'low' } }))).toBeUndefined();
    expect(raisedFinding(entry({ event_id: 'x', context: 'text' }))).toBeUndefined();
    expect(raisedFinding(entry({ event_id: 'x', context: { kind: 'break-glass', severity: 'low' } }))).toMatchObject({
      subject: null,
      message: '',
    });
  });
});

describe('the list of findings', () => {
  it('is newest first, in pages that join on, filtered by state, kind and severity', () =>
    withDirectory(async (directory) => {
      const { list, raise, close } = await open(directory);
      await raise(1, 2, 3, 4, 5, 6, 7);
      const first = await list.page({ limit: 3 });
      expect(first.findings.map(({ firstIndex }) => firstIndex)).toEqual([7, 6, 5]);
      expect(first.complete).toBe(false);
      const second = await list.page({ limit: 10, before: first.next ?? 0 });
      expect(second.findings.map(({ firstIndex }) => firstIndex)).toEqual([4, 3, 2, 1]);
      expect([second.complete, second.next]).toEqual([true, null]);
      await list.acknowledge(findingId(finding(4)), { actor, reason: 'a deployment' });
      const of = async (query: Partial<Parameters<typeof list.page>[0]>) =>
        (await list.page({ limit: 10, ...query })).findings.map(({ firstIndex }) => firstIndex);
      expect(await of({ state: 'acknowledged' })).toEqual([4]);
      expect(await of({ state: 'open' })).toEqual([7, 6, 5, 3, 2, 1]);
      expect(await of({ severity: 'critical' })).toEqual([7, 3]);
      expect(await of({ kind: 'break-glass' })).toEqual([]);
      await close();
    }));

  it('is the same after a restart, with what was acknowledged, by whom and why', () =>
    withDirectory(async (directory) => {
      const first = await open(directory);
      await first.raise(1, 2, 3);
      const acknowledged = await first.list.acknowledge(findingId(finding(2)), { actor, reason: 'asked the producer' });
      expect(acknowledged.acknowledgement).toMatchObject({
        index: 3,
        actorId: 'tok_admin',
        reason: 'asked the producer',
      });
      const before = await first.list.page({ limit: 10 });
      const totals = first.list.totals();
      await first.close();
      const second = await open(directory);
      expect(await second.list.page({ limit: 10 })).toEqual(before);
      expect(second.list.totals()).toEqual(totals);
      expect(second.list.openCount()).toBe(2);
      await second.close();
    }));

  it('acknowledges a finding once, whoever asks again, at whatever time', () =>
    withDirectory(async (directory) => {
      const { log, list, raise, close } = await open(directory);
      await raise(1);
      const id = findingId(finding(1));
      const attempts = await Promise.allSettled(
        ['a', 'b', 'c'].map((reason) => list.acknowledge(id, { actor, reason })),
      );
      expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const attempt of attempts) {
        if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'already-acknowledged' });
      }
      expect(log.treeSize()).toBe(2);
      await expect(list.acknowledge(id, { actor, reason: 'd' })).rejects.toBeInstanceOf(FindingError);
      await expect(list.acknowledge('finding.no', { actor, reason: 'd' })).rejects.toMatchObject({
        code: 'unknown-finding',
      });
      await close();
    }));

  it('says that it is not complete when it has more behind it than it lists', () =>
    withDirectory(async (directory) => {
      const { recorder, list, close } = await open(directory, { maxListed: 10 });
      await Promise.all(Array.from({ length: 1_011 }, (_, n) => recorder.record(raiseEvent(finding(n)))));
      const page = await list.page({ limit: 100 });
      expect(page.findings).toHaveLength(11);
      expect([page.complete, page.next]).toEqual([false, null]);
      expect(list.totals().reduce((sum, { raised }) => sum + raised, 0)).toBe(1_011);
      await close();
    }));

  it('leaves out a finding that somebody else wrote under its action', () =>
    withDirectory(async (directory) => {
      const { recorder, list, close } = await open(directory);
      await recorder.record({ ...raiseEvent(finding(1)), context: { kind: 'nonsense' } });
      expect(await list.page({ limit: 10 })).toMatchObject({ findings: [], complete: true });
      await close();
    }));
});
