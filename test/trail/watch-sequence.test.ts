/** Numbers that producers give their events, as transcripts. */
import { describe, expect, it } from 'vitest';
import { findingId } from '../../src/trail/finding.ts';
import { watchConfig } from '../../src/trail/watch/config.ts';
import { sequenceDetector } from '../../src/trail/watch/sequence.ts';
import { beat, brief, findings, type Line, T0_US } from '../support/watch.ts';

const make = () => sequenceDetector(watchConfig({}));

/** One event a second, numbered like this. */
function numbered(...numbers: readonly number[]): readonly Line[] {
  return numbers.map((seq, at) => ({ at, seq }));
}

/** Consecutive numbers, both inclusive. */
function run(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

describe('sequence', () => {
  it('says nothing about numbers that follow each other, wherever they begin', () => {
    expect(findings(make, numbered(...run(4711, 4760)))).toEqual([]);
  });

  it('says nothing about events without numbers, and about the log itself', () => {
    expect(findings(make, [{ at: 0 }, { at: 1 }, { at: 2, seq: 5, event: { action: 'countersign.x' } }])).toEqual([]);
  });

  it('finds that 4728 to 4743 are missing, with the entries and times around them', () => {
    const [finding, ...others] = findings(make, [...numbered(4726, 4727, 4744), beat(60)]);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      kind: 'sequence-gap',
      severity: 'high',
      subject: { type: 'producer', id: 'tok_a' },
      firstIndex: 1,
      lastIndex: 2,
      firstTimeUs: T0_US + 1_000_000,
      lastTimeUs: T0_US + 2_000_000,
      count: 16,
      evidence: { missing_from: 4728, missing_to: 4743, missing_count: 16 },
    });
    expect(finding?.message).toMatch(/4728 to 4743/);
    expect(finding?.message).not.toMatch(/delet|remov|tamper/i);
  });

  it('never calls a gap a deletion, whatever its form', () => {
    const all = findings(make, [...numbered(1, 3, 5, 4, 1, 2, 3, 9, 2), beat(60)]);
    expect(all.length).toBeGreaterThan(2);
    for (const { message } of all) expect(message).not.toMatch(/delet|remov|tamper|erase/i);
  });

  it('waits until numbers that overtake each other have settled', () => {
    const lines = [1, 2, 5, 3, 4, 6].map((seq, i) => ({ at: i / 10, seq }));
    expect(findings(make, [...lines, beat(60)])).toEqual([]);
  });

  it('reports what is left of a gap when it is due, part by part', () => {
    const lines = [1, 10, 4, 5, 11].map((seq, i) => ({ at: i / 10, seq }));
    expect(findings(make, [...lines, beat(60)]).map(brief)).toEqual([
      ['sequence-gap', 0, 1, { missing_from: 2, missing_to: 3, missing_count: 2 }],
      ['sequence-gap', 0, 1, { missing_from: 6, missing_to: 9, missing_count: 4 }],
    ]);
  });

  it('gives parts of one gap different ids, and the same ids whenever it is asked', () => {
    const lines = [...[1, 10, 5].map((seq, i) => ({ at: i / 10, seq })), beat(60)];
    const ids = findings(make, lines).map(findingId);
    expect(new Set(ids).size).toBe(2);
    expect(findings(make, lines).map(findingId)).toEqual(ids);
    expect(ids[0]).toMatch(/^finding\.sequence-gap\.0\.[a-p]{16}$/);
  });

  it('is due when a gap has settled, and not before', () => {
    const detector = make();
    expect(detector.dueUs()).toBeNull();
    findings(() => detector, []);
    const lines = numbered(1, 3);
    const found = findings(make, [...lines, { at: 2.9, producer: 'tok_b' }]);
    expect(found).toEqual([]);
    expect(findings(make, [...lines, { at: 3, producer: 'tok_b' }]).map(({ kind }) => kind)).toEqual(['sequence-gap']);
  });

  it('says when the numbers of a reported gap have all arrived after all', () => {
    const found = findings(make, [...numbered(1, 4), beat(60), { at: 100, seq: 2 }, { at: 101, seq: 3 }, beat(120)]);
    expect(found.map(brief)).toEqual([
      ['sequence-gap', 0, 1, { missing_from: 2, missing_to: 3, missing_count: 2 }],
      ['sequence-step-back', 3, 3, { least_number: 2, highest_number: 2 }],
      ['sequence-gap-filled', 1, 4, { last_number: 3, gap_before_index: 0, gap_after_index: 1 }],
    ]);
  });

  it('finds a step back, once, when a producer counts anew', () => {
    const found = findings(make, [...numbered(100, 101, 1, 2, 3, 4), beat(60)]);
    expect(found.map(brief)).toEqual([['sequence-step-back', 2, 2, { least_number: 1, highest_number: 1 }]]);
  });

  it('goes on with the old numbers after a single stray one', () => {
    const found = findings(make, [...numbered(100, 101, 7, 102, 103), beat(60)]);
    expect(found.map(({ kind }) => kind)).toEqual(['sequence-step-back']);
  });

  it('finds the same number twice', () => {
    expect(findings(make, numbered(5, 6, 6)).map(({ kind }) => kind)).toEqual(['sequence-step-back']);
  });

  it('reports many steps back as two findings: the first at once, the rest with their count an hour later', () => {
    const lines = Array.from({ length: 50 }, (_, i) => ({ at: i, seq: i % 2 === 0 ? 1_000 + i / 2 : 500 - i }));
    const found = findings(make, [...lines, beat(4_000)]);
    expect(found.map(({ kind, firstIndex, lastIndex, count }) => [kind, firstIndex, lastIndex, count])).toEqual([
      ['sequence-step-back', 1, 1, 1],
      ['sequence-step-back', 3, 49, 24],
    ]);
  });

  it('keeps producers apart', () => {
    const lines = [
      { at: 0, producer: 'tok_a', seq: 1 },
      { at: 1, producer: 'tok_b', seq: 7 },
      { at: 2, producer: 'tok_a', seq: 2 },
      { at: 3, producer: 'tok_b', seq: 9 },
      beat(60),
    ];
    expect(findings(make, lines).map(({ subject }) => subject.id)).toEqual(['tok_b']);
  });

  it('has a bound for what it remembers of one producer, and reports instead of forgetting', () => {
    const lines = Array.from({ length: 100 }, (_, i) => ({ at: i / 1_000, seq: 3 * i }));
    const found = findings(make, [...lines, beat(60)]);
    expect(found).toHaveLength(99);
    expect(new Set(found.map(findingId)).size).toBe(99);
  });

  it('is as quiet for numbers near the end of what is a number', () => {
    const max = Number.MAX_SAFE_INTEGER;
    expect(findings(make, [...numbered(max - 2, max - 1, max), beat(60)])).toEqual([]);
  });
});
