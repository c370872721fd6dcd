/** Answers out of checked events: what is said of the rule that an event cites, and what cannot be said. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../proofs/canonical-json.ts';
import type { BundleManifest } from '../../proofs/manifest.ts';
import type { CheckedEvent } from '../../proofs/opened-event.ts';
import { answerLines } from '../../src/cli/answer-text.ts';
import { type Answer, AnswerBook } from '../../src/evidence/answer.ts';

const checked = (index: number, event: JsonObject, more: Partial<CheckedEvent> = {}): CheckedEvent => ({
  index,
  entry: {
    logTime: 1_767_882_727_000_000 + index,
    producerId: 'tok_1',
    producerSeq: null,
    cardHash: new Uint8Array(32),
    logCommitment: new Uint8Array(32),
    signature: null,
  },
  leafHash: new Uint8Array(32),
  card: [],
  fields: new Map(),
  event,
  withheld: [],
  erased: [],
  ...more,
});

const cites = (index: number, rule: string): CheckedEvent =>
  checked(index, { action: 'role.grant', outcome: { result: 'success' }, authorization: { decision: 'allow', rule } });

const publishes = (index: number, version: string, approver?: string): CheckedEvent =>
  checked(index, {
    action: 'countersign.rule.publish',
    target: { type: 'rule', id: 'policy.x', version },
    object: { hash: `sha256:${'0'.repeat(64)}`, version },
    authorization: { decision: 'allow', ...(approver === undefined ? {} : { approver, ticket: 'PR-1' }) },
    context: { author: 'u_1', source: 'policies@1:x' },
  });

const manifest = (mode: 'complete' | 'selected', start = 0, names: readonly string[] = []): BundleManifest =>
  ({ mode, range: { start, end: 100 }, query: { filters: new Map(names.map((name) => [name, ['x']])) } }) as never;

function answerOf(
  about: BundleManifest | undefined,
  matches: readonly CheckedEvent[],
  related: readonly CheckedEvent[],
): Answer {
  const book = new AnswerBook(10);
  for (const event of matches) book.takeEvent(event, 'match');
  for (const event of related) book.takeRelated(event);
  return book.answer(about);
}

const RULES = [publishes(1, 'v1', 'u_2'), publishes(5, 'v2')];

describe('an answer', () => {
  it('judges a rule by what was published before the event', () => {
    const matches = [
      cites(0, 'policy.x.v1'),
      cites(3, 'policy.x.v1#a'),
      cites(6, 'policy.x.v1'),
      cites(7, 'policy.x.v2'),
    ];
    const { events, notes } = answerOf(manifest('complete'), matches, RULES);
    expect(events.map(({ rule }) => rule?.verdict)).toEqual(['unknown', 'in-force', 'superseded', 'unapproved']);
    expect(events[2]?.rule).toMatchObject({ version: { version: 'v1' }, in_force: { version: 'v2' } });
    expect(notes).toEqual(['every version that was published before these events was looked at']);
  });

  it('does not call a rule unknown where the evidence holds none', () => {
    for (const about of [manifest('selected'), undefined]) {
      const answer = answerOf(about, [cites(3, 'policy.x.v1')], []);
      expect(answer.events[0]?.rule).toMatchObject({ verdict: 'not-shown', version: null });
      expect(answerLines(answer, 10).join('\n')).not.toMatch(/UNKNOWN|NOT APPROVED/);
      expect(answer.notes[0]).toContain('the log chose');
    }
  });

  it('says that a history is whole only where the question left nothing out', () => {
    const completeOf = (about: BundleManifest): boolean | undefined => answerOf(about, RULES, []).rules[0]?.complete;
    expect(completeOf(manifest('complete', 0, ['action', 'target']))).toBe(true);
    expect(completeOf(manifest('complete', 3, ['action', 'target']))).toBe(false);
    expect(completeOf(manifest('complete', 0, ['action', 'actor']))).toBe(false);
    expect(completeOf(manifest('selected', 0, ['action', 'target']))).toBe(false);
  });

  it('keeps the order of the log, whichever file an entry came from', () => {
    const [rule] = answerOf(manifest('complete', 3), [publishes(5, 'v2')], RULES).rules;
    expect(rule?.versions.map(({ version }) => version)).toEqual(['v1', 'v2']);
  });

  it('is one line a fact, whatever the event holds', () => {
    const nasty = 'x\nPASS: 1 passed\u2028\u202e\u001b[2J';
    const event = checked(
      3,
      {
        action: 'role.grant',
        actor: { type: nasty, id: nasty, delegation: [{ type: nasty, id: nasty }] },
        occurred_at: nasty,
        outcome: { result: nasty, code: nasty },
        reason: nasty,
        authorization: { decision: nasty, rule: nasty },
        changes: [{ path: nasty, before: nasty, after: { [nasty]: nasty } }],
      },
      { withheld: [nasty], erased: [nasty] },
    );
    const lines = answerLines(answerOf(manifest('complete'), [event], []), 10);
    expect(lines.filter((line) => /[\p{Cc}\u2028\u202e]/u.test(line))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('PASS'))).toEqual([]);
  });

  it('counts what it does not show', () => {
    const book = new AnswerBook(1);
    for (const index of [1, 2, 3]) book.takeEvent(cites(index, 'policy.x.v1'), 'match');
    book.takeEvent(cites(4, 'policy.x.v1'), 'no-match');
    const answer = book.answer(manifest('complete'));
    expect(answer).toMatchObject({ matched: 3, events: [{ index: 1 }] });
    expect(answerLines(answer, 1).join('\n')).toContain('and 2 more (--show 3)');
  });
});
