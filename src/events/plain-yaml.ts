/**
 * Reads a YAML file that people keep in source control, strictly: what is not understood is refused, with line and column,
 * never passed over. YAML is taken in its plain part: no anchors, no tags, no second document, no key twice.
 */
import type { Static, TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler, type ValueError, ValueErrorType } from '@sinclair/typebox/compiler';
import { isAlias, isCollection, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { expectation } from './schema.ts';

export type YamlFaultCode =
  | 'too-large'
  | 'not-yaml'
  | 'duplicate-key'
  | 'forbidden-yaml'
  | 'unknown-member'
  | 'missing-member'
  | 'invalid-member';

/** What is wrong, and where. */
export interface YamlFault<Code extends string = YamlFaultCode> {
  readonly code: Code;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** RFC 6901, into the content of the file. */
  readonly pointer: string;
  readonly detail: string;
}

/** The steps from the top of the content to a value. */
export type YamlPlace = readonly (string | number)[];

export interface ReadYaml<T> {
  readonly value: T;
  /** Line, column and pointer of a place, for faults that the schema cannot see. */
  readonly at: (place: YamlPlace) => Pick<YamlFault, 'line' | 'column' | 'pointer'>;
}

export interface YamlFormat<S extends TSchema> {
  readonly schema: S;
  /** What is said of a member that the schema does not know. */
  readonly unknownMember: (place: YamlPlace) => string;
  /** Throws what a file with faults is refused with; called with at least one, and in the order of the text. */
  readonly refuse: (faults: readonly [YamlFault, ...YamlFault[]]) => never;
}

export const MAX_YAML_CHARACTERS = 1_048_576;
/** Faults of the schema that one file is refused with. */
export const MAX_YAML_FAULTS = 50;
const MAX_DEPTH = 16;

/** The content, if it is one of the format. */
export function readPlainYaml<S extends TSchema>(text: string, format: YamlFormat<S>): ReadYaml<Static<S>> {
  const refuse = ([first, ...more]: readonly YamlFault[]): void => {
    if (first !== undefined) format.refuse([first, ...more]);
  };
  if (text.length > MAX_YAML_CHARACTERS) {
    const detail = `the file has ${text.length} characters, ${MAX_YAML_CHARACTERS} are allowed`;
    refuse([{ code: 'too-large', line: 1, column: 1, pointer: '', detail }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    version: '1.2',
    schema: 'core',
    strict: true,
    uniqueKeys: true,
  });
  const at = (place: YamlPlace): Pick<YamlFault, 'line' | 'column' | 'pointer'> => ({
    ...positionOf(document, lines, place),
    pointer: pointerOf(place),
  });
  refuse(
    [...document.errors, ...document.warnings].map(({ code, message, pos: [offset] }): YamlFault => {
      const { line, col } = lines.linePos(offset);
      const detail = message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? '';
      return { code: code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'not-yaml', line, column: col, pointer: '', detail };
    }),
  );
  refuse(forbiddenNodes(document, lines));
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  const check = TypeCompiler.Compile(format.schema);
  if (check.Check(value)) return { value, at };
  refuse(schemaFaults(check, value, format).map(({ place, ...fault }) => ({ ...fault, ...at(place) })));
  throw new Error('a value that fails the schema has no fault');
}

function forbiddenNodes(document: ReturnType<typeof parseDocument>, lines: LineCounter): readonly YamlFault[] {
  const faults: YamlFault[] = [];
  const add = (offset: number | undefined, detail: string): void => {
    const { line, col } = lines.linePos(offset ?? 0);
    faults.push({ code: 'forbidden-yaml', line, column: col, pointer: '', detail });
  };
  visit(document, {
    Node: (_key, node, path) => {
      const offset = node.range?.[0];
      if (isAlias(node)) add(offset, 'an alias (*name): write the value out, so that each part can be read by itself');
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
  readonly code: YamlFaultCode;
  readonly place: YamlPlace;
  readonly detail: string;
}

/** One fault a place: TypeBox reports a missing member also as one of the wrong type. */
function schemaFaults<S extends TSchema>(
  check: TypeCheck<S>,
  value: unknown,
  { unknownMember }: YamlFormat<S>,
): readonly PlacedFault[] {
  const faults = new Map<string, PlacedFault>();
  for (const error of check.Errors(value)) {
    if (faults.has(error.path)) continue;
    faults.set(error.path, faultOf(error, unknownMember));
    if (faults.size === MAX_YAML_FAULTS) break;
  }
  return [...faults.values()];
}

function faultOf({ type, path, schema }: ValueError, unknownMember: (place: YamlPlace) => string): PlacedFault {
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

/** Line and column, from 1, of the key that leads to a value; of the nearest thing around it if it is not there. */
function positionOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  place: YamlPlace,
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

function pointerOf(place: YamlPlace): string {
  return place.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
