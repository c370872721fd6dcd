/**
 * From controls to questions (REQUIREMENTS Q10): a file, in YAML and under source control, that says for each control of a
 * framework what it asks, which questions to the log answer a part of that, and what they do not show (docs/controls.md).
 *
 *   mapping: acme
 *   version: 1.0.0
 *   title: Our controls
 *   questions:
 *     access-changes:
 *       { title: Changes of rights, query: 'class:access', shows: Every change of who may do what. }
 *   controls:
 *     SOC2:CC6.3:
 *       title: Roles are given and taken away as authorised
 *       asks: That rights follow from a role and end with it.
 *       questions: [access-changes]
 *       leaves_open: [Rights that were given outside of the systems that send events.]
 *
 * This schema is also the JSON Schema for editors, controls.schema.json beside this file, written by
 * `npm run -s countersign -- controls schema > src/evidence/controls/controls.schema.json && npm run -s format`.
 */
import { createHash } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import type { BundleControl } from '../../../proofs/manifest.ts';
import { readPlainYaml, type YamlFault, type YamlFaultCode, type YamlPlace } from '../../events/plain-yaml.ts';
import { type EventQuery, MAX_QUERY_CHARACTERS, parseQuery, QueryError } from '../../trail/query.ts';

const MAX_TEXT_CHARACTERS = 1_000;
const MAX_CONTROLS = 1_000;
const MAX_LISTED = 50;
const QUESTION_NAME = '^[a-z][a-z0-9-]{0,63}$';
/** Framework, a colon, and the control's own number: `SOC2:CC7.2`, `HIPAA:164.312(b)`. */
const CONTROL_ID = '^[A-Za-z][A-Za-z0-9-]{0,31}:[A-Za-z0-9][A-Za-z0-9.()-]{0,63}$';

const closed = { additionalProperties: false } as const;
const text = (what: string) =>
  Type.String({ minLength: 1, maxLength: MAX_TEXT_CHARACTERS, description: `${what}, in the words of an auditor` });

const QuestionSchema = Type.Object(
  {
    title: text('what is asked'),
    query: Type.String({
      maxLength: MAX_QUERY_CHARACTERS,
      description: 'a query in the grammar of docs/search.md, without from and to; empty for every event',
    }),
    shows: text('what the answer is evidence of'),
    expect: Type.Optional(
      Type.Union([Type.Literal('some'), Type.Literal('none')], {
        description: 'some or none: what an auditor expects to find; the cover page says if it is otherwise',
      }),
    ),
  },
  { ...closed, description: 'a question: title, query, shows and perhaps expect' },
);

const ControlSchema = Type.Object(
  {
    title: text('what the control is called'),
    asks: text('what the control asks for'),
    questions: Type.Array(Type.String(), {
      minItems: 1,
      maxItems: MAX_LISTED,
      uniqueItems: true,
      description: 'a list of names of questions, at least one',
    }),
    leaves_open: Type.Array(text('what the answers do not show'), {
      minItems: 1,
      maxItems: MAX_LISTED,
      description: 'a list of what the answers do not show, at least one',
    }),
  },
  { ...closed, description: 'a control: title, asks, questions and leaves_open' },
);

export const ControlsSchema = Type.Object(
  {
    mapping: Type.String({ pattern: QUESTION_NAME, description: 'the name of this file: lower-case letters' }),
    version: Type.String({
      pattern: '^\\d+\\.\\d+\\.\\d+$',
      description: 'a version such as 1.0.0, in quotes if needed',
    }),
    title: text('what this file is'),
    questions: Type.Record(Type.String({ pattern: QUESTION_NAME }), QuestionSchema, {
      ...closed,
      description: 'questions by name',
    }),
    controls: Type.Record(Type.String({ pattern: CONTROL_ID }), ControlSchema, {
      ...closed,
      maxProperties: MAX_CONTROLS,
      description: 'controls by id',
    }),
  },
  { ...closed, $id: 'controls', title: 'Controls and the questions that are asked for them' },
);

export interface Question {
  readonly name: string;
  readonly title: string;
  /** As the file has it. */
  readonly queryText: string;
  readonly query: EventQuery;
  readonly shows: string;
  readonly expect: 'some' | 'none' | undefined;
}

