/** The watch over a real log: following, recording, restarting, falling behind, waiting. */
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { LogError } from '../../src/log/types.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import type { Finding } from '../../src/trail/finding.ts';
import type { Recorder } from '../../src/trail/record.ts';
import { STATELESS } from '../../src/trail/watch/detector.ts';
import { openTestLog, preparedEvent, until, withDirectory } from '../support/test-log.ts';
import { numbered, openWatched, type WatchedLog } from '../support/watched.ts';

/** Gaps settle at once, and no heartbeat comes between. */
const QUICK = { heartbeat_seconds: 0, sequence: { settle_ms: 0 } };

async function gapsOf(watched: WatchedLog): Promise<readonly (readonly unknown[])[]> {
  const findings = await watched.findings();
  return findings
    .filter(({ kind }) => kind === 'sequence-gap')
    .map(({ firstIndex, lastIndex, evidence }) => [
      firstIndex,
      lastIndex,
      evidence['missing_from'],
      evidence['missing_to'],
    ]);
}

async function entryCount(log: WatchedLog['log'], action: string): Promise<number> {
  const { indices } = await log.search({ terms: [`v:${action}`], from: 0, size: log.treeSize(), limit: 10_000 });
  return indices.length;
}

describe('the watch', () => {
  it('makes a finding of the missing numbers 4728 to 4743, which is an entry that says where and when', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, { config: QUICK });
      await watched.submit(numbered(4726), numbered(4727), numbered(4744), numbered(4745));
      const [finding, ...others] = await watched.findings();
      expect(others).toEqual([]);
      expect(finding).toMatchObject({
        kind: 'sequence-gap',
        severity: 'high',
        subject: { type: 'producer', id: 'tok_a' },
        firstIndex: 1,
        lastIndex: 2,
        count: 16,
        evidence: { missing_from: 4728, missing_to: 4743 },
        acknowledgement: null,
      });
      const [before, after, entry] = await watched.log.eventsAt([1, 2, finding?.index ?? 0]);
      expect([finding?.firstTimeUs, finding?.lastTimeUs]).toEqual([before?.logTime, after?.logTime]);
      expect(entry?.producerId).toBe('countersign');
      await watched.close();
    }));

  it('finds a producer that is four seconds off at its first event', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, { config: QUICK });
      await watched.submit(numbered(1, Date.now() * 1_000 - 4_000_000));
      const [finding] = await watched.findings();
      expect(finding).toMatchObject({ kind: 'occurred-at-skew', evidence: { direction: 'behind' } });
      expect(Number(finding?.evidence['least_ms'])).toBeGreaterThanOrEqual(3_999);
      await watched.close();
    }));

  it('moves time on by itself where a finding waits for it and nothing else comes', () =>
    withDirectory(async (directory) => {
      const config = { heartbeat_seconds: 60, sequence: { settle_ms: 100 } };
      const watched = await openWatched(directory, { config, watch: { limits: { minTimeMarkMs: 10 } } });
      await watched.submit(numbered(1), numbered(3));
      await until(async () => (await gapsOf(watched)).length === 1, 'the finding');
      expect(await entryCount(watched.log, 'countersign.heartbeat')).toBe(1);
      await watched.close();
    }));

  it('finds nothing in its own findings and heartbeats', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, { config: QUICK });
      await watched.submit(numbered(1), numbered(5));
      for (let i = 0; i < 3; i++) await watched.watch.beat();
      expect(await watched.findings()).toHaveLength(1);
      expect(watched.watch.status().producerCount).toBe(1);
      await watched.close();
    }));

  it('keeps what it knows across a restart, so that a gap is found that spans it', () =>
    withDirectory(async (directory) => {
      const first = await openWatched(directory, { config: QUICK });
      await first.submit(numbered(1), numbered(2));
      await first.findings();
      await first.close();
      const second = await openWatched(directory, { config: QUICK });
      expect(second.watch.status().examinedSize).toBe(2);
      await second.submit(numbered(7));
      await second.submit(numbered(8));
      expect(await gapsOf(second)).toEqual([[1, 2, 3, 6]]);
      await second.close();
    }));

  it('saves its state for its owner alone, and never half', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, { config: QUICK });
      await watched.submit(numbered(1));
      await watched.findings();
      await watched.close();
      expect((await stat(watched.stateFile)).mode & 0o777).toBe(0o600);
      expect(await readFile(watched.stateFile, 'utf8')).toMatch(/^countersign\/watch\/v1\n\{.*\}\n[0-9a-f]{64}\n$/);
    }));

  it.each([
    ['an older state', async (old: string, file: string) => copyFile(old, file)],
    ['no state', async (_: string, file: string) => writeFile(file, '')],
    [
      'a damaged state',
      async (_: string, file: string) => writeFile(file, (await readFile(file, 'utf8')).replace('tok_a', 'tok_b')),
    ],
  ])('examines again after a crash that left %s, and raises nothing twice', (_, crash) =>
    withDirectory(async (directory) => {
      const first = await openWatched(directory, { config: QUICK });
      await first.submit(numbered(1), numbered(2), numbered(9), numbered(10));
      await first.findings();
      await first.close();
      await copyFile(first.stateFile, `${first.stateFile}.old`);
      const second = await openWatched(directory, { config: QUICK });
      await second.submit(numbered(20), numbered(21), numbered(3), numbered(5));
      const atypical = { break_glass: true, correlation_id: 'c', context: { granted_role: 'admin', phase: 'start' } };
      const real = {
        actor: { type: 'user', id: 'u_1' },
        outcome: { result: 'success' },
        occurred_at: '2026-01-08T00:00:00Z',
      };
      for (const action of ['role.grant', 'a.export', 'a.end']) {
        await second.submit(preparedEvent(action, { ...real, ...atypical, action }));
      }
      const known = await second.findings();
      const size = second.log.treeSize();
      await second.close();
      await crash(`${first.stateFile}.old`, second.stateFile);
      const conflicts: unknown[] = [];
      const third = await openWatched(directory, {
        config: QUICK,
        alterRecorder: (recorder) => ({
          record: async (event) => {
            try {
              return await recorder.record(event);
            } catch (error) {
              conflicts.push(error);
              throw error;
            }
          },
        }),
      });
      expect(await third.findings()).toEqual(known);
      expect(third.log.treeSize()).toBe(size);
      expect(third.watch.status().examinedSize).toBe(size);
      // Not only the same ids: the same contents, to the last byte.
      expect(conflicts).toEqual([]);
      await third.close();
    }),
  );

  it('begins anew with the state of another log, and with one of a tree that went on differently', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, { config: QUICK });
      await watched.submit(numbered(1), numbered(2), numbered(4), numbered(5));
      await watched.findings();
      await watched.close();
      await withDirectory(async (other) => {
        await copyFile(watched.stateFile, `${other}/watch.state`);
        const another = await openWatched(other, { config: QUICK });
        expect(another.watch.status().examinedSize).toBe(0);
        await another.submit(numbered(1), numbered(3), numbered(4));
        expect(await gapsOf(another)).toEqual([[0, 1, 2, 2]]);
        await another.close();
      });
    }));

  it('falls behind without losing anything when more comes than its queue holds, and catches up', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, {
        config: QUICK,
        watch: { limits: { follow: { maxQueuedEvents: 8, batchEvents: 4 } } },
      });
      const events = Array.from({ length: 300 }, (_, i) => numbered(i < 150 ? i : i + 10));
      await Promise.all([watched.log.submit(events.slice(0, 200)), watched.log.submit(events.slice(200))]);
      expect(await gapsOf(watched)).toEqual([[149, 150, 150, 159]]);
      expect(watched.watch.status().overflowCount).toBeGreaterThan(0);
      expect(watched.watch.status().lag).toBe(0);
      await watched.submit(numbered(1_000), numbered(1_001));
      expect(await gapsOf(watched)).toHaveLength(2);
      await watched.close();
    }));

  it('never keeps submissions waiting: they are answered while it is stuck', () =>
    withDirectory(async (directory) => {
      const alterRecorder = (): Recorder => ({ record: () => new Promise(() => undefined) });
      const watched = await openWatched(directory, { config: QUICK, alterRecorder });
      await watched.submit(numbered(1), numbered(3), numbered(4));
      await until(() => watched.watch.status().lag > 0);
      for (let i = 10; i < 60; i++) await watched.submit(numbered(i));
      expect(watched.log.treeSize()).toBe(53);
      await watched.log.close();
    }));

  it('waits while the log takes no entries, and records then, each once', () =>
    withDirectory(async (directory) => {
      let refusals = 5;
      const watched = await openWatched(directory, {
        config: QUICK,
        alterRecorder: (recorder) => ({
          record: (event) => {
            if (refusals-- > 0) throw new LogError('overloaded', 'the queue is full', { retryAfterSeconds: 1 });
            return recorder.record(event);
          },
        }),
      });
      await watched.submit(numbered(1), numbered(3), numbered(4));
      expect(await gapsOf(watched)).toEqual([[0, 1, 2, 2]]);
      expect(refusals).toBeLessThan(0);
      await watched.close();
    }));

  it('does not say that it examined what it could not record before it was closed', () =>
    withDirectory(async (directory) => {
      const first = await openWatched(directory, {
        config: QUICK,
        alterRecorder: () => ({ record: () => Promise.reject(new LogError('log-stopped', 'the disk is full')) }),
      });
      await first.submit(numbered(1), numbered(3), numbered(4));
      await until(() => first.watch.status().lag > 0);
      await first.close();
      const second = await openWatched(directory, { config: QUICK });
      expect(await gapsOf(second)).toEqual([[0, 1, 2, 2]]);
      await second.close();
    }));

  it('goes on when a detector fails, and takes detectors of others', () =>
    withDirectory(async (directory) => {
      const found: Finding = {
        kind: 'rule-unknown',
        severity: 'medium',
        subject: { type: 'rule', id: 'policy.x.v1' },
        firstIndex: 0,
        lastIndex: 0,
        firstTimeUs: 1_767_880_800_000_000,
        lastTimeUs: 1_767_880_800_000_000,
        count: 1,
        message: 'Nobody knows this rule.',
        evidence: {},
      };
      const failing = () => ({
        ...STATELESS,
        name: 'failing',
        examine: () => {
          throw new Error('a bug');
        },
      });
      const ruling = () => ({
        ...STATELESS,
        name: 'ruling',
        examine: ({ index }: { index: number }) => (index === 0 ? [found] : []),
      });
      const watched = await openWatched(directory, { config: QUICK, watch: { detectors: [failing, ruling] } });
      await watched.submit(numbered(1));
      expect((await watched.findings()).map(({ kind }) => kind)).toEqual(['rule-unknown']);
      await watched.watch.raise({ ...found, kind: 'rule-superseded' });
      await watched.watch.raise({ ...found, kind: 'rule-superseded' });
      expect((await watched.findings()).map(({ kind }) => kind)).toEqual(['rule-unknown', 'rule-superseded']);
      await watched.close();
    }));

  it('says which entry it cannot read, and examines the others', () =>
    withDirectory(async (directory) => {
      const { log } = await openTestLog(directory);
      await log.submit([1, 2, 3, 9, 10].map((seq) => numbered(seq)));
      await log.close();
      const watched = await openWatched(directory, {
        config: QUICK,
        alterLog: (real) => ({
          ...real,
          eventsAt: async (indices) => {
            if (indices.includes(2)) throw new LogError('corrupt-data', 'entry 2 was altered', { index: 2 });
            return real.eventsAt(indices);
          },
        }),
      });
      expect((await watched.findings()).map(({ kind, firstIndex }) => [kind, firstIndex]).sort()).toEqual([
        ['entry-unreadable', 2],
        ['sequence-gap', 1],
      ]);
      await watched.close();
    }));

  it('reads again what it could not read for a moment', () =>
    withDirectory(async (directory) => {
      const { log } = await openTestLog(directory);
      await log.submit([1, 2, 9, 10].map((seq) => numbered(seq)));
      await log.close();
      let failures = 1;
      const watched = await openWatched(directory, {
        config: QUICK,
        alterLog: (real) => ({
          ...real,
          eventsAt: async (indices) => {
            if (failures-- > 0) throw new Error('the disk is busy');
            return real.eventsAt(indices);
          },
        }),
      });
      expect(await gapsOf(watched)).toEqual([[1, 2, 3, 8]]);
      await watched.close();
    }));
});

