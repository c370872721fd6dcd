/**
 * The printable report of a verification: one HTML file with no script and nothing from elsewhere. Everything that came
 * out of a file is escaped, and what no verification can say is printed on it.
 */
import { textAt } from '../../proofs/fields.ts';
import type { BundleSummary, FileReport } from '../../proofs/judge-file.ts';
import type { Answer } from '../evidence/answer.ts';
import { formatTimeUs } from '../trail/time.ts';
import { describeEvent, ruleLines } from './answer-text.ts';
import { escapeHtml, htmlPage, limitsHtml } from './html-page.ts';
import type { AnsweredReport } from './verify-files.ts';

export interface ReportInput {
  readonly verdict: FileReport['verdict'];
  /** With the answers that are to be printed. */
  readonly reports: readonly AnsweredReport[];
  readonly policyFile: string;
  readonly policySha256: string;
  readonly madeAt: string;
}

/** Events that are printed one by one, of all files together. */
export const MAX_REPORTED_EVENTS = 1_000;

export function reportHtml(input: ReportInput): string {
  const { verdict, reports, policyFile, policySha256, madeAt } = input;
  return htmlPage(
    `Verification report: ${verdict}`,
    `<h1>Verification report</h1>
<p class="verdict ${verdict.toLowerCase()}">${escapeHtml(verdict)}</p>
<p>Made ${escapeHtml(madeAt)} with the trust policy <code>${escapeHtml(policyFile)}</code>, SHA-256 <code>${escapeHtml(policySha256)}</code>.</p>
${reports.map(fileHtml).join('\n')}
${limitsHtml()}`,
  );
}

function fileHtml(report: AnsweredReport): string {
  const { file, kind, verdict, reason, claims, notes, existed_by: bound, bundle, failure, answer } = report;
  const rows = claims.map(
    ({ claim, result, detail }) =>
      `<tr><td>${escapeHtml(claim)}</td><td class="${result}">${escapeHtml(result)}</td><td>${escapeHtml(detail)}</td></tr>`,
  );
  const where = [
    ...(failure === undefined ? [] : [`code ${failure.code}`]),
    ...(failure?.index === undefined ? [] : [`index ${failure.index}`]),
    ...(failure?.field === undefined ? [] : [`field ${failure.field}`]),
  ];
  return `<h2>${escapeHtml(file)}</h2>
<p><strong class="${verdict.toLowerCase()}">${escapeHtml(verdict)}</strong> (${escapeHtml(kind)}): ${escapeHtml(reason)}${where.length === 0 ? '' : ` [${escapeHtml(where.join(', '))}]`}</p>
${bound === undefined ? '' : `<p>Everything in it ${escapeHtml(bound)}.</p>`}
${bundle === undefined ? '' : bundleHtml(bundle)}
${answer === undefined ? '' : answerHtml(answer)}
<h3>Claims</h3>
<table><thead><tr><th>Claim</th><th>Result</th><th>Detail</th></tr></thead><tbody>${rows.join('')}</tbody></table>
${notes.length === 0 ? '' : `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`}`;
}

function bundleHtml(bundle: BundleSummary): string {
  const { origin, mode, query, from_us: from, to_us: to, start, end, examined, matched, unevaluated } = bundle;
  const { control, sha256 } = bundle;
  const time = `${from === null ? 'the beginning' : formatTimeUs(from)} to ${to === null ? 'the end' : formatTimeUs(to)}`;
  const rows = [
    ['Log', origin],
    ['Question', query],
    ...(control === undefined ? [] : [['Asked for', controlText(control)]]),
    ['Log time', time],
    ['Indices', `${start} to before ${end}`],
    ['Answer', `${mode}: ${examined} examined, ${matched} match, ${unevaluated} cannot be evaluated`],
    ['SHA-256 of the file', sha256],
  ];
  return `<table>${rows.map(([name, value]) => `<tr><th>${escapeHtml(name ?? '')}</th><td>${escapeHtml(value ?? '')}</td></tr>`).join('')}</table>`;
}

/** It is the asker's word: the mapping file with this hash says what the control asks. */
function controlText({ id, part, mapping }: NonNullable<BundleSummary['control']>): string {
  return `${id}, question ${part} of the mapping with SHA-256 ${mapping}`;
}

function answerHtml({ events, matched, rules, notes }: Answer): string {
  if (rules.length > 0)
    return `<pre>${rules
      .flatMap(ruleLines)
      .map((line) => escapeHtml(line))
      .join('\n')}</pre>`;
  if (events.length === 0) return '';
  // Overrides of the rules come first (REQUIREMENTS E9); otherwise the order of the log.
  const sorted = [...events].sort((a, b) => Number(b.break_glass) - Number(a.break_glass));
  const rows = sorted.map((answered) => {
    const { heading, who, what, why, rule, changed, missing } = describeEvent(answered);
    const when = textAt(answered.event, 'occurred_at') ?? '';
    const facts = [`${answered.index}`, when, answered.log_time, heading, who, what, why].map((text) => [text]);
    const cells = [...facts, rule, [...changed, ...(missing === '' ? [] : [missing])]].map(
      (lines) => `<td>${lines.map((line) => escapeHtml(line)).join('<br>')}</td>`,
    );
    return `<tr${answered.break_glass ? ' class="override"' : ''}>${cells.join('')}</tr>`;
  });
  const more = matched > events.length ? `<p>The first ${events.length} of ${matched} are printed.</p>` : '';
  const heads = ['Entry', 'When', 'Log time', 'What happened', 'Who', 'Action', 'Why allowed', 'Rule', 'What changed'];
  return `<h3>Events (${matched})</h3>${more}
<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>
${notes.map((note) => `<p>Rules: ${escapeHtml(note)}.</p>`).join('')}`;
}
