/** `countersign catalogue`: check a catalogue file, compare two, and make types and an editor's schema of it. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Argument, Command } from 'commander';
import type { JsonObject } from '../../../proofs/canonical-json.ts';
import type { Catalogue } from '../../events/catalogue/catalogue.ts';
import { type CatalogueChange, diffCatalogues } from '../../events/catalogue/diff.ts';
import { CatalogueError } from '../../events/catalogue/errors.ts';
import { CatalogueSchema } from '../../events/catalogue/file.ts';
import { parseCatalogue } from '../../events/catalogue/parse.ts';
import { producerTypes } from '../../events/catalogue/producer-types.ts';
import { isShippedCatalogue, readShippedCatalogue, SHIPPED_CATALOGUES } from '../../events/catalogue/shipped.ts';
import { makeRedactor } from '../../events/redact/redact.ts';
import { parseAnswer, send, unexpectedAnswer } from '../client.ts';
import { CliError, EXIT } from '../errors.ts';
import { readInput } from '../files.ts';
import { type Io, oneLine, printResult } from '../io.ts';
import { addTargetOptions, resolveTarget, type TargetOptions } from '../target.ts';

interface CatalogueOptions {
  readonly json?: boolean;
}

interface DiffOptions extends CatalogueOptions {
  readonly strict?: boolean;
}

interface PublishOptions extends CatalogueOptions, TargetOptions {
  readonly approver?: string;
  readonly ticket?: string;
  readonly source?: string;
}

const PublishedAnswer = Type.Object({
  label: Type.String(),
  index: Type.Integer(),
  published_at: Type.String(),
  warnings: Type.Optional(Type.Array(Type.String())),
});

const FILE_HELP = `the catalogue file (YAML), or the name of one that comes with this program: ${SHIPPED_CATALOGUES.join(', ')}`;

export function catalogueVerb(io: Io): Command {
  const catalogue = new Command('catalogue').description('check, compare and use the file that says what is audited');
  catalogue.addCommand(
    new Command('check')
      .description('say what is wrong with a catalogue, with line and column, or what is in it')
      .argument('<FILE>', FILE_HELP)
      .option('--json', 'print JSON')
      .action((file: string, options: CatalogueOptions) => checkCatalogue(io, file, options)),
  );
  catalogue.addCommand(
    new Command('diff')
      .description('what a new version changes, and which changes make the trail ask for less')
      .argument('<BEFORE>', FILE_HELP)
      .argument('<AFTER>', FILE_HELP)
      .option('--strict', 'exit with 1 if a change loosens something, or the version did not go up')
      .option('--json', 'print JSON')
      .action((before: string, after: string, options: DiffOptions) => diff(io, before, after, options)),
  );
  catalogue.addCommand(
    addTargetOptions(
      new Command('publish')
        .description('publish a version: it becomes an entry, and events are checked against it from then on (admin)')
        .argument('<FILE>', FILE_HELP),
      'admin',
    )
      .option('--approver <ID>', 'immutable id of who approved it')
      .option('--ticket <REF>', 'ticket or pull request in which it was approved')
      .option('--source <TEXT>', 'where the file is kept: repository, commit and path')
      .option('--json', 'print JSON')
      .action((file: string, options: PublishOptions) => publishCatalogue(io, file, options)),
  );
  catalogue.addCommand(
    new Command('types')
      .description('print TypeScript types of its events, for producers')
      .argument('<FILE>', FILE_HELP)
      .action(async (file: string) => io.out(producerTypes(await readCatalogue(file)))),
  );
  catalogue.addCommand(
    new Command('schema')
      .description('print the JSON Schema of catalogue files, for editors')
      .action(() => io.out(`${JSON.stringify(CatalogueSchema, null, 2)}\n`)),
  );
  catalogue.addCommand(
    new Command('print')
      .description('print a catalogue that comes with this program, to begin your own from')
      .addArgument(new Argument('<NAME>', 'which one').choices([...SHIPPED_CATALOGUES]))
      .action(async (name: string) => io.out(await readText(name))),
  );
  return catalogue;
}

/** Checked here first, so that faults come with line and column and nothing is sent. */
async function publishCatalogue(io: Io, file: string, options: PublishOptions): Promise<void> {
  const text = await readText(file);
  await readCatalogue(file);
  const target = await resolveTarget(io, options, 'admin');
  const url = `${target.logUrl}/catalogue`;
  const { approver, ticket, source } = options;
  const body = JSON.stringify({ text, approver, ticket, source });
  const headers = { 'content-type': 'application/json' };
  const answer = await send(io, target, url, { method: 'POST', body, headers });
  const published = parseAnswer(url, answer.text);
  if (!Value.Check(PublishedAnswer, published)) throw unexpectedAnswer(url, 'it is not a published catalogue');
  const state = answer.status === 201 ? 'published' : 'known since';
  printResult(io, options.json, published, [
    `${published.label}  ${state} ${published.published_at}  index ${published.index}`,
  ]);
  for (const warning of published.warnings ?? []) io.err(`warning: ${oneLine(warning)}\n`);
}

