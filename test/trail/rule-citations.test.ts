import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../../proofs/canonical-json.ts';
import { RuleBook } from '../../src/trail/rules.ts';
import type { Examined } from '../../src/trail/watch/examined.ts';
import { ruleDetector } from '../../src/trail/watch/rule-citations.ts';

const WINDOW_US = 3_600_000_000;

function published(index: number, version: string, approver: string | null): Parameters<RuleBook['apply']>[0] {
  const authorization = approver === null ? {} : { approver, ticket: 'PR-1' };
  return {
    index,
    logTime: index,
    producerId: 'countersign',
    event: {
      target: { type: 'rule', id: 'policy.grant', version },
      object: { hash: 'sha256:00' },
      context: { author: 'u_1', source: 'policies@1:grant.rego' },
      authorization,
    },
  };
}

function citing(index: number, rule: string | null, isOwn = false): Examined {
  const fields: Readonly<Record<string, JsonValue>> = {
    action: 'role.grant',
    authorization: rule === null ? { decision: 'allow' } : { decision: 'allow', rule },
  };
  const textOf = (id: string): string | undefined => {
    const value = fields[id];
    return value === undefined ? undefined : canonicalJson(value);
  };
  const field = (id: string): JsonValue | undefined => {
    const text = textOf(id);
    return text === undefined ? undefined : parseCanonicalJson(text);
  };
  const place = { index, logTimeUs: 1_000_000 + index, producerId: 'tok_1', producerSeq: null, occurredAtUs: 0 };
  return { ...place, action: 'role.grant', isOwn, textOf, field };
}

describe('the rule that an event cites', () => {
  const book = new RuleBook();
  book.apply(published(10, 'v1', 'u_2'));
  book.apply(published(20, 'v2', 'u_1'));

  it.each([
    [5, 'policy.grant.v1#owner', 'rule-unknown'],
    [15, 'policy.grant.v9', 'rule-unknown'],
    [15, 'policy.other.v1', 'rule-unknown'],
    [15, 'nonsense', 'rule-unknown'],
    [25, 'policy.grant.v1', 'rule-superseded'],
    [25, 'policy.grant.v2#owner', 'rule-unapproved'],
  ])('makes a finding of entry %i, which cites %s: %s', (index, rule, kind) => {
    const findings = ruleDetector(book, WINDOW_US).examine(citing(index, rule));
    expect(findings).toMatchObject([{ kind, subject: { type: 'rule', id: rule }, firstIndex: index, count: 1 }]);
  });

  it('makes none where it was in force and approved, where none is cited, and of entries of the log itself', () => {
    const detector = ruleDetector(book, WINDOW_US);
    expect(detector.examine(citing(15, 'policy.grant.v1#owner'))).toEqual([]);
    expect(detector.examine(citing(15, null))).toEqual([]);
    expect(detector.examine(citing(15, 'policy.grant.v9', true))).toEqual([]);
  });

  it('is reported once, and the rest of the window as a count', () => {
    const detector = ruleDetector(book, WINDOW_US);
    for (const index of [30, 31, 32]) {
      expect(detector.examine(citing(index, 'policy.grant.v2'))).toHaveLength(index === 30 ? 1 : 0);
    }
    expect(detector.tick(detector.dueUs() ?? 0)).toMatchObject([{ firstIndex: 31, lastIndex: 32, count: 2 }]);
  });
});
