/**
 * The cover page of the evidence for one control, to print: what the control asks, which questions were asked, what was
 * found, and what is no evidence. The bundles are the evidence; the page is a list of them.
 */
import type { FileReport } from '../../proofs/judge-file.ts';
import type { Control, ControlMapping, Question } from '../evidence/controls/mapping.ts';
import type { FetchedBundle } from './fetch-bundle.ts';
import { escapeHtml, htmlPage, limitsHtml } from './html-page.ts';

export interface CoverInput {
  readonly mapping: ControlMapping;
  readonly control: Control;
  readonly origin: string;
  /** As it was asked for. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly parts: readonly CoverPart[];
  readonly madeAt: string;
  /** The file that was trusted; undefined if nothing was verified. */
  readonly policyFile: string | undefined;
}

export interface CoverPart {
  readonly question: Question;
  readonly bundle: FetchedBundle;
  readonly report: FileReport | undefined;
}

export function coverHtml({ mapping, control, origin, from, to, parts, madeAt, policyFile }: CoverInput): string {
  const { id, title, asks, leavesOpen } = control;
  const window = `${from ?? 'the beginning of the log'} to ${to ?? 'the moment of the request'}`;
  const trusted =
    policyFile === undefined
      ? 'Nothing was verified yet: do it with <code>countersign verify</code> and a policy that you pinned.'
      : `Verified with the trust policy <code>${escapeHtml(policyFile)}</code>; anyone can do it again.`;
  return htmlPage(
    `Evidence for ${id}`,
    `<h1>Evidence for ${escapeHtml(id)}: ${escapeHtml(title)}</h1>
<table>
<tr><th>What the control asks</th><td>${escapeHtml(asks)}</td></tr>
<tr><th>Log</th><td>${escapeHtml(origin)}</td></tr>
<tr><th>Window, in log time</th><td>${escapeHtml(window)}</td></tr>
<tr><th>Mapping</th><td>${escapeHtml(`${mapping.name} ${mapping.version}`)}, SHA-256 <code>${escapeHtml(mapping.sha256)}</code></td></tr>
<tr><th>Made</th><td>${escapeHtml(madeAt)}</td></tr>
</table>
<p>${trusted}</p>
<h2>What is evidence</h2>
<table><thead><tr><th>Question</th><th>What its answer shows</th><th>Answer</th><th>File</th></tr></thead><tbody>
${parts.map(partHtml).join('\n')}
</tbody></table>
<h2>What is not</h2>
<ul>${leavesOpen.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>
${limitsHtml()}`,
  );
}

/** What differs from what the mapping expects; undefined if nothing does. */
export function surprise({ expect }: Question, matched: number): string | undefined {
  if (expect === 'some' && matched === 0) return 'none was found, and at least one was expected';
  if (expect === 'none' && matched > 0) return 'some were found, and none was expected';
  return undefined;
}

function partHtml({ question, bundle, report }: CoverPart): string {
  const { file, mode, start, end, matched, sha256 } = bundle;
  const answer =
    mode === 'complete'
      ? `${matched} of the ${end - start} events of the window, and no others`
      : `${matched} events; this is a selection and says nothing about others`;
  const odd = surprise(question, matched);
  const verdict =
    report === undefined
      ? ''
      : `<br><strong class="${report.verdict.toLowerCase()}">${escapeHtml(report.verdict)}</strong>: ${escapeHtml(report.reason)}`;
  const cells = [
    `${escapeHtml(question.title)}<br><code>${escapeHtml(question.queryText === '' ? 'everything' : question.queryText)}</code>`,
    escapeHtml(question.shows),
    `${escapeHtml(answer)}${odd === undefined ? '' : `<br><strong class="incomplete">${escapeHtml(odd)}</strong>`}${verdict}`,
    `${escapeHtml(file)}<br>SHA-256 <code>${escapeHtml(sha256)}</code>`,
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}
