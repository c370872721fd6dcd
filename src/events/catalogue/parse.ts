/**
 * Parses a catalogue file, strictly: what is not understood is refused, with line and column, never passed over. YAML is
 * taken in its plain part: no anchors, no tags, no second document, no key twice.
 */
import { createHash } from 'node:crypto';
import { type TypeCheck, TypeCompiler, type ValueError, ValueErrorType } from '@sinclair/typebox/compiler';
import { isAlias, isCollection, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { canonicalJson, type JsonObject } from '../../../proofs/canonical-json.ts';
import { expectation } from '../schema.ts';
import type { Catalogue } from './catalogue.ts';
import { compileCatalogue } from './compile.ts';
import { CatalogueError, type CatalogueFault, MAX_CATALOGUE_FAULTS } from './errors.ts';
import { type CatalogueFile, CatalogueSchema } from './file.ts';

export const MAX_CATALOGUE_CHARACTERS = 1_048_576;
const MAX_DEPTH = 16;

type Place = readonly (string | number)[];

/** The catalogue in this text. Throws CatalogueError with every fault, up to a bound, each with its place. */
export function parseCatalogue(text: string): Catalogue {
  if (text.length > MAX_CATALOGUE_CHARACTERS) {
    const detail = `the file has ${text.length} characters, ${MAX_CATALOGUE_CHARACTERS} are allowed`;
    throw new CatalogueError([{ code: 'too-large', line: 1, column: 1, pointer: '', detail }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    version: '1.2',
    schema: 'core',
    strict: true,
    uniqueKeys: true,
  });
  const at = (place: Place): { line: number; column: number } => positionOf(document, lines, place);

  const syntax = [...document.errors, ...document.warnings].map(({ code, message, pos: [offset] }): CatalogueFault => {
    const { line, col } = lines.linePos(offset);
    const detail = message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? '';
    return { code: code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'not-yaml', line, column: col, pointer: '', detail };
  });
  refuse(syntax);
  refuse(forbiddenNodes(document, lines));

  const value: unknown = document.toJS({ maxAliasCount: 0 });
  const check = TypeCompiler.Compile(CatalogueSchema);
  if (!check.Check(value)) {
    refuse(
      schemaFaults(check, value).map(({ place, ...fault }) => ({ ...fault, ...at(place), pointer: pointerOf(place) })),
    );
    throw new Error('a value that fails the schema has no fault');
  }
  const { rules, faults } = compileCatalogue(value);
  refuse(faults.map(({ place, ...fault }) => ({ ...fault, ...at(place), pointer: pointerOf(place) })));
  const digest = digestOf(value);
  const { catalogue: id, version, title } = value;
  return { id, version, digest, label: `${id}@${version}+sha256:${digest}`, title, file: value, ...rules };
}

function refuse(faults: readonly CatalogueFault[]): void {
  const [first] = faults;
  if (first !== undefined) throw new CatalogueError([first, ...faults.slice(1, MAX_CATALOGUE_FAULTS)]);
}

/** SHA-256 in hex over the RFC 8785 form of the content. */
function digestOf(file: CatalogueFile): string {
  // A value that fits the schema is JSON.
  return createHash('sha256')
    .update(canonicalJson(file as JsonObject))
    .digest('hex');
}

function forbiddenNodes(document: ReturnType<typeof parseDocument>, lines: LineCounter): readonly CatalogueFault[] {
  const faults: CatalogueFault[] = [];
  const add = (offset: number | undefined, detail: string): void => {
    const { line, col } = lines.linePos(offset ?? 0);
    faults.push({ code: 'forbidden-yaml', line, column: col, pointer: '', detail });
  };
  visit(document, {
    Node: (_key, node, path) => {
      const offset = node.range?.[0];
      if (isAlias(node))
        add(offset, 'an alias (*name): write the value out, so that each action can be read by itself');
      else if (node.anchor !== undefined) add(offset, 'an anchor (&name): write the value out where it is used');
      else if (node.tag !== undefined) add(offset, `a tag (${node.tag}): only plain YAML is read`);
      if (path.length > MAX_DEPTH * 2) {
        add(offset, 'nested too deeply');
        return visit.BREAK;
      }
      return undefined;
    },
    Pair: (_key, { key }) => {
      if (!isScalar(key) || typeof key.value !== 'string') {
        add(isNode(key) ? key.range?.[0] : undefined, 'a key that is not text: put it in quotes');
      }
    },
  });
  return faults;
}

interface PlacedFault {
  readonly code: CatalogueFault['code'];
  readonly place: Place;
  readonly detail: string;
}

/** One fault a place: TypeBox reports a missing member also as one of the wrong type. */
function schemaFaults(check: TypeCheck<typeof CatalogueSchema>, value: unknown): readonly PlacedFault[] {
  const faults = new Map<string, PlacedFault>();
  for (const error of check.Errors(value)) {
    if (faults.has(error.path)) continue;
    faults.set(error.path, faultOf(error));
    if (faults.size === MAX_CATALOGUE_FAULTS) break;
  }
  return [...faults.values()];
}

function faultOf({ type, path, schema }: ValueError): PlacedFault {
  const place = path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (type === ValueErrorType.ObjectAdditionalProperties) {
    return { code: 'unknown-member', place, detail: unknownMember(place) };
  }
  if (type === ValueErrorType.ObjectRequiredProperty) {
    return { code: 'missing-member', place, detail: `is missing: ${expectation(schema)}` };
  }
  return { code: 'invalid-member', place, detail: `must be ${expectation(schema)}` };
}

function unknownMember(place: Place): string {
  if (place.length === 2 && place[0] === 'actions') {
    return 'is not an action: two or more words joined by dots, such as role.grant, or a pattern with *';
  }
  if (place.length === 2 && place[0] === 'classes') {
    return 'is not the id of a class: a lower-case letter, then lower-case letters, digits and underscores';
  }
  return place.at(-2) === 'minimise' ? 'is not a dotted path into an event' : 'is not known here';
}

/** Line and column, from 1, of the key that leads to a value; of the nearest thing around it if it is not there. */
function positionOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  place: Place,
): { line: number; column: number } {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : 0;
  for (const step of place) {
    let child: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (pair === undefined) break;
      offset = isNode(pair.key) ? pair.key.range?.[0] : offset;
      child = pair.value;
    } else if (isCollection(node)) {
      child = node.get(Number(step), true);
      offset = isNode(child) ? child.range?.[0] : offset;
    } else {
      break;
    }
    node = child;
  }
  const { line, col } = lines.linePos(offset ?? 0);
  return { line, column: col };
}

function pointerOf(place: Place): string {
  return place.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
