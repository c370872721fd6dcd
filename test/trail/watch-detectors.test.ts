/** Silence, skew, related events, privileges, exports and hours, as transcripts. */
import { describe, expect, it } from 'vitest';
import { watchConfig } from '../../src/trail/watch/config.ts';
import { correlationDetector } from '../../src/trail/watch/correlation.ts';
import { massExportDetector } from '../../src/trail/watch/mass-export.ts';
import { offHoursDetector } from '../../src/trail/watch/off-hours.ts';
import { breakGlassDetector, privilegeDetector } from '../../src/trail/watch/privilege.ts';
import { silenceDetector } from '../../src/trail/watch/silence.ts';
import { skewDetector } from '../../src/trail/watch/skew.ts';
import { beat, brief, entries, findings, type Line } from '../support/watch.ts';

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** A heartbeat a minute, so that time moves on, and further lines between them. */
function withBeats(untilS: number, lines: readonly Line[]): readonly Line[] {
  const beats = Array.from({ length: Math.floor(untilS / MINUTE) + 1 }, (_, i) => beat(i * MINUTE + 0.5));
  return [...beats, ...lines].sort((a, b) => a.at - b.at);
}

/** One event every so many seconds. */
function every(seconds: number, fromS: number, toS: number, producer = 'tok_a'): readonly Line[] {
  return Array.from({ length: Math.floor((toS - fromS) / seconds) }, (_, i) => ({ at: fromS + i * seconds, producer }));
}

describe('silence', () => {
  const learned = () => silenceDetector(watchConfig({}));
  const kinds = (lines: readonly Line[], make = learned) => findings(make, lines).map(({ kind }) => kind);

  it('finds a producer that spoke every few seconds and stopped, after fifteen minutes, and its return', () => {
    const lines = withBeats(2 * HOUR, [...every(10, 0, HOUR), ...every(10, 5_400, 5_500)]);
    const found = findings(learned, lines);
    expect(found.map(({ kind, subject }) => [kind, subject.id])).toEqual([
      ['producer-silent', 'tok_a'],
      ['producer-resumed', 'tok_a'],
    ]);
    expect(found[0]?.evidence).toEqual({ silent_after_seconds: 900 });
    expect(found[1]?.evidence).toEqual({ silent_for_seconds: 1_810 });
  });

  it('says it once, however long the silence lasts', () => {
    expect(kinds(withBeats(DAY, every(10, 0, HOUR)))).toEqual(['producer-silent']);
  });

  it('does not miss who was hardly ever here', () => {
    expect(kinds(withBeats(2 * HOUR, every(10, 0, 300)))).toEqual([]);
  });

  it('learns the pauses of a producer that speaks once an hour, and misses it when it stays away for long', () => {
    const lines = withBeats(20 * HOUR, every(HOUR, 10, 10 * HOUR));
    const found = findings(learned, lines);
    expect(found.map(({ kind }) => kind)).toEqual(['producer-silent']);
    expect(found[0]?.evidence).toEqual({ silent_after_seconds: 4 * HOUR });
  });

  it('takes the configured time exactly, for all or for one, and never for a historic producer', () => {
    const lines = withBeats(20 * MINUTE, [{ at: 1 }, { at: 2, producer: 'tok_b' }, { at: 3, producer: 'tok_c' }]);
    const forAll = () => silenceDetector(watchConfig({ silence: { after_seconds: 120 } }));
    expect(kinds(lines, forAll)).toHaveLength(3);
    const producers = { tok_b: { silent_after_seconds: 60 }, tok_c: { historic: true } };
    const forOne = () => silenceDetector(watchConfig({ producers }));
    expect(findings(forOne, lines).map(({ subject }) => subject.id)).toEqual(['tok_b']);
    const never = () =>
      silenceDetector(
        watchConfig({ silence: { after_seconds: 120 }, producers: { tok_a: { silent_after_seconds: null } } }),
      );
    expect(findings(never, lines).map(({ subject }) => subject.id)).toEqual(['tok_b', 'tok_c']);
  });

  it('does not count the time in which the log itself was away', () => {
    const before = withBeats(HOUR, every(10, 0, HOUR));
    const after = [beat(10 * HOUR), { at: 10 * HOUR + 5 }, beat(10 * HOUR + MINUTE)];
    expect(kinds([...before, ...after])).toEqual([]);
  });

  it('finds who does not come back after the log did', () => {
    const before = withBeats(HOUR, every(10, 0, HOUR));
    const after = Array.from({ length: 20 }, (_, i) => beat(10 * HOUR + i * MINUTE));
    expect(kinds([...before, ...after])).toEqual(['producer-silent']);
  });
});

