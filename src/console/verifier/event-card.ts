/** One event as a card: what it is called, what stands out about it, its six facts, and on request its path to the head. */
import type { JsonValue } from '../../../proofs/canonical-json.ts';
import { textAt } from '../../../proofs/fields.ts';
import { type Child, h, isolated } from './dom.ts';
import { type Change, changedOf, type Fact, type MissingField, textOf, whatOf, whenOf, whoOf, whyOf } from './facts.ts';
import { pathFigure } from './path-figure.ts';
import type { DrawnHead, ShownEvent, ShownField } from './protocol.ts';
import type { RuleInForce } from './related.ts';
import { formatTimeUs, shortHash } from './words.ts';

export interface CardContext {
  readonly head: DrawnHead | undefined;
  /** "existed no later than …, signed by 2 of 3 witnesses". */
  readonly existedBy: string | undefined;
  /** False where log or witnesses did not sign, or the file failed: then nothing on the card is proven. */
  readonly isProven: boolean;
  /** Whether the path is drawn at once. */
  readonly withPath: boolean;
  readonly headingLevel: 'h3' | 'h4' | 'h5';
}

export function eventCard(shown: ShownEvent, context: CardContext): HTMLElement {
  const { index, event, title, fields } = shown;
  const action = textAt(event, 'action');
  const marks = marksOf(shown);
  return h(
    'article',
    { class: `card ${marks.map(({ kind }) => kind).join(' ')}`, 'aria-label': `Event ${index}` },
    h(
      'header',
      {},
      h('p', { class: 'marks' }, ...marks.map(({ kind, word }) => h('strong', { class: `badge ${kind}` }, word))),
      h(context.headingLevel, {}, isolated(title ?? action ?? (fields.length === 0 ? 'An entry' : 'Action not shown'))),
      h('p', { class: 'entry-number' }, `event ${index}`),
    ),
    h(
      'dl',
      { class: 'facts' },
      ...factRows('Who', whoOf(shown)),
      ...factRows('What', whatOf(shown)),
      ...factRows('When', whenOf(shown), h('p', { class: 'aside' }, `In the log at ${formatTimeUs(shown.logTimeUs)}.`)),
      ...factRows('Why allowed', whyOf(shown), shown.rule && ruleLine(shown.rule)),
      ...changedRows(shown),
      h('dt', {}, 'Proof'),
      h('dd', {}, proofOf(shown, context)),
    ),
    fields.length > 0 && fieldTable(shown),
  );
}

interface Mark {
  readonly kind: 'override' | 'denied' | 'failed';
  readonly word: string;
}

function marksOf({ isOverride, event }: ShownEvent): readonly Mark[] {
  const outcome = textAt(event, 'outcome', 'result');
  const isDenied = outcome === 'denied' || textAt(event, 'authorization', 'decision') === 'deny';
  return [
    ...(isOverride ? [{ kind: 'override', word: 'Break-glass' } as const] : []),
    ...(isDenied ? [{ kind: 'denied', word: 'Denied' } as const] : []),
    ...(outcome === 'failure' ? [{ kind: 'failed', word: 'Failed' } as const] : []),
  ];
}

function factRows(name: string, { lead, details, missing }: Fact, ...more: readonly Child[]): readonly HTMLElement[] {
  const body = h(
    'dd',
    {},
    lead !== '' && h('p', { class: 'lead' }, isolated(lead)),
    detailList(details),
    missingList(missing),
    ...more,
  );
  return [h('dt', {}, name), body];
}

function changedRows(shown: ShownEvent): readonly HTMLElement[] {
  const { changes, ...fact } = changedOf(shown);
  return factRows('What changed', fact, changes.length > 0 && changesTable(changes));
}

function detailList(details: Fact['details']): Child {
  if (details.length === 0) return undefined;
  return h(
    'ul',
    { class: 'details' },
    ...details.map(({ label, value }) =>
      h('li', {}, h('span', { class: 'label' }, isolated(label)), ' ', isolated(value)),
    ),
  );
}

function missingList(missing: readonly MissingField[]): Child {
  if (missing.length === 0) return undefined;
  return h(
    'ul',
    { class: 'details' },
    ...missing.map(({ id, state }) => h('li', {}, isolated(id), ' ', stateBadge(state))),
  );
}

function stateBadge(state: MissingField['state']): HTMLElement {
  return h('span', { class: `state ${state}` }, state);
}

function changesTable(changes: readonly Change[]): HTMLElement {
  const cell = (value: string | undefined): HTMLElement => h('td', {}, value === undefined ? '—' : isolated(value));
  return h(
    'table',
    { class: 'changes' },
    h('thead', {}, h('tr', {}, ...['Where', 'Before', 'After'].map((name) => h('th', { scope: 'col' }, name)))),
    h(
      'tbody',
      {},
      ...changes.map(({ path, before, after }) =>
        h('tr', {}, h('th', { scope: 'row' }, isolated(path)), cell(before), cell(after)),
      ),
    ),
  );
}

function ruleLine({ index, author, approver, approval, supersededBy }: RuleInForce): HTMLElement {
  const parts = [
    `The rule was published in entry ${index}`,
    ...(author === undefined ? [] : [`written by ${author}`]),
    approver === undefined ? 'approved by nobody that it names' : `approved by ${approver}`,
    ...(approval === undefined ? [] : [approval]),
  ];
  const later = supersededBy === undefined ? '' : ` A later version was in force already: entry ${supersededBy}.`;
  return h('p', { class: supersededBy === undefined ? 'aside' : 'aside warning' }, `${parts.join(', ')}.${later}`);
}

function proofOf(shown: ShownEvent, { head, existedBy, isProven, withPath }: CardContext): readonly Child[] {
  const { index, leafHash, path } = shown;
  if (!isProven || head === undefined) return [h('p', { class: 'lead' }, 'None. The file did not pass.')];
  const lead = h(
    'p',
    { class: 'lead' },
    `Event ${index} is in the tree of ${head.size}, as leaf `,
    h('code', {}, shortHash(leafHash)),
    '.',
  );
  const bound = existedBy === undefined ? undefined : h('p', { class: 'aside' }, `It ${existedBy}.`);
  if (path === undefined) return [h('p', { class: 'lead' }, 'None. No path leads from it to the root.')];
  const figure = (): HTMLElement => pathFigure(shown, path, head);
  const details = h('details', { class: 'path-details' }, h('summary', {}, 'The path to the signed head'));
  // Drawn when it is looked at: a thousand drawings are more than a page needs.
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(figure());
  });
  if (withPath) details.open = true;
  return [lead, bound, details];
}

function fieldTable({ fields, producerId, producerSeq }: ShownEvent): HTMLElement {
  const sequence = producerSeq === null ? '' : `, its number ${producerSeq}`;
  const row = (field: ShownField): HTMLElement =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, isolated(field.id)),
      h('td', {}, field.state === 'shown' ? shownValue(field.value) : stateBadge(field.state)),
    );
  return h(
    'details',
    { class: 'fields' },
    h('summary', {}, 'Every field'),
    h('p', { class: 'aside' }, 'Submitted by producer ', h('code', {}, producerId), sequence, '.'),
    h(
      'table',
      {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Field'), h('th', { scope: 'col' }, 'Value'))),
      h('tbody', {}, ...fields.map(row)),
    ),
  );
}

function shownValue(value: JsonValue): HTMLElement {
  return h('code', { class: 'value' }, h('bdi', {}, textOf(value)));
}
