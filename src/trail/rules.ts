/**
 * Rules as decisions with a history (K3, K4). Publishing a version of a rule is an entry under
 * `countersign.rule.publish`; this file derives from those entries which version was in force at any index, and judges
 * what an event cites: `policy.access.grant.v3#owner` is part `owner` of version `v3` of the rule `policy.access.grant`.
 */
import { textAt } from '../../proofs/fields.ts';
import { PUBLISH_RULE } from '../../proofs/own-entries.ts';
import type { Log } from '../log/types.ts';
import { followOwnEvents, type OwnEntry } from './own-events.ts';
import type { OwnEvent } from './record.ts';

/** What is published about one version of a rule; its text stays in source control. */
export interface RulePublication {
  readonly id: string;
  readonly version: string;
  /** `sha256:` and 64 hex digits, over the definition. */
  readonly definitionHash: string;
  /** Where the definition is: repository, commit and path. */
  readonly source: string;
  /** Immutable ids of the people. */
  readonly author: string;
  readonly approver: string | null;
  /** Ticket, pull request or minutes in which it was approved. */
  readonly approval: string | null;
}

export interface RuleVersion extends RulePublication {
  readonly index: number;
  readonly logTime: number;
}

export interface RuleReference {
  readonly id: string;
  readonly version: string;
  /** What stands behind `#`: a part of the rule. */
  readonly part: string | null;
}

/**
 * `in-force` is the only one that justifies anything. `unknown`: no entry before the event published that version.
 * `superseded`: a later version was published before the event. `unapproved`: nobody but its author stands behind it.
 * Only entries before the event count, so that the verdict on it never changes.
 */
export type RuleVerdict = 'in-force' | 'unknown' | 'superseded' | 'unapproved';

const REFERENCE = /^([A-Za-z][A-Za-z0-9_.-]*)\.(v[0-9]+(?:\.[0-9]+)*)(?:#(.+))?$/;
export const RULE_ID_PATTERN = '^[A-Za-z][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+)*$';
export const RULE_VERSION_PATTERN = '^v[0-9]+(\\.[0-9]+)*$';

/** Undefined for what names no version: then nobody can say which rule it was. */
export function parseRuleReference(text: string): RuleReference | undefined {
  const [, id, version, part] = REFERENCE.exec(text) ?? [];
  return id === undefined || version === undefined ? undefined : { id, version, part: part ?? null };
}

export class RuleBook {
  /** By id, in the order of publication. */
  readonly #rules = new Map<string, RuleVersion[]>();

  /** Takes an entry under `countersign.rule.publish`. The first publication of a version counts, for ever. */
  apply(entry: OwnEntry): void {
    const version = ruleVersionOf(entry);
    if (version === undefined) return;
    const versions = this.#rules.get(version.id) ?? [];
    if (versions.some((one) => one.version === version.version)) return;
    this.#rules.set(version.id, [...versions, version]);
  }

  ids(): readonly string[] {
    return [...this.#rules.keys()].sort();
  }

  /** Every version, oldest first. */
  history(id: string): readonly RuleVersion[] {
    return this.#rules.get(id) ?? [];
  }

  find(id: string, version: string): RuleVersion | undefined {
    return this.history(id).find((one) => one.version === version);
  }

  /** The version in force for an event at this index: the last that was published before it. */
  inForceAt(id: string, index: number): RuleVersion | undefined {
    return this.history(id).findLast((one) => one.index < index);
  }

  /** What is to be said of an event at `index` that cites this rule. */
  judge(cited: string, index: number): RuleVerdict {
    const reference = parseRuleReference(cited);
    const version = reference === undefined ? undefined : this.find(reference.id, reference.version);
    if (version === undefined || version.index >= index) return 'unknown';
    if (this.inForceAt(version.id, index) !== version) return 'superseded';
    return isApproved(version) ? 'in-force' : 'unapproved';
  }
}

/** Approved means: by someone other than its author, with a reference to where. */
export function isApproved({ author, approver, approval }: RulePublication): boolean {
  return approver !== null && approver !== author && approval !== null;
}

/** Reads the rule book from the log and keeps it up to date. */
export async function followRules(log: Log): Promise<{ readonly book: RuleBook; readonly stop: () => void }> {
  const book = new RuleBook();
  const stop = await followOwnEvents(log, [PUBLISH_RULE], (entry) => book.apply(entry));
  return { book, stop };
}

/** The entry that publishes a version. `actor` is who publishes it here, which need not be its author. */
export function ruleEvent(rule: RulePublication, actor: OwnEvent['actor']): OwnEvent {
  const authorization = {
    decision: 'allow' as const,
    ...(rule.approver === null ? {} : { approver: rule.approver }),
    ...(rule.approval === null ? {} : { ticket: rule.approval }),
  };
  return {
    event_id: `rule:${rule.id}.${rule.version}`,
    action: PUBLISH_RULE,
    actor,
    target: { type: 'rule', id: rule.id, version: rule.version },
    outcome: { result: 'success' },
    authorization,
    object: { hash: rule.definitionHash, version: rule.version },
    context: { author: rule.author, source: rule.source },
  };
}

function ruleVersionOf({ event, index, logTime }: OwnEntry): RuleVersion | undefined {
  const id = textAt(event, 'target', 'id');
  const version = textAt(event, 'target', 'version');
  const definitionHash = textAt(event, 'object', 'hash');
  const author = textAt(event, 'context', 'author');
  const source = textAt(event, 'context', 'source');
  if (id === undefined || version === undefined || definitionHash === undefined) return undefined;
  if (author === undefined || source === undefined) return undefined;
  const approver = textAt(event, 'authorization', 'approver') ?? null;
  const approval = textAt(event, 'authorization', 'ticket') ?? null;
  return { id, version, definitionHash, source, author, approver, approval, index, logTime };
}