describe('skew', () => {
  const make = () => skewDetector(watchConfig({}));

  it('finds a producer whose clock is four seconds off, at its first event', () => {
    for (const skew of [4, -4]) {
      const [first] = findings(make, [{ at: 0, skew }]);
      expect(first).toMatchObject({
        kind: 'occurred-at-skew',
        severity: 'medium',
        subject: { type: 'producer', id: 'tok_a' },
        firstIndex: 0,
        lastIndex: 0,
        count: 1,
        evidence: { direction: skew > 0 ? 'ahead' : 'behind', least_ms: 4_000, most_ms: 4_000 },
      });
    }
  });

  it('says nothing within the limit, on both sides of it', () => {
    const lines = [0, 1.999, -1.999, 2, -2].map((skew, at) => ({ at, skew }));
    expect(findings(make, lines)).toEqual([]);
    expect(findings(make, [{ at: 0, skew: 2.000001 }])).toHaveLength(1);
    expect(findings(make, [{ at: 0, skew: -2.000001 }])).toHaveLength(1);
  });

  it('sums up an hour in one finding that tells a slow clock from late events', () => {
    const wrongClock = Array.from({ length: 100 }, (_, i) => ({ at: i, skew: -4 - i / 1_000 }));
    const late = Array.from({ length: 100 }, (_, i) => ({
      at: i + 0.5,
      producer: 'tok_b',
      skew: i % 4 === 0 ? -30 : -0.1,
    }));
    const lines = [...[...wrongClock, ...late].sort((a, b) => a.at - b.at), beat(3_700)];
    expect(findings(make, lines).map(({ subject, count, evidence }) => [subject.id, count, evidence])).toEqual([
      ['tok_a', 1, { direction: 'behind', least_ms: 4_000, most_ms: 4_000, within_limit_count: 0 }],
      ['tok_b', 1, { direction: 'behind', least_ms: 30_000, most_ms: 30_000, within_limit_count: 0 }],
      ['tok_a', 99, { direction: 'behind', least_ms: 4_001, most_ms: 4_099, within_limit_count: 0 }],
      ['tok_b', 24, { direction: 'behind', least_ms: 30_000, most_ms: 30_000, within_limit_count: 75 }],
    ]);
  });

  it('ends an episode with an hour without skew, and begins another one after it', () => {
    const lines = [{ at: 0, skew: 5 }, beat(3_601), { at: 4_000, skew: 5 }];
    expect(findings(make, lines).map(({ firstIndex }) => firstIndex)).toEqual([0, 2]);
  });

  it('says once an hour, as low, that an import brought years of history, and never of a historic producer', () => {
    const lines = [...Array.from({ length: 3_000 }, (_, i) => ({ at: i / 10, skew: -i * DAY - DAY - 1 })), beat(4_000)];
    expect(findings(make, lines).map(({ kind, severity, count }) => [kind, severity, count])).toEqual([
      ['late-delivery', 'low', 3_000],
    ]);
    const historic = () => skewDetector(watchConfig({ producers: { tok_a: { historic: true } } }));
    expect(findings(historic, lines)).toEqual([]);
  });

  it('takes a limit for one producer', () => {
    const tolerant = () => skewDetector(watchConfig({ producers: { tok_a: { skew_limit_ms: 60_000 } } }));
    const lines = [
      { at: 0, skew: -50 },
      { at: 1, skew: -70 },
      { at: 2, producer: 'tok_b', skew: -50 },
    ];
    expect(findings(tolerant, lines).map(({ firstIndex }) => firstIndex)).toEqual([1, 2]);
  });
});