describe('heartbeats', () => {
  it('are entries that say how the log is, at their interval', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, { config: { heartbeat_seconds: 0.02 } });
      await until(async () => (await entryCount(watched.log, 'countersign.heartbeat')) >= 3, 'three heartbeats');
      const { indices } = await watched.log.search({
        terms: ['v:countersign.heartbeat'],
        from: 0,
        size: 100,
        limit: 1,
      });
      const [stored] = await watched.log.eventsAt(indices);
      const context = JSON.parse(stored?.fields.find(({ id }) => id === 'context')?.opening?.value ?? '{}');
      expect(context).toMatchObject({
        interval_seconds: 0.02,
        tree_size: 0,
        published_size: 0,
        queued_events: 0,
        producers: 0,
        clock_state: 'unchecked',
        clock_offset_us: null,
      });
      await watched.close();
    }));

  it('begin at once when the log was away, and the pause is a finding', () =>
    withDirectory(async (directory) => {
      let nowUs = 1_767_880_800_000_000;
      const options = { nowUs: () => nowUs, config: { heartbeat_seconds: 60 } };
      const first = await openWatched(directory, options);
      await first.watch.beat();
      await first.findings();
      await first.close();
      nowUs += 30_000_000;
      const soon = await openWatched(directory, options);
      expect(soon.log.treeSize()).toBe(1);
      await soon.close();
      nowUs += 3_600_000_000;
      const later = await openWatched(directory, options);
      const [finding] = await later.findings();
      expect(finding).toMatchObject({
        kind: 'heartbeat-gap',
        firstIndex: 0,
        lastIndex: 1,
        evidence: { pause_seconds: 3_630 },
      });
      await later.close();
    }));

  it('that the log does not take are left out, and the watch goes on', () =>
    withDirectory(async (directory) => {
      const store = openMemoryStore();
      const watched = await openWatched(directory, { config: QUICK, log: { openStore: async () => store } });
      await watched.log.close();
      expect(await watched.watch.beat()).toBe(false);
      await watched.watch.close();
    }));
});

