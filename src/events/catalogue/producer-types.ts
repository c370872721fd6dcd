/**
 * TypeScript for producers (K5): one type for each action of a catalogue, in which what the catalogue requires is
 * required. The text stands by itself; it imports nothing and runs nothing.
 *
 *   const event: RoleGrantEvent = { event_id: …, occurred_at: …, actor: …, action: 'role.grant', … };
 */
import { KindGuard, type TSchema } from '@sinclair/typebox';
import { EventSchema } from '../schema.ts';
import type { ActionRule, Catalogue } from './catalogue.ts';

/** The content of a .ts file. */
export function producerTypes(catalogue: Catalogue): string {
  const rules = [...catalogue.actions.values(), ...catalogue.patterns].sort((a, b) => (a.name < b.name ? -1 : 1));
  const names = new Names();
  const types = rules.map((rule) => ({ rule, name: names.take(typeName(rule.name)) }));
  return [
    header(catalogue),
    BASE,
    `export interface AnyEvent ${objectType(EventSchema, '')}\n`,
    ...types.map(({ rule, name }) => actionType(name, rule)),
    `/** Every event that ${catalogue.id} ${catalogue.version} takes. */`,
    `export type AuditEvent =\n${types.map(({ name }) => `  | ${name}`).join('\n')};\n`,
    '/** Every action that it knows. */',
    "export type AuditAction = AuditEvent['action'];\n",
  ].join('\n');
}

function header({ label, title }: Catalogue): string {
  return `/**
 * ${comment(title)}
 *
 * Made by \`countersign catalogue types\` from ${label}. Do not edit.
 */
`;
}

const BASE = `export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };
/** What is required is there and says something. */
export type Present = Exclude<Json, null>;
`;

function actionType(name: string, rule: ActionRule): string {
  const action = rule.name.includes('*') ? template(rule.name) : literal(rule.name);
  const always = membersType(requirements(rule.required).set('action', action), '');
  return `/** ${comment(rule.title)}. */\nexport type ${name} = Omit<AnyEvent, 'action'> & ${always}${onSuccess(rule)};\n`;
}

function onSuccess({ requiredOnSuccess }: ActionRule): string {
  if (requiredOnSuccess.length === 0) return '';
  const members = requirements(requiredOnSuccess).set('outcome', new Map([['result', "'success'"]]));
  const otherwise = "{ readonly outcome: { readonly result: 'failure' | 'denied' } }";
  return ` &\n  (${membersType(members, '  ')} | ${otherwise})`;
}

/** Required paths as nested members. */
type Requirements = Map<string, string | Requirements>;

function requirements(paths: readonly string[]): Requirements {
  const root: Requirements = new Map();
  for (const path of paths) {
    const steps = path.split('.');
    let at = root;
    for (const step of steps.slice(0, -1)) {
      const child = at.get(step);
      const next: Requirements = child instanceof Map ? child : new Map();
      at.set(step, next);
      at = next;
    }
    const last = steps.at(-1) ?? '';
    if (!at.has(last)) at.set(last, 'Present');
  }
  return root;
}

function membersType(members: Requirements, indent: string): string {
  const inner = `${indent}  `;
  const lines = [...members].map(([name, type]) => {
    const text = typeof type === 'string' ? type : membersType(type, inner);
    return `${inner}readonly ${propertyName(name)}: ${text};`;
  });
  return `{\n${lines.join('\n')}\n${indent}}`;
}

/** The part of JSON Schema that the event's schema uses. */
function typeOf(schema: TSchema, indent: string): string {
  if (KindGuard.IsObject(schema)) return objectType(schema, indent);
  if (KindGuard.IsArray(schema)) return `readonly (${typeOf(schema.items, indent)})[]`;
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => literal(String(value))).join(' | ');
  switch (schema['type']) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    default:
      return 'Json';
  }
}

function objectType(schema: TSchema, indent: string): string {
  const properties: Record<string, TSchema> = KindGuard.IsObject(schema) ? schema.properties : {};
  if (Object.keys(properties).length === 0) return '{ readonly [member: string]: Json }';
  const required: unknown = schema['required'];
  const isRequired = (name: string): boolean => Array.isArray(required) && required.includes(name);
  const inner = `${indent}  `;
  const members = Object.entries(properties).map(([name, property]) => {
    const doc = property.description === undefined ? '' : `${inner}/** ${comment(property.description)} */\n`;
    return `${doc}${inner}readonly ${propertyName(name)}${isRequired(name) ? '' : '?'}: ${typeOf(property, inner)};`;
  });
  return `{\n${members.join('\n')}\n${indent}}`;
}

/** `role.grant` makes `RoleGrantEvent`; an asterisk is called Any. */
function typeName(action: string): string {
  const words = action
    .replaceAll('*', '.any.')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return `${/^[0-9]/.test(name) ? `_${name}` : name}Event`;
}

const TAKEN = ['AnyEvent', 'AuditEvent', 'AuditAction', 'Json', 'Present'];

/** Two actions whose names differ in punctuation only get types of different names. */
class Names {
  readonly #taken = new Set<string>(TAKEN);

  take(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}${i}`;
    this.#taken.add(name);
    return name;
  }
}

function template(pattern: string): string {
  // Grammar of action patterns: letters, digits, _ - . and *, so nothing needs escaping.
  return `\`${pattern.split(/\*+/).join('$' + '{string}')}\``;
}

function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function propertyName(name: string): string {
  return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name) ? name : literal(name);
}

/** Nothing in a title can end the comment. */
function comment(text: string): string {
  return text.replaceAll('*/', '* /');
}
