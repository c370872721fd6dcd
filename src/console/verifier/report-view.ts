/** The report on one file: verdict, what was examined, claims, notes, and its events as cards. */

import { formatSeconds } from '../../../proofs/existed-by.ts';
import type { FileReport } from '../../../proofs/judge-file.ts';
import { claimsTable, notesList } from './claims-view.ts';
import { type Child, h, isolated } from './dom.ts';
import { eventCard } from './event-card.ts';
import type { Judged, ShownEvent } from './protocol.ts';
import { verdictBanner } from './verdict-view.ts';
import { formatBytes, formatCount, formatTimeUs, kindTitle } from './words.ts';

/** Cards that are made at once; a button makes as many again, and printing makes all. */
const CARDS_A_TIME = 20;

export function reportView(judged: Judged): HTMLElement {
  const { report } = judged;
  return h(
    'article',
    { class: 'report', ...verdictData(report), 'data-ms': judged.durationMs },
    h(
      'header',
      { class: 'report-head' },
      h('p', { class: 'kind' }, kindTitle(report.kind)),
      h('h3', { class: 'file' }, isolated(report.file)),
    ),
    verdictBanner(report, 'h3'),
    examinedList(judged),
    claimsTable(report),
    notesList(report),
    eventsSection(judged),
  );
}

/** The first claim that decides a verdict which is not PASS. */
export function decisiveClaim({ verdict, claims }: FileReport): FileReport['claims'][number] | undefined {
  return claims.find(({ result }) => result === (verdict === 'FAIL' ? 'fail' : 'incomplete'));
}

/** The verdict where programs find it. */
export function verdictData(report: FileReport): Readonly<Record<string, string | undefined>> {
  return {
    'data-file': report.file,
    'data-verdict': report.verdict,
    'data-claim': decisiveClaim(report)?.claim,
    'data-code': report.failure?.code,
  };
}

function examinedList({ report, bytes, sha256, durationMs, head, policySha256, at }: Judged): HTMLElement {
  const { bundle, existed_by: bound } = report;
  const rows: readonly (readonly [string, Child] | undefined)[] = [
    head && (['Log', h('bdi', {}, head.origin)] as const),
    bundle && (['Question', bundle.query === '' ? 'everything' : isolated(bundle.query)] as const),
    bundle &&
      (['Log time', `${timeOrEnd(bundle.from_us, 'the beginning')} to ${timeOrEnd(bundle.to_us, 'the end')}`] as const),
    bundle && (['Answer', answerOf(bundle)] as const),
    head && (['Head', `${formatCount(head.size, 'entry', 'entries')}; your policy asks for ${head.quorum}`] as const),
    bound === undefined || report.verdict === 'FAIL' ? undefined : (['Time', `Everything in it ${bound}.`] as const),
    ['Policy', ['SHA-256 ', h('code', {}, policySha256)]],
    at === undefined ? undefined : ['Until', `only what the witnesses had signed by ${formatSeconds(at)} counts`],
    ['File', [`${formatBytes(bytes)}, SHA-256 `, h('code', {}, sha256)]],
    [
      'Verified',
      `in ${durationMs < 1_000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1_000).toFixed(1)} s`}, in this page`,
    ],
  ];
  return h(
    'dl',
    { class: 'examined' },
    ...rows.flatMap((row) => (row === undefined ? [] : [h('div', {}, h('dt', {}, row[0]), h('dd', {}, row[1]))])),
  );
}

function timeOrEnd(timeUs: number | null, otherwise: string): string {
  return timeUs === null ? otherwise : formatTimeUs(timeUs);
}

function answerOf({
  mode,
  examined,
  matched,
  unevaluated,
  start,
  end,
}: NonNullable<Judged['report']['bundle']>): string {
  const rest = unevaluated === 0 ? '' : `, ${unevaluated} cannot be evaluated`;
  if (mode !== 'complete') return `a selection: ${formatCount(matched, 'event matches', 'events match')}${rest}`;
  return `complete over indices ${start} to ${end - 1}: ${examined} examined, ${matched} match${rest}`;
}

function eventsSection({ report, events, head }: Judged): HTMLElement | undefined {
  const { shown, total, overrides, denied, failed } = events;
  if (shown.length === 0) return undefined;
  // An answer that is open at its end is not complete, and every event in it can be proven all the same.
  const holds = (name: string): boolean =>
    report.claims.some(({ claim, result }) => claim === name && result === 'pass');
  const isProven = report.verdict !== 'FAIL' && holds('log-signature') && holds('witnesses');
  const counts = [
    formatCount(total, 'event', 'events'),
    ...(overrides > 0 ? [`${overrides} break-glass`] : []),
    ...(denied > 0 ? [`${denied} denied`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ];
  const cards = h('div', { class: 'cards' });
  const more = h('p', { class: 'more no-print' });
  let next = 0;
  const show = (count: number): void => {
    const batch = shown.slice(next, next + count);
    next += batch.length;
    cards.append(...batch.map((event) => cardOf(event)));
    const rest = shown.length - next;
    more.replaceChildren();
    if (rest > 0) {
      const button = h('button', { type: 'button' }, `Show ${Math.min(CARDS_A_TIME, rest)} more`);
      button.addEventListener('click', () => {
        const first = next;
        show(CARDS_A_TIME);
        focusCard(cards.children[first]);
      });
      more.append(button);
    }
  };
  const cardOf = (event: ShownEvent): HTMLElement =>
    eventCard(event, {
      ...{ head, isProven, headingLevel: 'h5' },
      existedBy: report.existed_by,
      withPath: shown.length === 1,
    });
  show(CARDS_A_TIME);
  window.addEventListener('beforeprint', () => {
    if (cards.isConnected) show(shown.length);
  });
  const section = [
    overrides > 0 &&
      total > 1 &&
      h('p', { class: 'aside' }, 'Break-glass events come first; the others follow in the order of the log.'),
    shown.length < total &&
      h('p', { class: 'aside' }, `${shown.length} of them are shown here. All ${total} were verified.`),
    cards,
    more,
  ];
  if (report.verdict !== 'FAIL') {
    return h(
      'section',
      { class: 'events' },
      h('h4', {}, counts.join(', ')),
      report.verdict !== 'PASS' && unproven(report.verdict),
      ...section,
    );
  }
  return h(
    'details',
    { class: 'events unproven' },
    h('summary', {}, `${counts.join(', ')}: what the file says, and nothing proves`),
    unproven(report.verdict),
    ...section,
  );
}

function unproven(verdict: 'FAIL' | 'INCOMPLETE'): HTMLElement {
  const text =
    verdict === 'FAIL'
      ? 'The file failed. None of these events is proven.'
      : 'The verdict is not PASS. Read each event together with the claims above.';
  return h('p', { class: 'warning' }, text);
}

function focusCard(card: Element | undefined): void {
  if (!(card instanceof HTMLElement)) return;
  card.tabIndex = -1;
  card.focus();
}