describe('attestations', () => {
  it('are made for every day once it is over, also for those on which the log was down, and are the same again', () =>
    withDirectory(async (directory) => {
      const day = 86_400_000_000;
      let nowUs = 1_767_880_800_000_000;
      const options = { nowUs: () => nowUs, config: QUICK };
      const first = await openWatched(directory, options);
      await first.submit(numbered(1, nowUs), numbered(2, nowUs));
      await first.findings();
      await first.close();
      nowUs += 3 * day;
      const second = await openWatched(directory, options);
      await second.watch.beat();
      await second.watch.caughtUp();
      const attestations = async (log: WatchedLog['log']) => {
        const { indices } = await log.search({
          terms: ['v:countersign.attestation'],
          from: 0,
          size: log.treeSize(),
          limit: 100,
        });
        return (await log.eventsAt(indices)).map(({ fields }) => {
          const value = (id: string) => JSON.parse(fields.find((field) => field.id === id)?.opening?.value ?? 'null');
          return [value('event_id'), value('occurred_at'), value('context').entries, value('context').root.length];
        });
      };
      const expected = [
        ['attestation.2026-01-08', '2026-01-09T00:00:00Z', 2, 44],
        ['attestation.2026-01-09', '2026-01-10T00:00:00Z', 0, 44],
        ['attestation.2026-01-10', '2026-01-11T00:00:00Z', 0, 44],
      ];
      expect(await attestations(second.log)).toEqual(expected);
      const size = second.log.treeSize();
      await second.close();
      await writeFile(second.stateFile, '');
      const third = await openWatched(directory, options);
      await third.watch.caughtUp();
      expect(await attestations(third.log)).toEqual(expected);
      expect(third.log.treeSize()).toBe(size);
      await third.close();
    }));
});

