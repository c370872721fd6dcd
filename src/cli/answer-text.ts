/**
 * An answer as a person reads it: in the terminal and in the printed report. The texts that come out of events are foreign
 * and returned as they are; `answerLines` escapes them for a line, report-html.ts for a page.
 */
import { canonicalJson, type JsonValue } from '../../proofs/canonical-json.ts';
import { escapeLine } from '../../proofs/escape-line.ts';
import { isObject, memberAt, textAt } from '../../proofs/fields.ts';
import type { Answer, AnsweredEvent, AnsweredRule, AnsweredVersion, CitedRule } from '../evidence/answer.ts';

/** One event in the words of the six facts. */
export interface DescribedEvent {
  /** Beginning with what stands out: BREAK-GLASS, DENIED, FAILED. */
  readonly heading: string;
  readonly who: string;
  readonly what: string;
  readonly why: string;
  /** What is to be said of the rule that it cites, and which version that is; none if it cites none. */
  readonly rule: readonly string[];
  /** One line for each change. */
  readonly changed: readonly string[];
  readonly recorded: string;
  /** '' if everything is shown. */
  readonly missing: string;
}

/** Longest value that is printed in full. */
const MAX_VALUE_CHARACTERS = 300;
const LABEL_WIDTH = 9;

/** The answer as lines, up to `show` events; every line is safe to print. */
export function answerLines({ events, matched, rules, notes }: Answer, show: number): readonly string[] {
  if (rules.length > 0) return rules.flatMap(ruleLines);
  const shown = events.slice(0, show);
  const more = matched - shown.length;
  return [
    ...shown.flatMap(eventLines),
    ...(more > 0 ? ['', `and ${more} more (--show ${matched})`] : []),
    ...(notes.length > 0 ? ['', ...notes.map((note) => `Rules: ${note}.`)] : []),
  ];
}

export function describeEvent({
  index,
  log_time,
  title,
  break_glass,
  event,
  rule,
  ...rest
}: AnsweredEvent): DescribedEvent {
  const outcome = textAt(event, 'outcome', 'result');
  const marks = [
    ...(break_glass ? ['BREAK-GLASS'] : []),
    ...(outcome === undefined ? ['(outcome not shown)'] : outcome === 'success' ? [] : [MARKS[outcome] ?? outcome]),
  ];
  const action = textAt(event, 'action') ?? '(action not shown)';
  const target = named(memberAt(event, 'target'));
  const code = textAt(event, 'outcome', 'code');
  const missing = [
    ...(rest.withheld.length > 0 ? [`withheld: ${rest.withheld.join(', ')}`] : []),
    ...(rest.erased.length > 0 ? [`erased: ${rest.erased.join(', ')}`] : []),
  ];
  return {
    heading: [...marks, title ?? action].join('  '),
    who: describeActor(event['actor']),
    what: `${action}${target === '' ? '' : ` of ${target}`}: ${outcome ?? '?'}${code === undefined ? '' : ` (${code})`}`,
    why: describeWhy(event),
    rule: rule === null ? [] : describeRule(rule),
    changed: describeChanges(event['changes'], outcome),
    recorded: `as entry ${index} at ${log_time}`,
    missing: missing.join('; '),
  };
}

const MARKS: Readonly<Record<string, string>> = { denied: 'DENIED', failure: 'FAILED' };

function eventLines(answered: AnsweredEvent): readonly string[] {
  const { heading, who, what, why, rule, changed, recorded, missing } = describeEvent(answered);
  const line = (label: string, text: string): string[] =>
    text === '' ? [] : [`    ${label.padEnd(LABEL_WIDTH)}${escapeLine(text)}`];
  const lines = (label: string, texts: readonly string[]): string[] =>
    texts.flatMap((text, i) => line(i === 0 ? label : '', text));
  return [
    '',
    escapeLine(`${textAt(answered.event, 'occurred_at') ?? '(time not shown)'}  ${heading}`),
    ...line('who', who),
    ...line('what', what),
    ...line('why', why),
    ...lines('rule', rule),
    ...lines('changed', changed),
    ...line('recorded', recorded),
    ...line('missing', missing),
  ];
}

export function ruleLines({ id, versions, complete }: AnsweredRule): readonly string[] {
  const last = versions.at(-1);
  if (last === undefined) return [];
  const older = versions.slice(0, -1).reverse();
  return [
    '',
    escapeLine(`${id} last changed at ${last.published_at}, to version ${last.version}`),
    ...versionLines(last),
    ...(complete
      ? ['    No later version was published: every entry of the range was examined.']
      : ['    The last version that is shown; the evidence does not prove that there is no later one.']),
    ...older.flatMap((version) => [
      escapeLine(`  before that, from ${version.published_at}: version ${version.version}`),
      ...versionLines(version),
    ]),
  ];
}

