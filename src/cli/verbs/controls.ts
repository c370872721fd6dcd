/** `countersign controls`: what a mapping of controls asks for, and whether a mapping of one's own is good. */
import { Command } from 'commander';
import { type Catalogue, findAction } from '../../events/catalogue/catalogue.ts';
import { CatalogueError } from '../../events/catalogue/errors.ts';
import { OWN_CLASS } from '../../events/catalogue/own-actions.ts';
import { parseCatalogue } from '../../events/catalogue/parse.ts';
import {
  type Control,
  type ControlMapping,
  ControlsError,
  ControlsSchema,
  parseControls,
  type Question,
} from '../../evidence/controls/mapping.ts';
import { CliError, EXIT } from '../errors.ts';
import { readInput } from '../files.ts';
import { type Io, printResult } from '../io.ts';
import { controlById, MAPPING_HELP, readControls, readControlsText } from '../read-controls.ts';

interface ControlsOptions {
  readonly mapping?: string;
  readonly json?: boolean;
}

interface CheckOptions {
  readonly catalogue?: string;
  readonly json?: boolean;
}

export function controlsVerb(io: Io): Command {
  const controls = new Command('controls').description('what is evidence for a control of a framework, as questions');
  controls.addCommand(
    new Command('list')
      .description('every control of a mapping')
      .option('--mapping <FILE>', MAPPING_HELP)
      .option('--json', 'print JSON')
      .action((options: ControlsOptions) => list(io, options)),
  );
  controls.addCommand(
    new Command('show')
      .description('what a control asks, which questions are asked for it, and what they leave open')
      .argument('<ID>', 'such as SOC2:CC7.2')
      .option('--mapping <FILE>', MAPPING_HELP)
      .option('--json', 'print JSON')
      .action((id: string, options: ControlsOptions) => show(io, id, options)),
  );
  controls.addCommand(
    new Command('check')
      .description('say what is wrong with a mapping of your own, with line and column')
      .argument('<FILE>', 'the mapping (YAML)')
      .option('--catalogue <FILE>', 'also say which questions this catalogue of actions can never answer')
      .option('--json', 'print JSON')
      .action((file: string, options: CheckOptions) => check(io, file, options)),
  );
  controls.addCommand(
    new Command('print')
      .description('print the mapping that comes with this program, to begin your own from')
      .action(async () => io.out(await readControlsText(undefined))),
  );
  controls.addCommand(
    new Command('schema')
      .description('print the JSON Schema of mappings, for editors')
      .action(() => io.out(`${JSON.stringify(ControlsSchema, null, 2)}\n`)),
  );
  return controls;
}

async function list(io: Io, { mapping: file, json }: ControlsOptions): Promise<void> {
  const mapping = await readControls(file);
  const all = [...mapping.controls.values()];
  const width = Math.max(0, ...all.map(({ id }) => id.length));
  printResult(io, json, { ...about(mapping), controls: all.map(controlJson) }, [
    ...all.map(({ id, title }) => `${id.padEnd(width)}  ${title}`),
    `${all.length} controls, ${mapping.questions.length} questions: ${mapping.name} ${mapping.version}`,
  ]);
}

async function show(io: Io, id: string, { mapping: file, json }: ControlsOptions): Promise<void> {
  const mapping = await readControls(file);
  const control = controlById(mapping, id);
  const { title, asks, questions, leavesOpen } = control;
  printResult(io, json, { ...about(mapping), ...controlJson(control) }, [
    `${id}: ${title}`,
    `  ${asks}`,
    ...questions.flatMap((question) => [
      '',
      `${question.title}: ${question.queryText === '' ? 'everything' : question.queryText}`,
      `  ${question.shows}${question.expect === undefined ? '' : ` Expected: ${question.expect}.`}`,
    ]),
    '',
    'What the answers do not show:',
    ...leavesOpen.map((text) => `  ${text}`),
    '',
    `countersign evidence --control ${id} --from … --to … --out DIR`,
  ]);
}

async function check(io: Io, file: string, { catalogue: catalogueFile, json }: CheckOptions): Promise<void> {
  const catalogue = catalogueFile === undefined ? undefined : await readCatalogue(catalogueFile);
  const text = await readControlsText(file);
  try {
    const mapping = parseControls(text);
    const warnings = catalogue === undefined ? [] : mapping.questions.flatMap((one) => unanswerable(one, catalogue));
    printResult(io, json, { file, ok: true, ...about(mapping), warnings }, [
      ...warnings.map((warning) => `warning: ${warning}`),
      `${file}: ${mapping.controls.size} controls, ${mapping.questions.length} questions, SHA-256 ${mapping.sha256}`,
    ]);
  } catch (error) {
    if (!(error instanceof ControlsError)) throw error;
    const lines = error.faults.map(
      ({ line, column, pointer, detail }) =>
        `${file}:${line}:${column}: ${pointer === '' ? '' : `${pointer} `}${detail}`,
    );
    printResult(io, json, { file, ok: false, faults: error.faults }, lines);
    io.exitWith(EXIT.failed);
  }
}

/** Questions for a class or an action that this catalogue does not have. */
function unanswerable({ name, query }: Question, catalogue: Catalogue): readonly string[] {
  const classes = (query.filters.get('class') ?? []).filter((id) => id !== OWN_CLASS && !catalogue.classes.has(id));
  const actions = (query.filters.get('action') ?? []).filter(
    (action) => !action.endsWith('.*') && findAction(catalogue, action) === undefined,
  );
  return [
    ...classes.map((id) => `question ${name}: the catalogue has no class ${id}`),
    ...actions.map((action) => `question ${name}: the catalogue has no action ${action}`),
  ];
}

async function readCatalogue(file: string): Promise<Catalogue> {
  try {
    return parseCatalogue(await readInput(file, 'the catalogue'));
  } catch (error) {
    if (error instanceof CatalogueError) throw new CliError('unreadable-input', `${file}: ${error.message}`);
    throw error;
  }
}

function about({ name, version, title, sha256 }: ControlMapping): object {
  return { mapping: name, version, mapping_title: title, sha256 };
}

function controlJson({ id, title, asks, questions, leavesOpen }: Control): object {
  const asked = questions.map(({ name, title: what, queryText, shows, expect }) => ({
    ...{ name, title: what, query: queryText, shows },
    ...(expect !== undefined && { expect }),
  }));
  return { id, title, asks, questions: asked, leaves_open: leavesOpen };
}
