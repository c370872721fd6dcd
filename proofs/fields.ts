/**
 * An event as fields, and the way back (DESIGN.md, Fields of an event). Each top-level member is a field. A dotted path
 * (`actor.session`, `context.ip`) is taken out of its parent and is a field of its own, with the path as its id, so that
 * it can be withheld or erased without the rest.
 *
 *   { actor: { id, session }, action }  with  actor.session   ⇄   action, actor: { id }, actor.session
 *
 * Top-level names contain no dot, so an id with dots always means a path. Paths lead through objects only; one that
 * meets an array, or ends nowhere, takes nothing out.
 */
import type { JsonObject, JsonValue } from './canonical-json.ts';
import { ProofError } from './errors.ts';

export type Field = readonly [fieldId: string, value: JsonValue];

/** Takes an event apart. Throws `invalid-field` for a top-level member name with a dot, or an empty one. */
export function splitFields(event: JsonObject, paths: readonly string[]): readonly Field[] {
  const taken: Field[] = [];
  /** Top-level members that something was taken out of, as they are then. */
  const changed = new Map<string, JsonValue>();
  for (const name of Object.keys(event)) {
    if (name === '' || name.indexOf('.') !== -1) {
      throw new ProofError('invalid-field', 'a top-level member name is empty or contains a dot', { field: name });
    }
  }
  // Deepest first: `context.a.b` leaves `context.a` before that leaves `context`.
  for (const { id, name, below } of pathsDeepestFirst(paths)) {
    if (!Object.hasOwn(event, name)) continue;
    const parent = changed.get(name) ?? event[name];
    const found = isObject(parent) ? takeOut(parent, below) : undefined;
    if (found === undefined) continue;
    taken.push([id, found.value]);
    changed.set(name, found.rest);
  }
  const rest = Object.entries(event).map(([name, value]): Field => [name, changed.get(name) ?? value]);
  return [...rest, ...taken];
}

/**
 * Puts the fields that are there together again; a parent that is not there is made, so that what was opened out of a
 * withheld parent still has its place. Throws `invalid-field` if two fields claim one place.
 */
export function joinFields(fields: Iterable<Field>): JsonObject {
  let event: JsonObject = {};
  const bySteps = [...fields].map(([id, value]) => ({ steps: parsePath(id), value }));
  for (const { steps, value } of bySteps.sort((a, b) => a.steps.length - b.steps.length)) {
    event = putIn(event, steps, value);
  }
  return event;
}

interface Path {
  readonly id: string;
  /** The top-level member that it leads into, and the steps behind that: at least one. */
  readonly name: string;
  readonly below: readonly string[];
}

/** By the very list: events about one action are taken apart by the same one, again and again. */
const knownPaths = new WeakMap<readonly string[], readonly Path[]>();

function pathsDeepestFirst(paths: readonly string[]): readonly Path[] {
  const known = knownPaths.get(paths);
  if (known !== undefined) return known;
  const parsed = [...new Set(paths)].flatMap((id): readonly Path[] => {
    const [name, ...below] = parsePath(id);
    return name === undefined || below.length === 0 ? [] : [{ id, name, below }];
  });
  const sorted = parsed.sort((a, b) => b.below.length - a.below.length);
  knownPaths.set(paths, sorted);
  return sorted;
}

function parsePath(path: string): readonly string[] {
  const steps = path.split('.');
  if (steps.includes('')) throw new ProofError('invalid-field', 'a field id has an empty step', { field: path });
  return steps;
}

function takeOut(
  object: JsonObject,
  steps: readonly string[],
): { readonly value: JsonValue; readonly rest: JsonObject } | undefined {
  const [name, ...below] = steps;
  const child = name !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
  if (name === undefined || child === undefined) return undefined;
  if (below.length === 0) {
    return { value: child, rest: without(object, name) };
  }
  if (!isObject(child)) return undefined;
  const found = takeOut(child, below);
  // A computed name defines the member even if it is called __proto__.
  return found && { value: found.value, rest: { ...object, [name]: found.rest } };
}

function without(object: JsonObject, name: string): JsonObject {
  // A plain assignment of this name would change the prototype.
  if (Object.hasOwn(object, '__proto__')) {
    const { [name]: _taken, ...rest } = object;
    return rest;
  }
  const rest: Record<string, JsonValue> = {};
  for (const other of Object.keys(object)) if (other !== name) rest[other] = object[other] ?? null;
  return rest;
}

function putIn(object: JsonObject, steps: readonly string[], value: JsonValue): JsonObject {
  const [name, ...below] = steps;
  if (name === undefined) return object;
  const child = Object.hasOwn(object, name) ? object[name] : undefined;
  if (below.length === 0) {
    if (child !== undefined) throw new ProofError('invalid-field', 'two fields claim one place', { field: name });
    return { ...object, [name]: value };
  }
  if (child !== undefined && !isObject(child)) {
    throw new ProofError('invalid-field', 'a field is inside a value that is not an object', { field: name });
  }
  return { ...object, [name]: putIn(child ?? {}, below, value) };
}

/** A member of an object by its path; undefined where there is none. */
export function memberAt(value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  let current = value;
  for (const name of path) current = isObject(current) && Object.hasOwn(current, name) ? current[name] : undefined;
  return current;
}

/** The same, for texts: undefined where there is none or it is something else. */
export function textAt(value: JsonValue | undefined, ...path: readonly string[]): string | undefined {
  const found = memberAt(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