function versionLines(version: AnsweredVersion): readonly string[] {
  const { author, definition_hash, source, index } = version;
  return [
    ['by', `${author}, ${describeApproval(version)}`],
    ['source', source],
    ['hash', definition_hash],
    ['recorded', `as entry ${index}`],
  ].map(([label = '', text = '']) => `    ${label.padEnd(LABEL_WIDTH)}${escapeLine(text)}`);
}

function describeApproval({ approved, approver, approval, author }: AnsweredVersion): string {
  if (approved) return `approved by ${approver} in ${approval}`;
  if (approver === null) return 'NOT APPROVED by anybody';
  return approver === author
    ? 'NOT APPROVED: its author did it alone'
    : `NOT APPROVED: ${approver} did, and nothing says where`;
}

function describeRule({ cited, verdict, version, in_force: inForce }: CitedRule): readonly string[] {
  const other = inForce === null ? '' : `version ${inForce.version} of entry ${inForce.index}`;
  if (version === null) {
    if (verdict === 'not-shown') return [cited, 'what it says and who approved it is not in this evidence'];
    return [
      `UNKNOWN  ${cited}`,
      `no entry before this one published it${other === '' ? '' : `; in force was ${other}`}`,
    ];
  }
  const { author, index, published_at } = version;
  return [
    verdict === 'in-force' ? cited : `${verdict === 'unapproved' ? 'NOT APPROVED' : 'SUPERSEDED'}  ${cited}`,
    `version ${version.version} by ${author}, ${describeApproval(version)}`,
    `published as entry ${index} at ${published_at}, ${other === '' ? STANDING[verdict] : `replaced by ${other}`}`,
  ];
}

/** Of the newest version at the entry of an event. */
const STANDING: Readonly<Record<CitedRule['verdict'], string>> = {
  'in-force': 'in force at this entry',
  unapproved: 'the newest at this entry',
  superseded: 'replaced at this entry',
  unknown: 'not in force at this entry',
  'not-shown': 'as far as this evidence shows',
};

function describeActor(actor: JsonValue | undefined): string {
  if (!isObject(actor)) return '(not shown)';
  const role = textAt(actor, 'role');
  const method = textAt(actor, 'auth', 'method');
  const provider = textAt(actor, 'auth', 'provider');
  const session = textAt(actor, 'session');
  const chain = memberAt(actor, 'delegation');
  return [
    `${named(actor)}${role === undefined ? '' : ` as ${role}`}`,
    ...(method === undefined ? [] : [`by ${method}${provider === undefined ? '' : ` of ${provider}`}`]),
    ...(session === undefined ? [] : [`session ${session}`]),
    ...(Array.isArray(chain) && chain.length > 0 ? [`through ${chain.map(named).join(', ')}`] : []),
  ].join(', ');
}

function describeWhy(event: AnsweredEvent['event']): string {
  const part = (name: string, words: string): string[] => {
    const text = textAt(event, 'authorization', name);
    return text === undefined ? [] : [`${words}${text}`];
  };
  const reason = textAt(event, 'reason');
  return [
    ...part('decision', ''),
    ...part('ticket', 'ticket '),
    ...part('approver', 'approved by '),
    ...(reason === undefined ? [] : [`"${reason}"`]),
  ].join(', ');
}

function describeChanges(changes: JsonValue | undefined, outcome: string | undefined): readonly string[] {
  if (!Array.isArray(changes)) return [];
  const asked = outcome === 'denied' || outcome === 'failure' ? 'not carried out: ' : '';
  return changes.map((change: JsonValue) => {
    const path = textAt(change, 'path');
    const record = memberAt(change, 'record');
    const values = `${valueText(memberAt(change, 'before'))} → ${valueText(memberAt(change, 'after'))}`;
    return `${asked}${path === '' || path === undefined ? 'the whole' : path}  ${isObject(record) ? valueText(record) : values}`;
  });
}

/** "user u_8842". */
function named(principal: JsonValue | undefined): string {
  return [textAt(principal, 'type'), textAt(principal, 'id')].filter((text) => text !== undefined).join(' ');
}

function valueText(value: JsonValue | undefined): string {
  if (value === undefined) return '(nothing)';
  const text = typeof value === 'string' ? `"${value}"` : canonicalJson(value);
  return text.length > MAX_VALUE_CHARACTERS ? `${text.slice(0, MAX_VALUE_CHARACTERS)}…` : text;
}
