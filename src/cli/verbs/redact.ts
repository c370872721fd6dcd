/** `countersign redact --test FILE`: what the rules of redaction would replace, or whether they do what is expected. */
import { Command } from 'commander';
import { AllowListError, parseAllowList } from '../../events/redact/allow-list.ts';
import { makeRedactor } from '../../events/redact/redact.ts';
import { CliError, EXIT } from '../errors.ts';
import { decodeText, readInput } from '../files.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { type CaseResult, parseCases, runCase } from '../redaction-cases.ts';

interface RedactOptions {
  readonly test: string;
  readonly allow?: string;
  readonly json?: boolean;
}

const STDIN = '-';

export function redactVerb(io: Io): Command {
  return new Command('redact')
    .description('try the rules of redaction on events, or on cases that say what is expected')
    .requiredOption(
      '--test <FILE>',
      `events or cases {"input", "expect"}: JSON, or one a line; ${STDIN} reads standard input`,
    )
    .option('--allow <FILE>', 'allow list of test card numbers, each as a SHA-256 hash')
    .option('--json', 'print JSON')
    .action((options: RedactOptions) => redact(io, options));
}

async function redact(io: Io, { test, allow, json }: RedactOptions): Promise<void> {
  const redactor = makeRedactor(allow === undefined ? undefined : await readAllowList(allow));
  const text = test === STDIN ? decodeText(await io.readStdin()) : await readInput(test, 'the cases');
  const results = parseCases(text).map((one) => runCase(redactor, one));
  if (results.length === 0) throw new CliError('unreadable-input', 'there is nothing to test in the file');
  const judged = results.filter(({ holds }) => holds !== undefined);
  const failed = judged.filter(({ holds }) => holds === false).length;
  const replaced = results.reduce((sum, { replacements }) => sum + replacements.length, 0);
  const summary = { rules: redactor.version, values: results.length, cases: judged.length, failed, replaced };
  printResult(io, json, { ...summary, results }, [
    ...results.flatMap(resultLines),
    `${redactor.version}: ${results.length} values, ${replaced} replacements, ${judged.length} cases, ${failed} failed`,
  ]);
  if (failed > 0) io.exitWith(EXIT.failed);
}

async function readAllowList(file: string): Promise<ReadonlySet<string>> {
  try {
    return parseAllowList(await readInput(file, 'the allow list'));
  } catch (error) {
    if (!(error instanceof AllowListError)) throw error;
    throw new CliError('unreadable-input', `${file}, ${error.message}`);
  }
}

/** The output holds no secret any more, so it may be shown; the input is not. */
function resultLines({ where, holds, output, replacements, refused }: CaseResult): readonly string[] {
  const verdict = holds === undefined ? '' : holds ? 'ok' : 'FAILED';
  const lines = [
    ...replacements.map(({ pointer, rule }) => `  ${rule}  ${pointer === '' ? '(the whole)' : pointer}`),
    ...refused.map((pointer) => `  refused  ${pointer}: an identifier that holds a secret`),
  ];
  if (lines.length === 0 && holds === undefined) return [];
  const shown = holds === false && output !== undefined ? [`  got ${JSON.stringify(output)}`] : [];
  return [`${where}${verdict === '' ? '' : `  ${verdict}`}`, ...lines, ...shown].map(oneLine);
}