async function checkCatalogue(io: Io, file: string, { json }: CatalogueOptions): Promise<void> {
  const text = await readText(file);
  try {
    const catalogue = parseCatalogue(text);
    refuseSecrets(file, text, catalogue);
    printResult(io, json, { file, ok: true, ...summary(catalogue) }, summaryLines(catalogue));
  } catch (error) {
    if (!(error instanceof CatalogueError)) throw error;
    io.exitWith(EXIT.failed);
    printResult(io, json, { file, ok: false, faults: error.faults }, faultLines(file, error));
  }
}

async function diff(io: Io, before: string, after: string, { json, strict }: DiffOptions): Promise<void> {
  const result = diffCatalogues(await readCatalogue(before), await readCatalogue(after));
  const loosening = result.changes.filter(({ effect }) => effect === 'loosens').length;
  const isUnraised = !result.isSame && !result.isRaised;
  const verdict = result.isSame
    ? ['no change']
    : [
        `${result.changes.length} changes, ${loosening} of them loosen something`,
        ...(isUnraised ? ['the content changed and the version did not go up'] : []),
      ];
  printResult(io, json, { ...result, loosening }, [...result.changes.map(changeLine), ...verdict]);
  if (strict === true && (loosening > 0 || isUnraised)) io.exitWith(EXIT.failed);
}

function changeLine({ action, effect, detail }: CatalogueChange): string {
  const mark = { loosens: '-', tightens: '+', neutral: ' ' }[effect];
  return `${mark} ${action}  ${oneLine(detail)}`;
}

function summary({ id, version, label, title, digest, actions, patterns, classes }: Catalogue) {
  const rules = [...actions.values(), ...patterns];
  const byClass = [...classes.keys()].map(
    (name) => [name, rules.filter((rule) => rule.class === name).length] as const,
  );
  return {
    id,
    version,
    label,
    title,
    digest,
    actions: actions.size,
    patterns: patterns.length,
    classes: Object.fromEntries(byClass),
  };
}

function summaryLines(catalogue: Catalogue): readonly string[] {
  const { label, title, actions, patterns, classes } = summary(catalogue);
  return [
    label,
    oneLine(title),
    `${actions} actions, ${patterns} patterns`,
    ...Object.entries(classes).map(([name, count]) => `${String(count).padStart(6)}  ${name}`),
  ];
}

function faultLines(file: string, { faults }: CatalogueError): readonly string[] {
  return faults.map(({ line, column, pointer, detail }) =>
    oneLine(`${file}:${line}:${column}: ${pointer === '' ? '' : `${pointer} `}${detail}`),
  );
}

/** A catalogue is published as an entry, and entries are redacted: one that holds a secret would not come out the same. */
function refuseSecrets(file: string, text: string, { file: content }: Catalogue): void {
  // A value that fits the schema is JSON.
  const [first] = makeRedactor().redactValue({ content: content as JsonObject, text }).replacements;
  if (first === undefined) return;
  throw new CliError('refused', `${file} holds what looks like a secret (${first.rule}) at ${oneLine(first.pointer)}`);
}

/** The catalogue of a verb that needs a good one. Throws CliError `unreadable-input` with the first fault. */
async function readCatalogue(file: string): Promise<Catalogue> {
  try {
    return parseCatalogue(await readText(file));
  } catch (error) {
    if (!(error instanceof CatalogueError)) throw error;
    const [first = '', ...more] = faultLines(file, error);
    throw new CliError('unreadable-input', first, ...more);
  }
}

function readText(file: string): Promise<string> {
  return isShippedCatalogue(file) ? readShippedCatalogue(file) : readInput(file, 'the catalogue');
}