describe('related events', () => {
  const make = () => correlationDetector(watchConfig({}));
  const start = (at: number, id: string, producer = 'tok_a'): Line => ({
    at,
    producer,
    event: { action: 'payment.started', correlation_id: id },
  });
  const outcome = (at: number, id: string, producer = 'tok_a'): Line => ({
    at,
    producer,
    event: { action: 'payment.completed', correlation_id: id },
  });
  const check = (at: number, id: string): Line => ({
    at,
    event: { action: 'permission.check', correlation_id: id },
  });

  it('says nothing of start, check and outcome, in any order, also of several producers', () => {
    const lines = [start(0, 'x'), check(1, 'x'), outcome(2, 'x'), outcome(3, 'y', 'tok_b'), start(4, 'y'), beat(700)];
    expect(findings(make, lines)).toEqual([]);
  });

  it('finds a start whose outcome does not come within ten minutes', () => {
    const found = findings(make, [check(0, 'x'), start(1, 'x'), check(2, 'x'), beat(599), beat(602)]);
    expect(found.map(brief)).toEqual([['unaccompanied-start', 1, 1, { missing: 'outcome', within_seconds: 600 }]]);
  });

  it('finds an outcome without a start', () => {
    const found = findings(make, [outcome(1, 'x'), beat(602)]);
    expect(found.map(brief)).toEqual([['unaccompanied-outcome', 0, 0, { missing: 'start', within_seconds: 600 }]]);
  });

  it('knows the halves by context.phase, whatever the action is', () => {
    const lines = [
      { at: 0, event: { action: 'user.delete', correlation_id: 'x', context: { phase: 'start' } } },
      beat(700),
    ];
    expect(findings(make, lines).map(({ kind }) => kind)).toEqual(['unaccompanied-start']);
  });

  it('keeps tenants apart', () => {
    const lines = [
      { at: 0, event: { action: 'a.start', correlation_id: 'x', tenant: 'acme' } },
      { at: 1, event: { action: 'a.end', correlation_id: 'x', tenant: 'other' } },
      beat(700),
    ];
    expect(findings(make, lines)).toHaveLength(2);
  });

  it('finds the fourth event of a producer for one user action, and sums up the rest', () => {
    const lines = [...Array.from({ length: 10 }, (_, i) => check(i, 'x')), beat(4_000)];
    expect(findings(make, lines).map(({ kind, firstIndex, count }) => [kind, firstIndex, count])).toEqual([
      ['event-budget-exceeded', 3, 1],
      ['event-budget-exceeded', 4, 6],
    ]);
  });

  it('sums up a producer that never sends an outcome', () => {
    const lines = [...Array.from({ length: 200 }, (_, i) => start(i, `x${i}`)), beat(900), beat(6_000)];
    expect(findings(make, lines).map(({ count }) => count)).toEqual([1, 199]);
  });

  it('lets go of the oldest when more are open than it can hold, and counts them', () => {
    const detector = make();
    const lines = Array.from({ length: 10_005 }, (_, i) => start(i / 1_000, `x${i}`));
    for (const event of entries(lines)) expect(detector.examine(event)).toEqual([]);
    expect(detector.letGoCount).toBe(5);
    const last = entries(lines).at(-1)?.logTimeUs ?? 0;
    expect(detector.tick(last + 600_000_000)).toHaveLength(1);
    expect(detector.tick(last + 4_300_000_000).map(({ count }) => count)).toEqual([9_999]);
  });
});

describe('privileges', () => {
  const make = () => privilegeDetector(watchConfig({}));
  const grant = (at: number, event: Line['event'] = {}): Line => ({
    at,
    event: { action: 'role.grant', target: { type: 'user', id: 'u_9' }, ...event },
  });

  it('finds a privileged role that was granted, by context or by what changed', () => {
    const lines = [
      grant(0, { context: { granted_role: 'admin' } }),
      grant(1, {
        actor: { type: 'user', id: 'u_2' },
        changes: [{ path: '/roles', before: ['member'], after: ['member', 'owner'] }],
      }),
    ];
    expect(findings(make, lines).map(({ subject, evidence }) => [subject.id, evidence])).toEqual([
      ['u_1', { to_itself: false }],
      ['u_2', { to_itself: false }],
    ]);
  });

  it('finds a role that somebody granted to themselves, whatever the role', () => {
    const [found] = findings(make, [
      grant(0, { target: { type: 'user', id: 'u_1' }, context: { granted_role: 'viewer' } }),
    ]);
    expect(found).toMatchObject({ kind: 'privilege-escalation', severity: 'high', evidence: { to_itself: true } });
  });

  it('says nothing of common roles, of roles that were there before, of what was denied, and of other actions', () => {
    const lines = [
      grant(0, { context: { granted_role: 'viewer' } }),
      grant(1, { changes: [{ path: '/roles', before: ['admin'], after: ['admin', 'viewer'] }] }),
      grant(2, { context: { granted_role: 'admin' }, outcome: { result: 'denied' } }),
      grant(3, { action: 'role.view', context: { granted_role: 'admin' } }),
      grant(4, { context: 'admin', changes: 'none' }),
    ];
    expect(findings(make, lines)).toEqual([]);
  });
});

