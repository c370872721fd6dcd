/** The report on one file: verdict, what was examined, claims, notes, and its events as cards. */

import { formatSeconds } from '../../../proofs/existed-by.ts';
import type { FileReport } from '../../../proofs/judge-file.ts';
import { claimsTable, notesList } from './claims-view.ts';
import { type Child, h, isolated } from './dom.ts';
import { eventsSection } from './events-view.ts';
import type { Judged } from './protocol.ts';
import { verdictBanner } from './verdict-view.ts';
import { formatBytes, formatCount, formatTimeUs, kindTitle } from './words.ts';

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
  const size = `over indices ${start} to ${end - 1}: ${examined} examined, ${matched} match${rest}`;
  if (mode === 'selected') return `a selection: ${formatCount(matched, 'event matches', 'events match')}${rest}`;
  return mode === 'sample' ? `a drawn sample ${size}` : `complete ${size}`;
}
