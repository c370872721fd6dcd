/**
 * What verified evidence says, put together for a person: each event that answers the question with its title, the rule
 * that it cites as that rule stood at its index, and what changed; and, where the publications of rules were asked for,
 * the history of each rule.
 *
 * Everything comes from events that the verifier checked (proofs/verify-bundle.ts) and from nothing else, so an answer is
 * worth what their verdict is. Rules are judged by the entries before an event, as the log judges them
 * (src/trail/rules.ts).
 */

import type { JsonObject } from '../../proofs/canonical-json.ts';
import { LOG_FIELD_ID } from '../../proofs/card.ts';
import { memberAt, textAt } from '../../proofs/fields.ts';
import type { BundleManifest } from '../../proofs/manifest.ts';
import type { CheckedEvent } from '../../proofs/opened-event.ts';
import { PUBLISH_CATALOGUE, PUBLISH_RULE } from '../../proofs/own-entries.ts';
import { findAction } from '../events/catalogue/catalogue.ts';
import { CatalogueBook } from '../trail/catalogues.ts';
import type { OwnEntry } from '../trail/own-events.ts';
import { isApproved, parseRuleReference, RuleBook, type RuleVerdict, type RuleVersion } from '../trail/rules.ts';
import { formatTimeUs } from '../trail/time.ts';

export interface Answer {
  /** How many events answer the question. */
  readonly matched: number;
  /** The first of them, in the order of the log. */
  readonly events: readonly AnsweredEvent[];
  /** Rules whose publications are among the matches. */
  readonly rules: readonly AnsweredRule[];
  /** What to know about the rules that are shown. */
  readonly notes: readonly string[];
}

export interface AnsweredEvent {
  readonly index: number;
  readonly log_time: string;
  /** What the catalogue that the event was checked against calls the action. */
  readonly title: string | null;
  readonly break_glass: boolean;
  /** The event as it was committed to, without what is withheld or erased. */
  readonly event: JsonObject;
  /** Null if it cites none. */
  readonly rule: CitedRule | null;
  readonly withheld: readonly string[];
  readonly erased: readonly string[];
}

export interface CitedRule {
  /** As the event cites it. */
  readonly cited: string;
  /** `not-shown`: the evidence does not hold the publications of rules, so that nothing can be said. */
  readonly verdict: RuleVerdict | 'not-shown';
  /** The version that it cites, if an entry before the event published it. */
  readonly version: AnsweredVersion | null;
  /** What was in force instead, where it was another. */
  readonly in_force: AnsweredVersion | null;
}

export interface AnsweredVersion {
  readonly id: string;
  readonly version: string;
  readonly definition_hash: string;
  readonly source: string;
  readonly author: string;
  readonly approver: string | null;
  readonly approval: string | null;
  readonly approved: boolean;
  readonly index: number;
  readonly published_at: string;
}

export interface AnsweredRule {
  readonly id: string;
  /** Oldest first; the last one is in force. */
  readonly versions: readonly AnsweredVersion[];
  /** True if the evidence proves that no version is missing before the end of its range. */
  readonly complete: boolean;
}

