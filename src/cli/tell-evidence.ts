/**
 * What was verified, in words: first what the evidence says, then every claim about it. `verify` tells it of files, and
 * the verbs that fetch a bundle tell it of what they have just fetched, in the same words.
 */
import { readFile } from 'node:fs/promises';
import type { FileReport } from '../../proofs/judge-file.ts';
import { parsePolicy } from '../../proofs/policy.ts';
import { answerLines } from './answer-text.ts';
import { CliError, EXIT, type ExitCode } from './errors.ts';
import type { FetchedBundle } from './fetch-bundle.ts';
import { type Io, oneLine, printResult } from './io.ts';
import { readPolicyText, type TargetOptions } from './target.ts';
import { type AnsweredReport, createFileVerifier } from './verify-files.ts';

export interface TellOptions extends TargetOptions {
  readonly show: number;
  readonly pin?: string;
  readonly json?: boolean;
}

/** Matches that are printed if nobody says how many. */
export const DEFAULT_SHOWN_EVENTS = 50;

export const EXIT_OF: Readonly<Record<FileReport['verdict'], ExitCode>> = {
  PASS: EXIT.done,
  FAIL: EXIT.failed,
  INCOMPLETE: EXIT.incomplete,
};

/** The answer of one file, up to `show` events, and what was found out about it; without it only what is not PASS. */
export function reportLines(report: AnsweredReport, show: number | undefined): readonly string[] {
  if (report.verdict === 'PASS' && show === undefined) return [];
  const { index, failure, existed_by: bound, answer } = report;
  const at = failure?.index ?? index;
  const where = [
    ...(at === undefined ? [] : [`index ${at}`]),
    ...(failure?.field === undefined ? [] : [`field ${oneLine(JSON.stringify(failure.field))}`]),
  ];
  const said =
    answer === undefined || show === undefined
      ? []
      : [...questionLines(report), ...answerLines(answer, show), ...unchangedLines(report), ''];
  const head = `${report.verdict}  ${report.file}${where.length === 0 ? '' : `  (${where.join(', ')})`}`;
  if (report.claims.length === 0) return [head, `  ${oneLine(report.reason)}`];
  const named = report.claims.some(({ claim }) => claim === 'existed-by');
  return [
    ...said,
    head,
    ...report.claims.map(({ claim, result, detail }) => `  ${result.padEnd(10)} ${claim}: ${oneLine(detail)}`),
    ...(bound === undefined || named ? [] : [`  bound      ${bound}`]),
    ...report.notes.map((note) => `  note       ${oneLine(note)}`),
  ];
}

/** What to verify with: the policy that was named, or that of the network file, and the pin; undefined without a policy. */
export async function policyIfAny(
  io: Io,
  options: TellOptions,
): Promise<{ readonly file: string; readonly text: string; readonly pin?: Uint8Array } | undefined> {
  const policy = await readPolicyText(io, options).catch((error: unknown) => {
    if (error instanceof CliError && error.code === 'usage') return undefined;
    throw error;
  });
  if (policy === undefined) return undefined;
  parsePolicy(policy.text);
  return { ...policy, ...(options.pin !== undefined && { pin: await readFile(options.pin) }) };
}

/** Verifies a bundle that was just fetched, and tells it; without a policy it says how to. */
export async function tellBundle(io: Io, options: TellOptions, fetched: FetchedBundle): Promise<void> {
  const { file, mode, start, end, matched, bytes, seconds } = fetched;
  const policy = await policyIfAny(io, options);
  const size = `${file}: ${mode}, ${end - start} events in the range, ${matched} match; ${bytes} bytes in ${seconds} s`;
  const again = `countersign verify ${file} --policy ${policy?.file ?? 'POLICY.txt'}`;
  if (policy === undefined) {
    printResult(io, options.json, fetched, [size, `Verify it with: ${again}`]);
    return;
  }
  const { text: policyText, pin } = policy;
  const verify = createFileVerifier({ policyText, ...(pin !== undefined && { pin }) }, options.show);
  const report = await verify({ event: file, receipt: '' });
  const { file: _, kind: _kind, ...verified } = report;
  printResult(io, options.json, { ...fetched, ...verified }, [
    ...reportLines(report, options.show),
    ...['', size, `The same without the log, whenever you like: ${again}`],
  ]);
  io.exitWith(EXIT_OF[report.verdict]);
}

function questionLines({ bundle }: AnsweredReport): readonly string[] {
  if (bundle === undefined) return [];
  const { query, matched, examined, mode, control } = bundle;
  const rests: Readonly<Record<string, string>> = {
    complete: `; ${examined} were examined, and nothing is left out`,
    sample: `; ${examined} were examined, and these were drawn:`,
  };
  const rest = rests[mode] ?? '; a selection';
  const asked = control === undefined ? [] : [`For ${oneLine(control.id)}, question ${oneLine(control.part)}:`];
  return [...asked, `${oneLine(query)}`, `${matched} ${matched === 1 ? 'event matches' : 'events match'}${rest}`];
}

/** What a PASS means for what was just read. */
function unchangedLines({ verdict, answer, existed_by: bound, claims }: AnsweredReport): readonly string[] {
  if (verdict !== 'PASS' || answer === undefined || answer.matched === 0) return [];
  const pinned = claims.some(({ claim }) => claim === 'pin') ? ' The log still extends the head that you kept.' : '';
  return [
    '',
    `None of it was changed since it was recorded: it is what the entries committed to, and ${bound ?? 'is signed by the log alone'}.${pinned}`,
  ];
}
