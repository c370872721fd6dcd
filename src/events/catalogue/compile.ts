/**
 * From the content of a catalogue file to the rules that hold for each action: defaults, class and action put together,
 * patterns in the order in which they are tried, and what the schema of the file cannot say: classes that exist, paths
 * that an event can have, and marks on what must stay as it is.
 */
import { KindGuard, type TSchema } from '@sinclair/typebox';
import type { MinimisedPath } from '../minimise.ts';
import { EventSchema } from '../schema.ts';
import type { ActionRule, CatalogueRules, PatternRule } from './catalogue.ts';
import type { CatalogueFaultCode } from './errors.ts';
import type { CatalogueAction, CatalogueFile, Marks } from './file.ts';
import { isOwnAction, OWN_CLASS } from './own-actions.ts';

/** A fault before its place in the text is known. */
export interface PlacedFault {
  readonly code: CatalogueFaultCode;
  readonly place: readonly string[];
  readonly detail: string;
}

/** The rules, and every fault; the rules are of use only if there is none. */
export function compileCatalogue(file: CatalogueFile): { rules: CatalogueRules; faults: readonly PlacedFault[] } {
  const faults = faultsOf(file);
  const actions = new Map<string, ActionRule>();
  const patterns: PatternRule[] = [];
  for (const [name, action] of Object.entries(file.actions)) {
    const rule = ruleOf(file, name, action);
    if (name.includes('*')) patterns.push({ ...rule, parts: name.split('*') });
    else actions.set(name, rule);
  }
  const classes = new Map(Object.entries(file.classes).map(([id, { title }]) => [id, title]));
  return { rules: { classes, actions, patterns: patterns.sort(byFit) }, faults };
}

/**
 * What begins longer fits better, then what says more, then the alphabet: the order of the file does not matter, so that
 * moving a line changes nothing.
 */
function byFit(a: PatternRule, b: PatternRule): number {
  const beginning = (b.parts[0]?.length ?? 0) - (a.parts[0]?.length ?? 0);
  const literal = b.parts.join('').length - a.parts.join('').length;
  return beginning || literal || (a.name < b.name ? -1 : 1);
}

function ruleOf(file: CatalogueFile, name: string, action: CatalogueAction): ActionRule {
  const ofClass = Object.hasOwn(file.classes, action.class) ? file.classes[action.class] : undefined;
  const levels: readonly Marks[] = [file.defaults ?? {}, ofClass ?? {}, action];
  const union = (pick: (marks: Marks) => readonly string[] | undefined): readonly string[] =>
    [...new Set(levels.flatMap((marks) => pick(marks) ?? []))].sort();
  const personal = union((marks) => marks.personal);
  const sensitive = union((marks) => marks.sensitive);
  const required = union((marks) => marks.required);
  const minimise = new Map(levels.flatMap((marks) => Object.entries(marks.minimise ?? {})));
  return {
    name,
    title: action.title,
    class: action.class,
    breakGlass: action.break_glass ?? ofClass?.break_glass ?? false,
    retention: action.retention ?? ofClass?.retention ?? file.defaults?.retention ?? null,
    required,
    requiredOnSuccess: union((marks) => marks.required_on_success).filter((path) => !required.includes(path)),
    personal,
    sensitive,
    separatePaths: [...new Set([...personal, ...sensitive])].filter((path) => path.includes('.')).sort(),
    minimise: [...minimise]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, how]): MinimisedPath => ({ steps: path.split('.'), how })),
  };
}

function faultsOf(file: CatalogueFile): readonly PlacedFault[] {
  const faults: PlacedFault[] = [];
  if (Object.hasOwn(file.classes, OWN_CLASS)) {
    faults.push({
      code: 'reserved-class',
      place: ['classes', OWN_CLASS],
      detail: "is the class of the log's own actions",
    });
  }
  faults.push(...faultsOfMarks(file.defaults ?? {}, ['defaults']));
  for (const [id, marks] of Object.entries(file.classes)) faults.push(...faultsOfMarks(marks, ['classes', id]));
  for (const [name, action] of Object.entries(file.actions)) {
    const place = ['actions', name];
    if (isOwnAction(name)) {
      faults.push({
        code: 'reserved-action',
        place,
        detail: "begins with countersign., as only the log's own actions do",
      });
    }
    if (!Object.hasOwn(file.classes, action.class)) {
      const known = Object.keys(file.classes).join(', ');
      faults.push({ code: 'unknown-class', place: [...place, 'class'], detail: `is none of the classes: ${known}` });
    }
    faults.push(...faultsOfMarks(action, place));
  }
  return faults;
}

const LISTS = ['required', 'required_on_success', 'personal', 'sensitive'] as const;

function faultsOfMarks(marks: Marks, place: readonly string[]): readonly PlacedFault[] {
  const faults: PlacedFault[] = [];
  for (const list of LISTS) {
    for (const [i, path] of (marks[list] ?? []).entries()) {
      const detail = pathFault(path) ?? (list === 'personal' || list === 'sensitive' ? openFault(path) : undefined);
      if (detail !== undefined) faults.push({ ...detail, place: [...place, list, String(i)] });
    }
  }
  for (const path of Object.keys(marks.minimise ?? {})) {
    const detail = pathFault(path) ?? minimiseFault(path);
    if (detail !== undefined) faults.push({ ...detail, place: [...place, 'minimise', path] });
  }
  return faults;
}

type FaultWithoutPlace = Omit<PlacedFault, 'place'>;

/** A misspelt path would require or protect nothing. */
function pathFault(path: string): FaultWithoutPlace | undefined {
  let schema: TSchema = EventSchema;
  for (const step of path.split('.')) {
    if (!KindGuard.IsObject(schema)) {
      return { code: 'unknown-path', detail: `${path}: nothing of a list or a plain value has a path of its own` };
    }
    const member: TSchema | undefined = Object.hasOwn(schema.properties, step) ? schema.properties[step] : undefined;
    if (member !== undefined) schema = member;
    else if (schema.additionalProperties === true) return undefined;
    else {
      const known = Object.keys(schema.properties).join(', ');
      return { code: 'unknown-path', detail: `${path}: an event has no ${step} there, only ${known}` };
    }
  }
  return undefined;
}

/** Without these nobody could find the event or say what it was. */
const ALWAYS_OPEN: ReadonlySet<string> = new Set(['event_id', 'occurred_at', 'action', 'outcome', 'outcome.result']);

function openFault(path: string): FaultWithoutPlace | undefined {
  if (!ALWAYS_OPEN.has(path)) return undefined;
  return { code: 'forbidden-path', detail: `${path} is what an event is found by; it is never withheld or erased` };
}

/** Identities are never changed, and occurred_at is kept as the producer said it (REQUIREMENTS E3). */
function minimiseFault(path: string): FaultWithoutPlace | undefined {
  if (path.startsWith('context.') || path === 'actor.auth.authenticated_at') return undefined;
  return {
    code: 'forbidden-path',
    detail: `${path} is kept as it was sent; only what is in context, and actor.auth.authenticated_at, can be minimised`,
  };
}
