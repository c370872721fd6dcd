/** Periodic reviews: what a schedule may say, what checks come to, and what is found when a review does not take place. */
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { splitFields } from '../../proofs/fields.ts';
import type { FilteredEvent } from '../../proofs/filter.ts';
import { evaluateCheck, readCheck } from '../../src/trail/review-checks.ts';
import { COMPLETE_REVIEW, reviewContext } from '../../src/trail/review-entries.ts';
import { reviewSchedules } from '../../src/trail/review-schedule.ts';
import { reviewDetector } from '../../src/trail/review-watch.ts';
import { withDirectory } from '../support/test-log.ts';
import { beat, brief, findings, type Line, T0_US } from '../support/watch.ts';
import { openWatched } from '../support/watched.ts';

const REVIEW = {
  name: 'privileged-access',
  every_days: 90,
  since: '2026-01-08',
  query: 'action:role.*',
  sample: { rate_bp: 500 },
  checks: [{ name: 'has-a-ticket', when: 'action:role.grant', has: ['authorization.ticket'] }],
};
const DAY = 86_400;
const [schedule] = reviewSchedules({ reviews: [REVIEW] });

describe('a schedule of reviews', () => {
  it('reads what is there, and gives the definition one hash', () => {
    expect(schedule).toMatchObject({ name: 'privileged-access', everyUs: 90 * DAY * 1_000_000, strata: null });
    const reordered = Object.fromEntries(Object.entries(REVIEW).reverse());
    expect(reviewSchedules({ reviews: [reordered] })[0]?.digest).toBe(schedule?.digest);
    expect(reviewSchedules({ reviews: [{ ...REVIEW, every_days: 91 }] })[0]?.digest).not.toBe(schedule?.digest);
  });

  it.each([
    [{ name: 'Access!' }, '/reviews/0/name'],
    [{ every_days: 0 }, '/reviews/0/every_days'],
    [{ since: 'yesterday' }, 'since'],
    [{ query: 'from:2026-01-01' }, 'names no log time'],
    [{ query: 'nonsense' }, 'key:value'],
    [{ sample: { size: 0 } }, 'whole number'],
    [{ strata: 'producer' }, 'strata'],
    [{ checks: [] }, '/reviews/0/checks'],
    [{ checks: [{ name: 'x', when: 'action:a.b' }] }, '/reviews/0/checks/0'],
    [{ checks: [REVIEW.checks[0], REVIEW.checks[0]] }, 'two checks'],
    [{ surprise: 1 }, '/reviews/0'],
  ])('refuses %o, and names the fault', (changes, fault) => {
    expect(() => reviewSchedules({ reviews: [{ ...REVIEW, ...changes }] })).toThrow(fault);
    expect(() => reviewSchedules({ reviews: [REVIEW, REVIEW] })).toThrow('two reviews are called privileged-access');
  });
});

describe('a check', () => {
  const event = {
    action: 'role.grant',
    authorization: { decision: 'bypass', ticket: ' ', rule: 'policy.v1' },
    reason: 'outage',
    changes: [],
  };

  it.each([
    [{ has: ['reason'] }, 'passed'],
    [{ has: ['authorization.rule', 'reason'] }, 'passed'],
    [{ has: ['authorization.ticket'] }, 'failed'],
    [{ has: ['changes'] }, 'failed'],
    [{ has: ['target.id'] }, 'failed'],
    [{ is: 'rule:policy.v1' }, 'passed'],
    [{ is: 'rule:policy.v2' }, 'failed'],
    [{ never: true as const }, 'failed'],
  ])('%o comes to %s', (demand, result) => {
    expect(evaluateCheck(readCheck({ name: 'x', when: 'breakglass:true', ...demand }), shown(event))).toBe(result);
    expect(evaluateCheck(readCheck({ name: 'x', when: 'action:user.*', ...demand }), shown(event))).toBe(
      'not-about-it',
    );
  });

  it('cannot be made where a field that decides is not shown, and says so', () => {
    const has = readCheck({ name: 'x', when: 'action:role.grant', has: ['authorization.ticket'] });
    expect(evaluateCheck(has, shown(event, ['authorization']))).toBe('cannot');
    expect(evaluateCheck(has, shown(event, ['action']))).toBe('cannot');
    const is = readCheck({ name: 'x', when: 'action:role.grant', is: 'rule:policy.v1' });
    expect(evaluateCheck(is, shown(event, ['authorization']))).toBe('cannot');
  });
});

