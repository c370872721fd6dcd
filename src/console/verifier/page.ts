/**
 * The page: what was pinned and what is to be verified come in, one file after the other goes to the worker, and the
 * reports come out. Whenever one of the inputs changes, everything is verified again from the beginning.
 */

import { LIMITS } from '../../../proofs/claims.ts';
import { type FileReport, overallVerdict } from '../../../proofs/judge-file.ts';
import { byId, h, isolated, replace, sentence } from './dom.ts';
import { dropZone, refuseStrayDrops } from './drop-zone.ts';
import { pairFiles } from './evidence-files.ts';
import { pinsPanel } from './pins-panel.ts';
import type { Judged, Pins } from './protocol.ts';
import { decisiveClaim, reportView, verdictData } from './report-view.ts';
import { verdictBanner, verdictSign } from './verdict-view.ts';
import { type Evidence, openVerifier, type Verifier, workerStarter } from './verify-in-worker.ts';
import { claimTitle, formatCount } from './words.ts';

/** Reports that stand on the page in full; of further files there is a line in the table. Those that did not pass first. */
const MAX_FULL_REPORTS = 25;

export function startPage(script: string): void {
  const startWorker = workerStarter(script);
  const results = byId('results', HTMLElement);
  const status = byId('status', HTMLElement);
  let evidence: readonly Evidence[] = [];
  let running: Verifier | undefined;

  const pins = pinsPanel(() => run());
  const run = (): void => {
    running?.close();
    running = undefined;
    replace(results);
    const pinned = pins.current();
    document.body.dataset['state'] = 'waiting';
    replace(byId('evidence-summary', HTMLElement), evidence.length > 0 && evidenceSummary(evidence));
    if (evidence.length === 0 || pinned === undefined) {
      replace(status, waitingFor(evidence, pinned));
      return;
    }
    const verifier = openVerifier(startWorker);
    running = verifier;
    document.body.dataset['state'] = 'verifying';
    verifyAll(verifier, evidence, pinned, status).then(
      (judged) => {
        if (running !== verifier) return;
        verifier.close();
        running = undefined;
        replace(status);
        replace(results, ...resultViews(judged));
        document.body.dataset['state'] = 'done';
        results.focus({ preventScroll: true });
        results.scrollIntoView({ block: 'start' });
      },
      (error: unknown) => {
        if (running !== verifier) return;
        verifier.close();
        running = undefined;
        const why = error instanceof Error ? error.message : String(error);
        replace(
          status,
          h('p', { class: 'fault', role: 'alert' }, 'This browser could not finish; nothing was verified. ', why),
        );
        document.body.dataset['state'] = 'broken';
      },
    );
  };
  dropZone('evidence', (files) => {
    evidence = pairFiles(files);
    run();
  });
  refuseStrayDrops();
  byId('again', HTMLButtonElement).addEventListener('click', () => {
    evidence = [];
    run();
    byId('evidence-input', HTMLInputElement).focus();
  });
  byId('print', HTMLButtonElement).addEventListener('click', () => window.print());
  replace(byId('limits', HTMLElement), h('ul', {}, ...LIMITS.map((limit) => h('li', {}, limit))));
  run();
}

async function verifyAll(
  verifier: Verifier,
  evidence: readonly Evidence[],
  pins: Pins,
  status: HTMLElement,
): Promise<readonly Judged[]> {
  const bar = h('progress', { 'aria-label': 'Verified' });
  const words = h('p', {}, 'Verifying …');
  replace(status, words, bar);
  const judged: Judged[] = [];
  for (const one of evidence) {
    judged.push(
      await verifier.verify(one, pins, (done, total) => {
        if (evidence.length > 1) return;
        words.textContent = `Verifying: ${formatCount(done, 'event', 'events')}${total === undefined ? '' : ` of ${total.toLocaleString('en')}`} examined`;
        if (total !== undefined && total > 0) {
          bar.max = total;
          bar.value = done;
        }
      }),
    );
    if (evidence.length > 1) {
      words.textContent = `Verifying: ${judged.length} of ${evidence.length} files`;
      bar.max = evidence.length;
      bar.value = judged.length;
    }
  }
  return judged;
}

function waitingFor(evidence: readonly Evidence[], pins: Pins | undefined): HTMLElement | false {
  if (evidence.length === 0) return false;
  return h('p', { class: 'waiting' }, pins === undefined ? 'Waiting for the trust policy that you pinned.' : '');
}

function evidenceSummary(evidence: readonly Evidence[]): HTMLElement {
  const [first] = evidence;
  if (first === undefined || evidence.length > 1) return h('p', { class: 'taken' }, `${evidence.length} files`);
  return h(
    'p',
    { class: 'taken' },
    h('strong', {}, isolated(first.name)),
    first.receipt !== undefined && ' with its receipt',
  );
}

function resultViews(judged: readonly Judged[]): readonly HTMLElement[] {
  const [only] = judged;
  if (only !== undefined && judged.length === 1) return [reportView(only)];
  const rank: Readonly<Record<FileReport['verdict'], number>> = { FAIL: 0, INCOMPLETE: 1, PASS: 2 };
  const inFull = [...judged].sort((a, b) => rank[a.report.verdict] - rank[b.report.verdict]).slice(0, MAX_FULL_REPORTS);
  const left = judged.length - inFull.length;
  return [
    verdictBanner({ verdict: overallVerdict(judged.map(({ report }) => report)), reason: countsOf(judged) }, 'h2'),
    filesTable(judged),
    ...inFull.map(reportView),
    ...(left > 0
      ? [h('p', { class: 'aside' }, `${left} more files are in the table above; choose one alone to read its report.`)]
      : []),
  ];
}

function countsOf(judged: readonly Judged[]): string {
  const count = (which: FileReport['verdict']): number =>
    judged.filter(({ report }) => report.verdict === which).length;
  return `${judged.length} files: ${count('PASS')} passed, ${count('FAIL')} failed, ${count('INCOMPLETE')} incomplete`;
}

function filesTable(judged: readonly Judged[]): HTMLElement {
  const row = ({ report }: Judged): HTMLElement => {
    const { file, verdict, reason } = report;
    const decisive = decisiveClaim(report);
    return h(
      'tr',
      { class: verdict.toLowerCase(), ...verdictData(report) },
      h(
        'td',
        { class: 'result' },
        h('span', { class: `mark ${verdict.toLowerCase()}` }, verdictSign(verdict), verdict),
      ),
      h('th', { scope: 'row' }, isolated(file)),
      h(
        'td',
        {},
        decisive === undefined
          ? sentence(reason)
          : [h('strong', {}, claimTitle(decisive.claim)), ': ', sentence(decisive.detail)],
      ),
    );
  };
  return h(
    'table',
    { class: 'claims files' },
    h('caption', {}, 'Files'),
    h('thead', {}, h('tr', {}, ...['Verdict', 'File', 'Why'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, ...judged.map(row)),
  );
}
