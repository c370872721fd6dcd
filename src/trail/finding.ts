/**
 * A finding: something in the log that a person should look at. It says what was seen, where and when, and nothing about
 * guilt: a gap in numbers is a gap, never a deletion.
 *
 * A finding is an entry, `countersign.finding.raise`. Its id follows from what it is about and its time from the log, so
 * that whoever examines the same entries again raises the very same finding, which the log answers with the first one.
 */

import { hash } from 'node:crypto';
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isObject, memberAt, textAt } from '../../proofs/fields.ts';
import { RAISE_FINDING } from '../../proofs/own-entries.ts';
import { MAX_TEXT_CHARACTERS } from '../events/limits.ts';
import { parseTimeUs } from '../events/time.ts';
import type { OwnEntry } from './own-events.ts';
import type { OwnEvent } from './record.ts';
import { formatTimeUs } from './time.ts';

/** Every kind there is. A closed list: kinds are API, and metrics are labelled with them. */
export const FINDING_KINDS = [
  'sequence-gap',
  'sequence-gap-filled',
  'sequence-step-back',
  'producer-silent',
  'producer-resumed',
  'occurred-at-skew',
  'late-delivery',
  'clock-offset',
  'clock-unsynchronised',
  'unaccompanied-start',
  'unaccompanied-outcome',
  'event-budget-exceeded',
  'mass-export',
  'off-hours-access',
  'privilege-escalation',
  'break-glass',
  'heartbeat-gap',
  'head-not-witnessed',
  'entry-unreadable',
  'stored-data-damaged',
  'rule-unknown',
  'rule-superseded',
  'rule-unapproved',
  'review-missed',
  'review-exceptions',
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

/** From the least to the most urgent. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;

export type Severity = (typeof SEVERITIES)[number];

export interface Finding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** What it is about: a producer, a principal, or the log itself. */
  readonly subject: { readonly type: string; readonly id: string };
  /** The entries concerned, first and last, both inclusive. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Log times of these two, in microseconds since the Unix epoch. The entry of the finding occurred at the last. */
  readonly firstTimeUs: number;
  readonly lastTimeUs: number;
  /** Events, or whatever the kind counts. */
  readonly count: number;
  /** One sentence for a person, at most MAX_TEXT_CHARACTERS. */
  readonly message: string;
  /** What was measured, by name. */
  readonly evidence: JsonObject;
  /** Tells apart findings that agree in kind, subject and first index. */
  readonly discriminator?: string;
}

/** A finding as it was recorded. */
export interface RaisedFinding extends Omit<Finding, 'discriminator' | 'subject'> {
  readonly id: string;
  /** Index of the entry that raised it, and its log time. */
  readonly index: number;
  readonly raisedAtUs: number;
  /** Null when it was erased. */
  readonly subject: Finding['subject'] | null;
}

/** Who the log itself is in its own entries. */
export const LOG_ACTOR: OwnEvent['actor'] = { type: 'system', id: 'countersign' };

const ID_LETTERS = 16;

/** `finding.sequence-gap.4743.kfbgaohc…`. The last part has letters only, so that nothing takes it for a card number. */
export function findingId({ kind, subject, firstIndex, discriminator }: Finding): string {
  const about = JSON.stringify([subject.type, subject.id, discriminator ?? '']);
  const letters = [...hash('sha256', about, 'hex').slice(0, ID_LETTERS)].map((digit) =>
    String.fromCharCode(97 + Number.parseInt(digit, 16)),
  );
  return `finding.${kind}.${firstIndex}.${letters.join('')}`;
}

export function raiseEvent(finding: Finding): OwnEvent {
  const { kind, severity, subject, firstIndex, lastIndex, firstTimeUs, lastTimeUs, count, message, evidence } = finding;
  return {
    event_id: findingId(finding),
    occurred_at: formatTimeUs(lastTimeUs),
    action: RAISE_FINDING,
    actor: LOG_ACTOR,
    target: { ...subject },
    outcome: { result: 'success' },
    details: message.slice(0, MAX_TEXT_CHARACTERS),
    context: {
      kind,
      severity,
      first_index: firstIndex,
      last_index: lastIndex,
      first_time: formatTimeUs(firstTimeUs),
      last_time: formatTimeUs(lastTimeUs),
      count,
      evidence,
    },
  };
}

/** The finding that an entry raised; undefined for an entry whose contents were erased or are of another form. */
export function raisedFinding({ event, index, logTime }: OwnEntry): RaisedFinding | undefined {
  const id = textAt(event, 'event_id');
  const kind = FINDING_KINDS.find((one) => one === textAt(event, 'context', 'kind'));
  const severity = SEVERITIES.find((one) => one === textAt(event, 'context', 'severity'));
  const number = (name: string): number => numberOr(memberAt(event, 'context', name), 0);
  const timeUs = (name: string): number => parseTimeUs(textAt(event, 'context', name) ?? '') ?? 0;
  const type = textAt(event, 'target', 'type');
  const subjectId = textAt(event, 'target', 'id');
  const evidence = memberAt(event, 'context', 'evidence');
  if (id === undefined || kind === undefined || severity === undefined) return undefined;
  return {
    id,
    index,
    raisedAtUs: logTime,
    kind,
    severity,
    subject: type === undefined || subjectId === undefined ? null : { type, id: subjectId },
    firstIndex: number('first_index'),
    lastIndex: number('last_index'),
    firstTimeUs: timeUs('first_time'),
    lastTimeUs: timeUs('last_time'),
    count: number('count'),
    message: textAt(event, 'details') ?? '',
    evidence: isObject(evidence) ? evidence : {},
  };
}

function numberOr(value: JsonValue | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
