/**
 * The catalogue as it is used: every action with what defaults, its class and its own line say together. A whole action
 * is found by its name; otherwise the pattern that fits best decides; what nothing fits is unknown.
 */
import type { MinimisedPath } from '../minimise.ts';
import type { CatalogueFile, RetentionClass } from './file.ts';
import { isOwnAction, ownAction } from './own-actions.ts';

/** What holds for one action, or for all that fit one pattern. */
export interface ActionRule {
  /** The action's name, or the pattern. */
  readonly name: string;
  readonly title: string;
  readonly class: string;
  readonly breakGlass: boolean;
  readonly retention: RetentionClass | null;
  /** Dotted paths, sorted, as are all lists here. */
  readonly required: readonly string[];
  /** Required only if the outcome is a success: what was refused has no before and after. */
  readonly requiredOnSuccess: readonly string[];
  readonly personal: readonly string[];
  readonly sensitive: readonly string[];
  /** Personal and sensitive paths below a top-level member: fields of their own (proofs/fields.ts). */
  readonly separatePaths: readonly string[];
  readonly minimise: readonly MinimisedPath[];
}

export interface PatternRule extends ActionRule {
  /** The text around the asterisks. */
  readonly parts: readonly string[];
}

/** The rules of a catalogue, ready for use. */
export interface CatalogueRules {
  /** Titles of the classes, by id. */
  readonly classes: ReadonlyMap<string, string>;
  readonly actions: ReadonlyMap<string, ActionRule>;
  /** The best fit first. */
  readonly patterns: readonly PatternRule[];
}

export interface Catalogue extends CatalogueRules {
  readonly id: string;
  readonly version: string;
  /** SHA-256 of the file's content in its RFC 8785 form, in hex: comments and layout do not count. */
  readonly digest: string;
  /** What events and entries name: `acme@1.4.0+sha256:…`. */
  readonly label: string;
  readonly title: string;
  /** What was parsed; publishing it publishes everything. */
  readonly file: CatalogueFile;
}

/** The catalogues of a label, as people name them: `acme 1.4.0`. The label of several in force names each. */
export function namesOf(label: string): readonly string[] {
  return label.split(' ').map((one) => one.replace(/\+.*$/, '').replace('@', ' '));
}

/** The pattern that takes every action there is; undefined if there is none. */
export function fallbackOf({ patterns }: CatalogueRules): PatternRule | undefined {
  return patterns.find(({ parts }) => parts.every((part) => part === ''));
}

/** What holds for an action; undefined if the catalogue does not know it. The log's own actions are always known. */
export function findAction(catalogue: CatalogueRules, action: string): ActionRule | undefined {
  if (isOwnAction(action)) return ownAction(action);
  return catalogue.actions.get(action) ?? catalogue.patterns.find(({ parts }) => fits(parts, action));
}

export function classOf(catalogue: CatalogueRules, action: string): string | undefined {
  return findAction(catalogue, action)?.class;
}

/** Paths that become fields of their own in an event about this action. */
export function separatePathsOf(catalogue: CatalogueRules, action: string): readonly string[] {
  return findAction(catalogue, action)?.separatePaths ?? [];
}

/** Whether a text is these parts with anything between them. Linear: each part is taken where it first stands. */
export function fits(parts: readonly string[], text: string): boolean {
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let position = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return position <= text.length - last.length;
}
