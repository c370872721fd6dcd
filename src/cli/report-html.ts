/**
 * The printable report of a verification: one HTML file with no script and nothing from elsewhere. Everything that came
 * out of a file is escaped, and what no verification can say is printed on it.
 */

import { LIMITS } from '../../proofs/claims.ts';
import type { BundleSummary, FileReport } from '../../proofs/judge-file.ts';
import type { Answer } from '../evidence/answer.ts';
import { textAt } from '../trail/own-events.ts';
import { formatTimeUs } from '../trail/time.ts';
import { describeEvent, ruleLines } from './answer-text.ts';
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
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Verification report: ${escapeHtml(verdict)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Verification report</h1>
<p class="verdict ${verdict.toLowerCase()}">${escapeHtml(verdict)}</p>
<p>Made ${escapeHtml(madeAt)} with the trust policy <code>${escapeHtml(policyFile)}</code>, SHA-256 <code>${escapeHtml(policySha256)}</code>.</p>
${reports.map(fileHtml).join('\n')}
<h2>What no verification can say</h2>
<ul>${LIMITS.map((limit) => `<li>${escapeHtml(limit)}</li>`).join('')}</ul>
</body>
</html>
`;
}

const STYLE = `
body { font: 11pt/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 60em; color: #111; }
table { border-collapse: collapse; width: 100%; } td, th { border: 1px solid #999; padding: .25em .5em; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.verdict { font-size: 1.6em; font-weight: bold; border: 2px solid; padding: .2em .5em; display: inline-block; }
.pass { color: #060; } .fail { color: #a00; } .incomplete { color: #850; }
tr.override { background: #fee; font-weight: bold; } code { overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } thead { display: table-header-group; } tr { break-inside: avoid; } }
`;

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
  const { origin, mode, query, from_us: from, to_us: to, start, end, examined, matched, unevaluated, sha256 } = bundle;
  const time = `${from === null ? 'the beginning' : formatTimeUs(from)} to ${to === null ? 'the end' : formatTimeUs(to)}`;
  const rows = [
    ['Log', origin],
    ['Question', query],
    ['Log time', time],
    ['Indices', `${start} to before ${end}`],
    ['Answer', `${mode}: ${examined} examined, ${matched} match, ${unevaluated} cannot be evaluated`],
    ['SHA-256 of the file', sha256],
  ];
  return `<table>${rows.map(([name, value]) => `<tr><th>${escapeHtml(name ?? '')}</th><td>${escapeHtml(value ?? '')}</td></tr>`).join('')}</table>`;
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

/** For element content and quoted attributes; control and bidirectional characters become visible. */
function escapeHtml(text: string): string {
  return text
    .replace(
      /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
      (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
    )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