describe('break-glass', () => {
  it('is one finding for each event, with who did it', () => {
    const lines = [
      { at: 0, event: { break_glass: true } },
      { at: 1, event: { authorization: { decision: 'bypass' }, outcome: { result: 'failure' } } },
      { at: 2, event: { break_glass: false, authorization: { decision: 'allow' } } },
      { at: 3, event: { action: 'countersign.x', break_glass: true } },
    ];
    const found = findings(breakGlassDetector, lines);
    expect(found.map(({ firstIndex, severity, subject }) => [firstIndex, severity, subject.id])).toEqual([
      [0, 'critical', 'u_1'],
      [1, 'critical', 'u_1'],
    ]);
  });
});

describe('mass export', () => {
  const config = watchConfig({ mass_export: { events: 5, records: 1_000 } });
  const make = () => massExportDetector(config);
  const download = (at: number, event: Line['event'] = {}): Line => ({
    at,
    event: { action: 'customer.export', ...event },
  });

  it('finds many exports by one principal in an hour, once', () => {
    const found = findings(
      make,
      Array.from({ length: 20 }, (_, at) => download(at)),
    );
    expect(found.map(({ kind, firstIndex, lastIndex, count }) => [kind, firstIndex, lastIndex, count])).toEqual([
      ['mass-export', 0, 4, 5],
    ]);
  });

  it('finds few exports of many records', () => {
    const found = findings(make, [
      download(0, { context: { records: 999 } }),
      download(1, { context: { row_count: 1 } }),
    ]);
    expect(found.map(({ evidence }) => evidence['records'])).toEqual([1_000]);
  });

  it('says nothing when they are spread over hours, over people, or denied', () => {
    const spread = Array.from({ length: 20 }, (_, i) => download(i * 1_000));
    const people = Array.from({ length: 20 }, (_, i) => download(i, { actor: { type: 'user', id: `u_${i}` } }));
    const denied = Array.from({ length: 20 }, (_, i) => download(i, { outcome: { result: 'denied' } }));
    for (const lines of [spread, people, denied]) expect(findings(make, lines)).toEqual([]);
  });

  it('does not believe counts that are none', () => {
    const odd = [-5, 1.5, 'many', null, Number.MAX_SAFE_INTEGER];
    const found = findings(
      make,
      odd.map((records, at) => download(at, { context: { records } })),
    );
    expect(found.map(({ lastIndex }) => lastIndex)).toEqual([4]);
  });
});

describe('off-hours', () => {
  // T0 is Thursday 14:00 UTC: 15:00 in Berlin.
  const config = watchConfig({ off_hours: { timezone: 'Europe/Berlin', from: '08:00', to: '18:00' } });
  const make = () => {
    if (config.offHours === null) throw new Error('no hours');
    return offHoursDetector({ offHours: config.offHours, windowUs: config.windowUs });
  };
  const at = (hours: number, line: Partial<Line> = {}): Line => ({ at: hours * HOUR, ...line });

  it('says nothing within the hours, to the minute', () => {
    expect(findings(make, [at(0), at(2.99), at(17), at(17.5)])).toEqual([]);
  });

  it('finds the evening, the early morning and the weekend, in local time', () => {
    const lines = [
      at(3),
      at(10, { event: { actor: { type: 'user', id: 'u_2' } } }),
      at(48, { event: { actor: { type: 'user', id: 'u_3' } } }),
    ];
    expect(findings(make, lines).map(({ subject }) => subject.id)).toEqual(['u_1', 'u_2', 'u_3']);
  });

  it('knows that summer time moves the hours', () => {
    // Thursday 2026-07-09, 06:30 UTC is 08:30 in Berlin; in January it is 07:30.
    const summer = (Date.UTC(2026, 6, 9, 6, 30) - Date.UTC(2026, 0, 8, 14)) / 1_000;
    expect(findings(make, [{ at: summer }])).toEqual([]);
    expect(findings(make, [{ at: 16.5 * HOUR }])).toHaveLength(1);
  });

  it('judges people only, by when it happened, and not what is history', () => {
    const lines = [
      at(5, { event: { actor: { type: 'service', id: 'svc' } } }),
      at(5.1, { skew: -4 * HOUR }),
      at(5.2, { skew: -2 * DAY }),
    ];
    expect(findings(make, lines)).toEqual([]);
    expect(findings(make, [at(1, { skew: -12 * HOUR })])).toHaveLength(1);
  });
});