/** Takes checked events as a verifier hands them out, and puts the answer together when it is done. */
export class AnswerBook {
  readonly #maxEvents: number;
  readonly #matches: CheckedEvent[] = [];
  /** Publications of rules and catalogues, by index; they come from two files of a bundle. */
  readonly #publications = new Map<number, OwnEntry>();
  readonly #askedFor = new Set<string>();
  #rules = new RuleBook();
  #catalogues = new CatalogueBook();
  #matched = 0;

  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents;
  }

  /** An event of the range. */
  takeEvent(checked: CheckedEvent, result: 'match' | 'no-match' | 'cannot'): void {
    if (result !== 'match') return;
    this.#matched++;
    if (this.#matches.length < this.#maxEvents) this.#matches.push(checked);
    this.takeRelated(checked);
    const { event } = checked;
    const rule = event['action'] === PUBLISH_RULE ? textAt(event, 'target', 'id') : undefined;
    if (rule !== undefined) this.#askedFor.add(rule);
  }

  /** An entry of the log's own that came with them. */
  takeRelated({ index, entry, event }: CheckedEvent): void {
    if (event['action'] !== PUBLISH_RULE && event['action'] !== PUBLISH_CATALOGUE) return;
    this.#publications.set(index, { index, logTime: entry.logTime, producerId: entry.producerId, event });
  }

  /** `manifest`: of the bundle; undefined for events with receipts of their own. */
  answer(manifest?: BundleManifest): Answer {
    this.#rules = new RuleBook();
    this.#catalogues = new CatalogueBook();
    for (const entry of [...this.#publications.values()].sort((a, b) => a.index - b.index)) {
      if (entry.event['action'] === PUBLISH_RULE) this.#rules.apply(entry);
      else this.#catalogues.apply(entry);
    }
    const showsRules = manifest?.mode === 'complete';
    const events = this.#matches.map((checked) => this.#answered(checked, showsRules));
    const rules = [...this.#askedFor].sort().map((id) => this.#history(id, manifest));
    return { matched: this.#matched, events, rules, notes: this.#notes(events, manifest) };
  }

  #answered(checked: CheckedEvent, showsRules: boolean): AnsweredEvent {
    const { index, entry, event, fields, withheld, erased } = checked;
    const cited = textAt(event, 'authorization', 'rule');
    return {
      index,
      log_time: formatTimeUs(entry.logTime),
      title: this.#titleOf(event['action'], textAt(fields.get(LOG_FIELD_ID), 'catalogue')) ?? null,
      break_glass: event['break_glass'] === true || memberAt(event, 'authorization', 'decision') === 'bypass',
      event,
      rule: cited === undefined ? null : this.#judge(cited, index, showsRules),
      withheld,
      erased,
    };
  }

  #judge(cited: string, index: number, showsRules: boolean): CitedRule {
    const reference = parseRuleReference(cited);
    const found = reference && this.#rules.find(reference.id, reference.version);
    const version = found !== undefined && found.index < index ? found : undefined;
    const inForce = reference && this.#rules.inForceAt(reference.id, index);
    const verdict = this.#rules.judge(cited, index);
    return {
      cited,
      verdict: verdict === 'unknown' && !showsRules ? 'not-shown' : verdict,
      version: version === undefined ? null : answeredVersion(version),
      in_force: inForce === undefined || inForce === version ? null : answeredVersion(inForce),
    };
  }

  /** Labels of several catalogues in force are joined by spaces, the deciding one first. */
  #titleOf(action: unknown, labels: string | undefined): string | undefined {
    if (typeof action !== 'string' || labels === undefined) return undefined;
    for (const label of labels.split(' ')) {
      const known = this.#catalogues.history().find(({ catalogue }) => catalogue.label === label);
      const rule = known && findAction(known.catalogue, action);
      if (rule !== undefined) return rule.title;
    }
    return undefined;
  }

  #history(id: string, manifest: BundleManifest | undefined): AnsweredRule {
    const versions = this.#rules.history(id).map(answeredVersion);
    const filters = manifest === undefined ? [] : [...manifest.query.filters.keys()];
    const complete =
      manifest?.mode === 'complete' &&
      manifest.range.start === 0 &&
      manifest.query.occurred === undefined &&
      filters.every((name) => name === 'action' || name === 'target');
    return { id, versions, complete };
  }

  /** In the range of a complete bundle the verifier misses no publication (proofs/verify-related.ts). */
  #notes(events: readonly AnsweredEvent[], manifest: BundleManifest | undefined): readonly string[] {
    if (events.every(({ rule }) => rule === null)) return [];
    if (manifest?.mode === 'complete' && manifest.range.start === 0) {
      return ['every version that was published before these events was looked at'];
    }
    const first = manifest?.mode === 'complete' ? ` before entry ${manifest.range.start}` : '';
    return [`the log chose which versions to show${first}; \`countersign rules show ID --out FILE\` proves a history`];
  }
}

function answeredVersion(rule: RuleVersion): AnsweredVersion {
  const { id, version, definitionHash, source, author, approver, approval, index, logTime } = rule;
  return {
    ...{ id, version, definition_hash: definitionHash, source, author, approver, approval },
    ...{ approved: isApproved(rule), index, published_at: formatTimeUs(logTime) },
  };
}
