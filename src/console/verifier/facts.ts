/**
 * An event as the six facts that an auditor asks for (REQUIREMENTS E1–E6): who, what, when, why it was allowed, what
 * changed; the sixth, the proof, is the card's. Each fact is there always, and says so when the event does not tell it.
 */
import { canonicalJson, type JsonValue } from '../../../proofs/canonical-json.ts';
import { isObject, memberAt, textAt } from '../../../proofs/fields.ts';
import type { ShownEvent, ShownField } from './protocol.ts';

export interface Fact {
  readonly lead: string;
  /** What else the event says about it, by dotted path. */
  readonly details: readonly Detail[];
  /** Fields that belong to it and are not shown. */
  readonly missing: readonly MissingField[];
}

export interface Detail {
  readonly label: string;
  readonly value: string;
}

export type MissingField = Extract<ShownField, { readonly state: 'withheld' | 'erased' }>;

export interface Change {
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Details of one fact; the rest stands in the table of all fields. */
const MAX_DETAILS = 24;
const MAX_DEPTH = 6;

export function whoOf({ event, fields }: ShownEvent): Fact {
  const lead = named(event['actor']);
  return {
    lead: lead ?? notShown(fields, 'actor', 'No actor is named.'),
    details: [
      ...detailsOf(event['actor'], lead === undefined ? [] : ['type', 'id']),
      ...detailsOf(event['tenant'], [], 'tenant'),
    ],
    missing: missingOf(fields, ['actor', 'tenant']),
  };
}

export function whatOf({ event, fields }: ShownEvent): Fact {
  const action = textAt(event, 'action');
  const target = named(event['target']);
  const lead = [action, target && `on ${target}`].filter((part) => part !== undefined).join(' ');
  return {
    lead: lead === '' ? notShown(fields, 'action', 'No action is named.') : lead,
    details: [
      ...detailsOf(event['target'], target === undefined ? [] : ['type', 'id'], 'target'),
      ...detailsOf(event['outcome'], [], 'outcome'),
    ],
    missing: missingOf(fields, ['action', 'target', 'outcome']),
  };
}

export function whenOf({ event, fields }: ShownEvent): Fact {
  const lead = textAt(event, 'occurred_at');
  return {
    lead: lead ?? notShown(fields, 'occurred_at', 'The producer gives no time.'),
    details: lead === undefined ? [] : [{ label: 'said by', value: 'the producer' }],
    missing: missingOf(fields, ['occurred_at']),
  };
}

const DECISIONS: Readonly<Record<string, string>> = {
  allow: 'Allowed',
  deny: 'Denied',
  bypass: 'The rules were bypassed',
};

export function whyOf({ event, fields }: ShownEvent): Fact {
  const decision = textAt(event, 'authorization', 'decision');
  const rule = textAt(event, 'authorization', 'rule');
  const said = decision === undefined ? undefined : (DECISIONS[decision] ?? decision);
  const lead = rule === undefined ? said : `${said ?? 'Decided'} by ${rule}`;
  return {
    lead: lead ?? notShown(fields, 'authorization', 'The event does not say.'),
    details: [
      ...detailsOf(event['authorization'], ['decision', 'rule']),
      ...detailsOf(event['reason'], [], 'reason'),
      ...(event['break_glass'] === true ? [{ label: 'break_glass', value: 'true' }] : []),
    ],
    missing: missingOf(fields, ['authorization', 'reason', 'break_glass']),
  };
}

export function changedOf({ event, fields }: ShownEvent): Fact & { readonly changes: readonly Change[] } {
  const changes = changesOf(event['changes']);
  const record = detailsOf(event['object'], [], 'object');
  const nothing = notShown(fields, 'changes', 'The event names no change.');
  return {
    lead: changes.length > 0 ? '' : record.length > 0 ? 'Recorded elsewhere, by hash or version' : nothing,
    details: record,
    missing: missingOf(fields, ['changes', 'object']),
    changes,
  };
}

function changesOf(value: JsonValue | undefined): readonly Change[] {
  if (!Array.isArray(value)) return value === undefined ? [] : [{ path: '', before: undefined, after: textOf(value) }];
  return value.map((change: JsonValue): Change => {
    const [before, after] = [memberAt(change, 'before'), memberAt(change, 'after')];
    return {
      path: textAt(change, 'path') ?? textOf(change),
      before: before === undefined ? undefined : textOf(before),
      after: after === undefined ? undefined : textOf(after),
    };
  });
}

/** "user u_8842". */
function named(value: JsonValue | undefined): string | undefined {
  const [type, id] = [textAt(value, 'type'), textAt(value, 'id')];
  return id === undefined ? undefined : [type, id].filter((part) => part !== undefined).join(' ');
}

function notShown(fields: readonly ShownField[], id: string, otherwise: string): string {
  if (fields.length === 0) return 'The contents were not given.';
  const field = fields.find((one) => one.id === id);
  return field === undefined || field.state === 'shown' ? otherwise : `Not shown: ${field.state}.`;
}

function missingOf(fields: readonly ShownField[], under: readonly string[]): readonly MissingField[] {
  return fields.flatMap((field) =>
    field.state !== 'shown' && under.includes(field.id.split('.')[0] ?? '') ? [field] : [],
  );
}

/** What a value says, one leaf after the other, without the members that stand elsewhere. */
function detailsOf(value: JsonValue | undefined, without: readonly string[], prefix = ''): readonly Detail[] {
  const details: Detail[] = [];
  const walk = (one: JsonValue, label: string, depth: number): void => {
    if (details.length >= MAX_DETAILS) return;
    const name = (member: string): string => (label === '' ? member : `${label}.${member}`);
    if (isObject(one) && depth < MAX_DEPTH) {
      for (const [member, below] of Object.entries(one)) {
        if (depth > 0 || !without.includes(member)) walk(below, name(member), depth + 1);
      }
    } else details.push({ label, value: textOf(one) });
  };
  if (value !== undefined) walk(value, prefix, 0);
  return details;
}

/** Texts as they are, everything else as JSON. */
export function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}