describe('a review that is due', () => {
  const watch = (lines: readonly Line[]) =>
    findings(() => reviewDetector(schedule === undefined ? [] : [schedule]), lines);

  it('is a finding when it was not completed, and again after each further period', () => {
    const found = watch([beat(0), beat(89 * DAY), beat(90 * DAY), beat(91 * DAY), beat(180 * DAY)]);
    expect(found.map(brief)).toEqual([
      ['review-missed', 0, 0, { due: '2026-04-08T00:00:00.000000Z', every_days: 90, last_review: null }],
      ['review-missed', 0, 0, { due: '2026-07-07T00:00:00.000000Z', every_days: 90, last_review: null }],
    ]);
    expect(found[0]?.message).toContain('none was completed since 2026-01-08');
  });

  it('is one finding, however long the log was off', () => {
    expect(watch([beat(0), beat(800 * DAY), beat(801 * DAY)]).map(({ kind }) => kind)).toEqual(['review-missed']);
  });

  it('is none when it was completed in time, and is due again a period later', () => {
    const found = watch([beat(0), completed(80 * DAY), beat(90 * DAY), beat(169 * DAY), beat(171 * DAY)]);
    expect(found.map(brief)).toEqual([
      ['review-missed', 1, 1, { due: '2026-06-27T14:00:00.000000Z', every_days: 90, last_review: 1 }],
    ]);
  });

  it('counts only when the log itself recorded it, under the name of the schedule', () => {
    const line = completed(80 * DAY);
    const forged = { ...line, event: { ...line.event, action: 'review.complete' } };
    expect(watch([beat(0), forged, completed(81 * DAY, { name: 'another' }), beat(90 * DAY)])).toHaveLength(1);
  });

  it('is a finding of another kind when it found exceptions', () => {
    const found = watch([beat(0), completed(80 * DAY, { exceptions: 2 })]);
    expect(found).toMatchObject([{ kind: 'review-exceptions', severity: 'medium', firstIndex: 1, count: 2 }]);
  });

  it('goes through the watch over a real log, whose clock decides', () =>
    withDirectory(async (directory) => {
      let nowUs = T0_US;
      const detectors = schedule === undefined ? [] : [() => reviewDetector([schedule])];
      const watched = await openWatched(directory, {
        nowUs: () => nowUs++,
        config: { heartbeat_seconds: 0 },
        watch: { detectors },
      });
      try {
        await watched.watch.beat();
        const missed = async () => (await watched.findings()).filter(({ kind }) => kind === 'review-missed');
        expect(await missed()).toEqual([]);
        nowUs += 91 * DAY * 1_000_000;
        await watched.watch.beat();
        expect(await missed()).toMatchObject([
          { subject: { type: 'review', id: 'privileged-access' }, severity: 'high' },
        ]);
      } finally {
        await watched.close();
      }
    }));
});

function completed(at: number, { name = 'privileged-access', exceptions = 0 } = {}): Line {
  const outcome = { definition: 'A=', report: 'B=', sample: 7, seed: 'C=', start: 0, end: 5, until: 'then', drawn: 3 };
  const context = reviewContext({ ...outcome, exceptions, result: exceptions > 0 ? 'exceptions' : 'clean' });
  return {
    at,
    producer: 'countersign',
    event: { action: COMPLETE_REVIEW, target: { type: 'review', id: name }, context },
  };
}

function shown(event: JsonObject, hidden: readonly string[] = []): FilteredEvent {
  const fields = splitFields(event, []);
  const card = fields.map(([id]) => [id, new Uint8Array(32)] as const);
  const opened = fields.filter(([id]) => !hidden.includes(id));
  return { producerId: 'tok', card, fields: new Map<string, JsonValue>(opened) };
}
