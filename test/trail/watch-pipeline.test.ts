/** What the trail finds out about itself, and the attestation of each day, as transcripts. */
import { describe, expect, it } from 'vitest';
import { EMPTY_ROOT } from '../../proofs/hash.ts';
import { prepareValue, redactNothing } from '../../src/events/prepare.ts';
import { parseEventJson } from '../../src/events/strict-json.ts';
import { CLOCK_CHECK } from '../../src/trail/clock/check-clock.ts';
import { attestationEvent, type DayCount, DayCounter, NO_CLASSES } from '../../src/trail/watch/attest.ts';
import { clockDetector, headNotWitnessedDetector, heartbeatGapDetector } from '../../src/trail/watch/pipeline.ts';
import { testContexts } from '../support/http.ts';
import { beat, brief, entries, findings, type Line } from '../support/watch.ts';

const DAY = 86_400;
/** From T0, 2026-01-08T14:00Z, to midnight. */
const MIDNIGHT = 10 * 3_600;

describe('heartbeats', () => {
  it('that did not come for three intervals are one finding, between the entries around the pause', () => {
    const found = findings(heartbeatGapDetector, [beat(0), beat(60), { at: 70 }, beat(251), beat(311)]);
    expect(found.map(brief)).toEqual([['heartbeat-gap', 2, 3, { pause_seconds: 181 }]]);
  });

  it('are not missed while other entries come, nor before the first one', () => {
    const lines = [{ at: 0 }, { at: 5_000 }, beat(6_000), { at: 6_100 }, { at: 6_250 }, beat(6_400)];
    expect(findings(heartbeatGapDetector, lines)).toEqual([]);
  });

  it('are measured by the interval that they themselves state', () => {
    const slow = [beat(0, { interval_seconds: 3_600 }), beat(3_600, { interval_seconds: 3_600 })];
    expect(findings(heartbeatGapDetector, slow)).toEqual([]);
    expect(findings(heartbeatGapDetector, [beat(0, { interval_seconds: 0 }), beat(90_000)])).toEqual([]);
  });
});

describe('a head that no quorum cosigns', () => {
  const sizes = (at: number, tree: number, published: number): Line =>
    beat(at, { tree_size: tree, published_size: published });

  it('is a finding after five minutes, once', () => {
    const lines = Array.from({ length: 12 }, (_, i) => sizes(i * 60, 10 + i, 7));
    expect(findings(headNotWitnessedDetector, lines).map(brief)).toEqual([
      ['head-not-witnessed', 0, 5, { published_size: 7 }],
    ]);
  });

  it('is none as long as it moves on, however far behind', () => {
    const lines = Array.from({ length: 12 }, (_, i) => sizes(i * 60, 100 + 10 * i, 90 + 10 * i));
    expect(findings(headNotWitnessedDetector, lines)).toEqual([]);
  });

  it('is another one when it stands still again', () => {
    const still = (from: number, published: number) =>
      Array.from({ length: 7 }, (_, i) => sizes(from + i * 60, published + 5, published));
    const lines = [...still(0, 10), sizes(500, 50, 50), ...still(600, 50)];
    expect(findings(headNotWitnessedDetector, lines)).toHaveLength(2);
  });
});

describe('the clock', () => {
  const check = (at: number, state: string, offsetUs: number | null): Line => ({
    at,
    producer: 'countersign',
    event: { action: CLOCK_CHECK, context: { state, offset_us: offsetUs } },
  });

  it('is a finding when it goes off, and when it is no longer confirmed, each once', () => {
    const lines = [
      check(0, 'synchronised', 100),
      check(1, 'offset', 51_000),
      check(2, 'offset', 52_000),
      check(3, 'unsynchronised', null),
      check(4, 'synchronised', 5),
      check(5, 'offset', -70_000),
    ];
    expect(findings(clockDetector, lines).map(brief)).toEqual([
      ['clock-offset', 1, 1, { offset_us: 51_000 }],
      ['clock-unsynchronised', 3, 3, { offset_us: null }],
      ['clock-offset', 5, 5, { offset_us: -70_000 }],
    ]);
  });
});

describe('the attestation of a day', () => {
  const classes = {
    names: ['access', 'financial'],
    classOf: (action: string) => (action.startsWith('role.') ? 'access' : undefined),
  };

  function days(lines: readonly Line[]): readonly DayCount[] {
    let counter = new DayCounter(classes);
    return entries(lines).flatMap((event) => {
      const ended = counter.count(event);
      // Taken up again after some entries, not all: with many actions each time takes long.
      if (event.index % 101 > 3) return ended;
      const state = JSON.stringify(counter.save());
      counter = new DayCounter(classes);
      counter.restore(JSON.parse(state));
      return ended;
    });
  }

  const grant = (at: number): Line => ({ at, event: { action: 'role.grant' } });

  it('comes with the first entry after midnight UTC, and counts every class, zero included', () => {
    const ended = days([
      grant(0),
      { at: 10, event: { action: 'test.run' } },
      beat(MIDNIGHT - 0.000001),
      grant(MIDNIGHT),
    ]);
    expect(ended).toHaveLength(1);
    const [day] = ended;
    if (day === undefined) throw new Error('no day ended');
    const event = attestationEvent(day, classes, EMPTY_ROOT);
    expect(event).toMatchObject({
      event_id: 'attestation.2026-01-08',
      occurred_at: '2026-01-09T00:00:00Z',
      target: { type: 'day', id: '2026-01-08' },
      context: {
        from_index: 0,
        to_index: 3,
        entries: 3,
        classes: { access: 1, countersign: 1, financial: 0, unclassified: 1 },
        actions: { 'role.grant': 1, 'test.run': 1, 'countersign.heartbeat': 1 },
      },
    });
  });

  it('is made for days without an entry, too', () => {
    const ended = days([grant(0), grant(MIDNIGHT + 3 * DAY)]);
    expect(
      ended.map(({ day, firstIndex, endIndex }) => [
        new Date(day * 86_400_000).toISOString().slice(0, 10),
        firstIndex,
        endIndex,
      ]),
    ).toEqual([
      ['2026-01-08', 0, 1],
      ['2026-01-09', 1, 1],
      ['2026-01-10', 1, 1],
      ['2026-01-11', 1, 1],
    ]);
    const empty = ended[1];
    if (empty === undefined) throw new Error('no empty day');
    expect(attestationEvent(empty, classes, EMPTY_ROOT).context).toMatchObject({
      entries: 0,
      classes: { access: 0, countersign: 0, financial: 0, unclassified: 0 },
      actions: {},
    });
  });

  it('is an event within every bound, however many actions there are and however long they are', () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => ({
      at: i / 1_000,
      event: { action: `a.${'x'.repeat(240)}${i}` },
    }));
    const [day] = days([...lines, grant(MIDNIGHT)]);
    if (day === undefined) throw new Error('no day ended');
    const event = { ...attestationEvent(day, NO_CLASSES, EMPTY_ROOT) };
    const counts = Object.values(Object(event.context).actions as Record<string, number>);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3_000);
    const raw = new TextEncoder().encode(JSON.stringify(event));
    const context = { ...testContexts()('countersign'), redact: redactNothing };
    expect(prepareValue(parseEventJson(raw), raw, context, { reservedActions: true }).eventId).toBe(
      'attestation.2026-01-08',
    );
  });
});