export interface Control {
  readonly id: string;
  readonly title: string;
  readonly asks: string;
  readonly questions: readonly Question[];
  readonly leavesOpen: readonly string[];
}

export interface ControlMapping {
  readonly name: string;
  readonly version: string;
  readonly title: string;
  /** Hex SHA-256 of the file as it is. */
  readonly sha256: string;
  /** By id, in the order of the file. */
  readonly controls: ReadonlyMap<string, Control>;
  readonly questions: readonly Question[];
}

export type ControlsFaultCode = YamlFaultCode | 'unknown-question' | 'unused-question' | 'invalid-query';
export type ControlsFault = YamlFault<ControlsFaultCode>;

/** Every fault of a mapping file, each with its place. */
export class ControlsError extends Error {
  readonly code: ControlsFaultCode;
  readonly faults: readonly [ControlsFault, ...ControlsFault[]];

  constructor(faults: readonly [ControlsFault, ...ControlsFault[]]) {
    const [{ line, column, pointer, detail, code }] = faults;
    super(`line ${line}, column ${column}: ${pointer === '' ? '' : `${pointer} `}${detail}`);
    this.name = 'ControlsError';
    this.code = code;
    this.faults = faults;
  }
}

/** The mapping in this text. Throws ControlsError. */
export function parseControls(file: string): ControlMapping {
  const { value, at } = readPlainYaml(file, { schema: ControlsSchema, unknownMember, refuse });
  const faults: ControlsFault[] = [];
  const fault = (code: ControlsFaultCode, place: YamlPlace, detail: string): void =>
    void faults.push({ code, detail, ...at(place) });
  const questions = new Map<string, Question>();
  for (const [name, { title, query, shows, expect }] of Object.entries(value.questions)) {
    const parsed = readQuery(query);
    if (typeof parsed === 'string') fault('invalid-query', ['questions', name, 'query'], parsed);
    else questions.set(name, { name, title, queryText: query, query: parsed, shows, expect });
  }
  const used = new Set<string>();
  const controls = new Map<string, Control>();
  for (const [id, control] of Object.entries(value.controls)) {
    const asked = control.questions.flatMap((name, i): readonly Question[] => {
      used.add(name);
      const question = questions.get(name);
      if (question !== undefined) return [question];
      if (!Object.hasOwn(value.questions, name)) {
        fault('unknown-question', ['controls', id, 'questions', i], `there is no question ${name}`);
      }
      return [];
    });
    const { title, asks, leaves_open: leavesOpen } = control;
    controls.set(id, { id, title, asks, questions: asked, leavesOpen });
  }
  for (const name of Object.keys(value.questions)) {
    if (!used.has(name)) fault('unused-question', ['questions', name], 'is asked for no control');
  }
  const [first, ...more] = faults;
  if (first !== undefined) throw new ControlsError([first, ...more]);
  const { mapping: name, version, title } = value;
  const sha256 = createHash('sha256').update(file, 'utf8').digest('hex');
  return { name, version, title, sha256, controls, questions: [...questions.values()] };
}

/** What the manifest says of a question that is asked for a control. */
export function controlOf(mapping: ControlMapping, control: Control, question: Question): BundleControl {
  return { id: control.id, part: question.name, mapping: mapping.sha256 };
}

/** The id as a part of a file name. */
export function fileStem(controlId: string): string {
  return controlId.replace(/[^A-Za-z0-9.-]+/g, '-').replace(/-$/, '');
}

/** The query, or what is wrong with it. */
function readQuery(query: string): EventQuery | string {
  try {
    const parsed = parseQuery(query);
    if (parsed.fromUs === undefined && parsed.toUs === undefined && parsed.occurred === undefined) return parsed;
    return 'names a time: the window is given when evidence is asked for';
  } catch (error) {
    if (error instanceof QueryError) return error.message;
    throw error;
  }
}

function refuse(faults: readonly [YamlFault, ...YamlFault[]]): never {
  throw new ControlsError(faults);
}

function unknownMember(place: YamlPlace): string {
  if (place.length === 2 && place[0] === 'controls') {
    return 'is not the id of a control: a framework, a colon and a number, such as SOC2:CC7.2';
  }
  if (place.length === 2 && place[0] === 'questions') return 'is not the name of a question, such as access-changes';
  return 'is not known here';
}
