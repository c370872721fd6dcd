/** `countersign rules`: publishes rules as entries, and shows what was in force, by whom, with which approval. */

import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Command } from 'commander';
import { PUBLISH_RULE } from '../../../proofs/own-entries.ts';
import { RULE_ID_PATTERN } from '../../trail/rules.ts';
import { parseIndex, parseTimeoutMs } from '../arguments.ts';
import { parseAnswer, send, unexpectedAnswer } from '../client.ts';
import { CliError } from '../errors.ts';
import { BUNDLE_TIMEOUT_MS, fetchBundle } from '../fetch-bundle.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { type NewRule, readRulesFromFile, readRulesFromGit } from '../read-rules.ts';
import { addTargetOptions, resolveTarget, type Target, type TargetOptions } from '../target.ts';
import { DEFAULT_SHOWN_EVENTS, tellBundle } from '../tell-evidence.ts';

interface RuleOptions extends TargetOptions {
  readonly json?: boolean;
}

interface PublishOptions extends RuleOptions {
  readonly fromGit?: string;
  readonly manifest: string;
  readonly source?: string;
}

interface ShowOptions extends RuleOptions {
  readonly at?: number;
  readonly out?: string;
  readonly policy?: string;
  readonly timeout: number;
}

const RuleAnswer = Type.Object({
  id: Type.String(),
  version: Type.String(),
  index: Type.Integer(),
  approved: Type.Boolean(),
  author: Type.String(),
  approver: Type.Union([Type.String(), Type.Null()]),
  approval: Type.Union([Type.String(), Type.Null()]),
  published_at: Type.String(),
  superseded_by: Type.Union([Type.String(), Type.Null()]),
});
const HistoryAnswer = Type.Object({ id: Type.String(), versions: Type.Array(RuleAnswer) });
const ListAnswer = Type.Object({ rules: Type.Array(Type.String()) });

export function rulesVerb(io: Io): Command {
  const rules = new Command('rules').description('publish rules as entries, and read their history');
  rules.addCommand(
    addTargetOptions(
      new Command('publish').description('publish every version of a manifest that is not published yet (admin)'),
      'admin',
    )
      .option('--from-git <DIR>', 'read manifest and definitions from HEAD of this git repository')
      .option('--manifest <FILE>', 'the manifest, a path in the repository or a file', 'rules.yaml')
      .option('--source <TEXT>', 'where the definitions are kept, if not from git')
      .option('--json', 'print JSON')
      .action((options: PublishOptions) => publishRules(io, options)),
  );
  rules.addCommand(
    addTargetOptions(new Command('list').description('list the ids of all rules'), 'auditor')
      .option('--json', 'print JSON')
      .action((options: RuleOptions) => listRules(io, options)),
  );
  rules.addCommand(
    addTargetOptions(
      new Command('show').description('the history of a rule, with proofs').argument('<ID>', 'policy.access.grant'),
      'auditor',
    )
      .option('--at <INDEX>', 'only the version in force for the event at this index', parseIndex)
      .option('--out <FILE>', 'prove it: a bundle in which no version is missing (zip), verified and told')
      .option('--policy <FILE>', 'with --out: the trust policy to verify with (default: that of the network file)')
      .option('--timeout <SECONDS>', 'with --out: how long it may take', parseTimeoutMs, BUNDLE_TIMEOUT_MS)
      .option('--json', 'print JSON, entries and receipts included')
      .action((id: string, options: ShowOptions) => showRule(io, id, options)),
  );
  return rules;
}

async function publishRules(io: Io, options: PublishOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'admin');
  const url = `${target.logUrl}/rules`;
  const published: object[] = [];
  for (const rule of await readRules(options)) {
    const headers = { 'content-type': 'application/json' };
    const answer = await send(io, target, url, { method: 'POST', body: JSON.stringify(rule), headers });
    const known = parseAnswer(url, answer.text);
    if (!Value.Check(RuleAnswer, known)) throw unexpectedAnswer(url, 'it is not a published rule');
    published.push({ ...known, new: answer.status === 201 });
    const state = answer.status === 201 ? 'published' : 'known    ';
    const warning = known.approved ? '' : '  NOT APPROVED: events that cite it become findings';
    if (options.json !== true) io.out(`${state}  ${rule.id}.${rule.version}  index ${known.index}${warning}\n`);
  }
  if (options.json === true) printResult(io, true, { rules: published }, []);
}

function readRules(options: PublishOptions): Promise<readonly NewRule[]> {
  if (options.fromGit !== undefined) return readRulesFromGit(options.fromGit, options.manifest);
  if (options.source === undefined) {
    throw new CliError('usage', 'say where the definitions are kept', 'Use --from-git DIR, or --source TEXT.');
  }
  return readRulesFromFile(options.manifest, options.source);
}

async function listRules(io: Io, options: RuleOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  const url = `${target.logUrl}/rules`;
  const list = parseAnswer(url, (await send(io, target, url)).text);
  if (!Value.Check(ListAnswer, list)) throw unexpectedAnswer(url, 'it is not a list of rules');
  printResult(io, options.json, list, list.rules);
}

async function showRule(io: Io, id: string, options: ShowOptions): Promise<void> {
  const target = await resolveTarget(io, options, 'auditor');
  if (options.out !== undefined) return proveHistory(io, target, id, { ...options, out: options.out });
  const query = options.at === undefined ? '' : `?at=${options.at}`;
  const url = `${target.logUrl}/rules/${encodeURIComponent(id)}${query}`;
  const history = parseAnswer(url, (await send(io, target, url)).text);
  if (!Value.Check(HistoryAnswer, history)) throw unexpectedAnswer(url, 'it is not the history of a rule');
  const lines = history.versions.map((one) => {
    const approval = one.approved ? `approved by ${one.approver} (${one.approval})` : 'NOT APPROVED';
    const state = one.superseded_by === null ? 'in force' : `until ${one.superseded_by}`;
    return oneLine(`${one.version}  ${one.published_at}  index ${one.index}  by ${one.author}, ${approval}  ${state}`);
  });
  printResult(io, options.json, history, lines);
}

/** The publications of a rule, out of every entry of the log: the last one is the last there is. */
async function proveHistory(
  io: Io,
  target: Target,
  id: string,
  options: ShowOptions & { readonly out: string },
): Promise<void> {
  if (options.at !== undefined)
    throw new CliError('usage', '--at and --out do not go together', 'Leave one of them out.');
  if (!new RegExp(RULE_ID_PATTERN).test(id)) {
    throw new CliError('usage', `"${oneLine(id)}" is not the id of a rule`, 'Write it like policy.access.grant.');
  }
  const question = { query: `action:${PUBLISH_RULE} target:${id}` };
  const { out, timeout: timeoutMs } = options;
  const fetched = await fetchBundle(io, target, { question, out, timeoutMs });
  await tellBundle(io, { ...options, show: DEFAULT_SHOWN_EVENTS }, fetched);
}
