/** `countersign findings`: what the watch over a log saw that a person should look at, and acknowledging it. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command, Option } from 'commander';
import { FINDING_KINDS, SEVERITIES } from '../../trail/finding.ts';
import { parseAnswer, send, unexpectedAnswer } from '../client.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';

interface ListOptions extends TargetOptions {
  readonly state?: string;
  readonly kind?: string;
  readonly severity?: string;
  readonly json?: boolean;
}

interface AcknowledgeOptions extends TargetOptions {
  readonly reason: string;
  readonly json?: boolean;
}

const FindingAnswer = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  severity: Type.String(),
  state: Type.String(),
  message: Type.String(),
  subject: Type.Union([Type.Object({ type: Type.String(), id: Type.String() }), Type.Null()]),
  first_index: Type.Integer(),
  last_index: Type.Integer(),
  raised_at: Type.String(),
  acknowledgement: Type.Union([Type.Object({ reason: Type.String() }), Type.Null()]),
});
const ListAnswer = Type.Object({
  findings: Type.Array(FindingAnswer),
  complete: Type.Boolean(),
  next_before: Type.Optional(Type.Integer()),
});

type FindingRow = typeof FindingAnswer.static;

/** Pages that one listing fetches. */
const MAX_PAGES = 1_000;

export function findingsVerb(io: Io): Command {
  const findings = new Command('findings').description('what a person should look at: list, acknowledge');
  findings.addCommand(
    addTargetOptions(new Command('list').description('list findings, newest first'), 'auditor')
      .addOption(new Option('--state <STATE>', 'only these').choices(['open', 'acknowledged']))
      .addOption(new Option('--kind <KIND>', 'only of this kind').choices(FINDING_KINDS))
      .addOption(new Option('--severity <SEVERITY>', 'only of this severity').choices(SEVERITIES))
      .option('--json', 'print JSON')
      .action((options: ListOptions) => listFindings(io, options)),
    { isDefault: true },
  );
  findings.addCommand(
    addTargetOptions(
      new Command('acknowledge')
        .description('say that a person has looked at a finding, and what came of it; it becomes an entry')
        .argument('<ID>', 'id of the finding'),
      'admin',
    )
      .requiredOption('--reason <TEXT>', 'what was found out')
      .option('--json', 'print JSON')
      .action((id: string, options: AcknowledgeOptions) => acknowledge(io, id, options)),
  );
  return findings;
}

async function listFindings(io: Io, options: ListOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const rows: FindingRow[] = [];
  let complete = false;
  let before: number | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const url = `${target.logUrl}/findings${queryText(options, before)}`;
    const page = parseAnswer(url, (await send(io, target, url)).text);
    if (!Value.Check(ListAnswer, page)) throw unexpectedAnswer(url, 'it is not a list of findings');
    rows.push(...page.findings);
    before = page.next_before;
    complete = page.complete;
    if (before === undefined) break;
  }
  printResult(io, options.json, { findings: rows, complete }, rows.flatMap(describe));
  const open = rows.filter(({ state }) => state === 'open').length;
  io.err(`${rows.length} findings, ${open} of them open\n`);
  if (!complete) io.err('older findings are not listed; search the log for action:countersign.finding.raise\n');
}

async function acknowledge(io: Io, id: string, options: AcknowledgeOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'admin');
  const url = `${target.logUrl}/findings/${encodeURIComponent(id)}/acknowledgements`;
  const body = JSON.stringify({ reason: options.reason });
  const headers = { 'content-type': 'application/json' };
  const finding = parseAnswer(url, (await send(io, target, url, { method: 'POST', body, headers })).text);
  if (!Value.Check(FindingAnswer, finding)) throw unexpectedAnswer(url, 'it is not a finding');
  printResult(io, options.json, finding, describe(finding));
}

function queryText({ state, kind, severity }: ListOptions, before: number | undefined): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ state, kind, severity })) {
    if (value !== undefined) query.set(name, value);
  }
  if (before !== undefined) query.set('before', `${before}`);
  return query.size === 0 ? '' : `?${query}`;
}

function describe({
  id,
  kind,
  severity,
  state,
  message,
  raised_at: raisedAt,
  ...finding
}: FindingRow): readonly string[] {
  const { first_index: first, last_index: last, subject, acknowledgement } = finding;
  const range = first === last ? `entry ${first}` : `entries ${first} to ${last}`;
  const about = subject === null ? 'erased' : `${subject.type} ${subject.id}`;
  return [
    `${severity.padEnd(8)}  ${kind}  ${range}  ${oneLine(about)}  ${state}`,
    `  ${oneLine(message)}`,
    `  ${raisedAt}  ${oneLine(id)}`,
    ...(acknowledgement === null ? [] : [`  acknowledged: ${oneLine(acknowledgement.reason)}`]),
  ];
}