describe('the clock of the log', () => {
  const source = (offsetUs: () => number | null) => ({
    nowMs: Date.now,
    tracking: async () => '',
    query: async () => {
      const offset = offsetUs();
      if (offset === null) throw new Error('nobody');
      return { offsetUs: offset, delayUs: 1, stratum: 1 };
    },
  });

  it('is checked at its interval; each check is an entry, and going off is a finding', () =>
    withDirectory(async (directory) => {
      let offset = 10;
      const config = { heartbeat_seconds: 0, clock: { servers: ['ntp'], check_seconds: 1 } };
      const watched = await openWatched(directory, { config, watch: { clockSources: source(() => offset) } });
      await until(() => watched.watch.clock().state === 'synchronised');
      expect(watched.watch.clock().offsetUs).toBe(10);
      offset = 51_000;
      await until(async () => (await watched.findings()).length > 0, 'the finding');
      expect((await watched.findings()).map(({ kind, evidence }) => [kind, evidence])).toEqual([
        ['clock-offset', { offset_us: 51_000 }],
      ]);
      expect(await entryCount(watched.log, 'countersign.clock.check')).toBeGreaterThanOrEqual(2);
      await watched.close();
    }));

  it('lets no event in where that is wanted, until its sources confirm it', () =>
    withDirectory(async (directory) => {
      let offset: number | null = null;
      const config = {
        heartbeat_seconds: 0,
        clock: { servers: ['ntp'], check_seconds: 1, refuse_unsynchronised: true },
      };
      const watched = await openWatched(directory, { config, watch: { clockSources: source(() => offset) } });
      expect(() => watched.watch.admit()).toThrow(LogError);
      await until(() => watched.watch.clock().state === 'unsynchronised');
      expect(() => watched.watch.admit()).toThrow(expect.objectContaining({ code: 'clock-unsynchronised' }));
      offset = 3;
      await until(() => watched.watch.clock().state === 'synchronised');
      watched.watch.admit();
      await watched.close();
    }));

  it('is no reason for anything where no source is configured', () =>
    withDirectory(async (directory) => {
      const watched = await openWatched(directory, { config: QUICK });
      watched.watch.admit();
      expect(watched.watch.clock()).toMatchObject({ state: 'unchecked', offsetUs: null });
      await watched.submit(preparedEvent('x'));
      await watched.close();
    }));
});
