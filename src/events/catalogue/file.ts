/**
 * The catalogue file as its authors write it, in YAML and under source control (docs/catalogue.md): which actions are
 * audited, what a person calls them, and what an event about one must carry.
 *
 *   catalogue: acme
 *   version: 1.4.0
 *   title: What Acme audits
 *   classes:
 *     access: { title: Who may do what, retention: soc2, required: [target.id] }
 *   defaults: { personal: [context.ip], minimise: { context.ip: ip-prefix } }
 *   actions:
 *     role.grant: { title: Granted a role, class: access, required: [context.granted_role] }
 *     billing.*: { title: Did something in billing, class: financial }
 *
 * This schema is also the JSON Schema for editors, catalogue.schema.json beside this file, written by
 * `npm run -s countersign -- catalogue schema > src/events/catalogue/catalogue.schema.json && npm run -s format`.
 */
import { type Static, Type } from '@sinclair/typebox';
import { MAX_ACTION_CHARACTERS } from '../limits.ts';
import { MINIMISATIONS } from '../minimise.ts';

export const MAX_CATALOGUE_ACTIONS = 5_000;
export const MAX_CLASSES = 100;
export const MAX_PATHS = 50;
export const MAX_TITLE_CHARACTERS = 120;
const MAX_PATH_CHARACTERS = 256;

/** Retention classes and their presets; how long each is comes from the retention policy, never from the catalogue. */
export const RETENTION_CLASSES = ['critical', 'operational', 'noise', 'soc2', 'pci', 'hipaa', 'sox'] as const;
export type RetentionClass = (typeof RETENTION_CLASSES)[number];

const WORD = '[A-Za-z0-9_-]+';
/** A whole action, `role.grant`; or a pattern, in which * stands for any characters: `billing.*`, `*.Delete*`. */
export const ACTION_PATTERN = `^(?=.{1,${MAX_ACTION_CHARACTERS}}$)(?:[A-Za-z][A-Za-z0-9_-]*(?:\\.${WORD})+|(?=[^*]*\\*)[A-Za-z0-9_.*-]+)$`;
const PATH_PATTERN = `^[a-z][a-z_]*(?:\\.[^.\\u0000-\\u001f]+)*$`;

const closed = { additionalProperties: false } as const;

const title = (what: string) =>
  Type.String({
    minLength: 1,
    maxLength: MAX_TITLE_CHARACTERS,
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]+$',
    description: `${what}, in the words of someone who is no engineer: at most ${MAX_TITLE_CHARACTERS} characters`,
  });

const path = Type.String({
  pattern: PATH_PATTERN,
  maxLength: MAX_PATH_CHARACTERS,
  description: 'a dotted path into an event, such as target.id or context.granted_role',
});

const paths = (what: string) =>
  Type.Optional(
    Type.Array(path, { maxItems: MAX_PATHS, uniqueItems: true, description: `a list of dotted paths: ${what}` }),
  );

const retention = Type.Optional(
  Type.Unsafe<RetentionClass>(
    Type.String({
      enum: [...RETENTION_CLASSES],
      pattern: `^(${RETENTION_CLASSES.join('|')})$`,
      description: `a retention class, one of ${RETENTION_CLASSES.join(', ')}`,
    }),
  ),
);

const minimise = Type.Optional(
  Type.Record(
    Type.String({ pattern: PATH_PATTERN }),
    Type.Union(
      MINIMISATIONS.map((how) => Type.Literal(how)),
      { description: `what is kept of the value there, one of ${MINIMISATIONS.join(', ')}` },
    ),
    { ...closed, maxProperties: MAX_PATHS, description: 'dotted paths, and what is kept of the value there' },
  ),
);

const marks = {
  required: paths('what every event must have there, and not empty'),
  required_on_success: paths('what an event must have there if its outcome is a success'),
  personal: paths('data about a person, a field of its own that can be withheld or erased alone'),
  sensitive: paths('data that not every auditor may see, a field of its own that can be withheld alone'),
  minimise,
  retention,
};

const CatalogueClassSchema = Type.Object(
  {
    title: title('what the actions of the class are about'),
    ...marks,
    break_glass: Type.Optional(
      Type.Boolean({ description: 'true if every action of the class overrides the normal rules' }),
    ),
  },
  { ...closed, description: 'a class of actions; what it says holds for all of them' },
);

const CatalogueActionSchema = Type.Object(
  {
    title: title('what was done, as in "Granted a role"'),
    class: Type.String({ description: 'the id of a class of this catalogue' }),
    description: Type.Optional(Type.String({ maxLength: 500, description: 'when it is to be sent, for producers' })),
    ...marks,
    break_glass: Type.Optional(Type.Boolean({ description: 'true if the action overrides the normal rules' })),
  },
  { ...closed, description: 'an action: {title, class, required?, personal?, sensitive?, minimise?, retention?, …}' },
);

export const CatalogueSchema = Type.Object(
  {
    catalogue: Type.String({
      pattern: '^[a-z][a-z0-9-]{0,39}$',
      description: 'the name of the catalogue: lower-case letters, digits and hyphens, at most 40',
    }),
    version: Type.String({
      pattern: '^(0|[1-9][0-9]{0,5})\\.(0|[1-9][0-9]{0,5})\\.(0|[1-9][0-9]{0,5})$',
      description: 'a version of three numbers, such as 1.4.0',
    }),
    title: title('what the catalogue is for'),
    classes: Type.Record(Type.String({ pattern: '^[a-z][a-z0-9_]{0,39}$' }), CatalogueClassSchema, {
      ...closed,
      minProperties: 1,
      maxProperties: MAX_CLASSES,
      description: 'the classes, by id: lower-case letters, digits and underscores',
    }),
    defaults: Type.Optional(Type.Object(marks, { ...closed, description: 'what holds for every action' })),
    actions: Type.Record(Type.String({ pattern: ACTION_PATTERN }), CatalogueActionSchema, {
      ...closed,
      minProperties: 1,
      maxProperties: MAX_CATALOGUE_ACTIONS,
      description: 'the actions by name, words joined by dots; in a pattern * stands for any characters',
    }),
  },
  {
    ...closed,
    title: 'Countersign catalogue',
    description: 'a catalogue: {catalogue, version, title, classes, defaults?, actions}',
  },
);

/** The content of a file that fits the schema. */
export type CatalogueFile = Static<typeof CatalogueSchema>;
export type CatalogueAction = Static<typeof CatalogueActionSchema>;
export type CatalogueClass = Static<typeof CatalogueClassSchema>;
/** What defaults, classes and actions can say alike. */
export type Marks = Pick<
  CatalogueAction,
  'required' | 'required_on_success' | 'personal' | 'sensitive' | 'minimise' | 'retention'
>;
