/**
 * The evidence for one control: a bundle for each of its questions in one directory, and a cover page beside them
 * (docs/controls.md). What was fetched stays, whatever happens to the next question.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type FileReport, overallVerdict } from '../../proofs/judge-file.ts';
import { type Control, type ControlMapping, controlOf, fileStem } from '../evidence/controls/mapping.ts';
import { type CoverPart, coverHtml, surprise } from './cover-html.ts';
import { type FetchedBundle, fetchBundle } from './fetch-bundle.ts';
import { type Io, oneLine, printResult } from './io.ts';
import type { Target } from './target.ts';
import { EXIT_OF, policyIfAny, type TellOptions } from './tell-evidence.ts';
import { createFileVerifier } from './verify-files.ts';

export interface ControlRequest extends TellOptions {
  readonly from?: string;
  readonly to?: string;
  readonly mode?: string;
  /** The directory. */
  readonly out: string;
  readonly timeout: number;
}

const COVER_FILE = 'cover.html';

/** `about` goes into every question, such as the size of a head that the auditor holds. */
export async function fetchControl(
  io: Io,
  target: Target,
  { mapping, control }: { readonly mapping: ControlMapping; readonly control: Control },
  options: ControlRequest,
  about: Readonly<Record<string, number | undefined>>,
): Promise<void> {
  const { from, to, mode, out, timeout: timeoutMs } = options;
  const policy = await policyIfAny(io, options);
  await mkdir(out, { recursive: true });
  const parts: CoverPart[] = [];
  for (const question of control.questions) {
    const file = path.join(out, `${fileStem(control.id)}-${question.name}.zip`);
    const asked = {
      query: question.queryText,
      from,
      to,
      mode,
      ...about,
      control: controlOf(mapping, control, question),
    };
    const bundle = await fetchBundle(io, target, { question: asked, out: file, timeoutMs });
    const report = policy && (await verifyOne(policy, bundle));
    parts.push({ question, bundle, report });
    const verdict = report === undefined ? '' : `${report.verdict}  `;
    io.err(
      `${verdict}${question.name}: ${bundle.matched} of ${bundle.end - bundle.start} events, ${bundle.bytes} bytes\n`,
    );
  }
  const cover = path.join(out, COVER_FILE);
  const madeAt = new Date(io.nowMs()).toISOString();
  const origin = target.logUrl;
  await writeFile(cover, coverHtml({ mapping, control, origin, from, to, parts, madeAt, policyFile: policy?.file }));
  tellControl(io, options, { control, mapping, cover, parts });
}

interface Told {
  readonly control: Control;
  readonly mapping: ControlMapping;
  readonly cover: string;
  readonly parts: readonly CoverPart[];
}

function tellControl(io: Io, { json }: TellOptions, { control, mapping, cover, parts }: Told): void {
  const reports = parts.flatMap(({ report }) => (report === undefined ? [] : [report]));
  const verdict = reports.length === parts.length ? overallVerdict(reports) : undefined;
  const bundles = parts.map(({ question, bundle, report }) => ({
    ...{ question: question.name, query: question.queryText, ...bundle },
    ...(report !== undefined && { verdict: report.verdict, reason: report.reason }),
    ...(surprise(question, bundle.matched) !== undefined && { surprise: surprise(question, bundle.matched) }),
  }));
  const result = { control: control.id, mapping: mapping.sha256, cover, ...(verdict && { verdict }), bundles };
  printResult(io, json, result, [
    `${control.id}: ${control.title}`,
    ...parts.flatMap((part) => [...partLines(part)]),
    'Not shown by this:',
    ...control.leavesOpen.map((text) => `  ${text}`),
    `Cover page: ${cover}`,
    ...(verdict === undefined
      ? ['Nothing was verified: give it the policy that you pinned, with --policy.']
      : [verdict]),
  ]);
  if (verdict !== undefined) io.exitWith(EXIT_OF[verdict]);
}

function* partLines({ question, bundle, report }: CoverPart): Generator<string> {
  const { matched, start, end, file } = bundle;
  const verdict = report === undefined ? '' : `  ${report.verdict}`;
  yield `  ${question.title}: ${matched} of ${end - start} events${verdict}  ${file}`;
  const odd = surprise(question, matched);
  if (odd !== undefined) yield `    attention: ${odd}`;
  if (report !== undefined && report.verdict !== 'PASS') yield `    ${oneLine(report.reason)}`;
}

async function verifyOne(
  { text, pin }: { readonly text: string; readonly pin?: Uint8Array },
  { file }: FetchedBundle,
): Promise<FileReport> {
  return createFileVerifier({ policyText: text, ...(pin !== undefined && { pin }) })({ event: file, receipt: '' });
}
