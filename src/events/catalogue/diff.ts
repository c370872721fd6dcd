/**
 * What a new version of a catalogue changes, action by action, in its effective rules: a class or a default that changes
 * shows at every action that it holds for. Each change says whether the trail asks for less afterwards.
 */
import type { ActionRule, Catalogue } from './catalogue.ts';
import type { RetentionClass } from './file.ts';

/**
 * `loosens`: less is required, protected or kept, or what was refused is taken. `tightens`: events that were taken may
 * be refused, or more is protected. `neutral`: neither.
 */
export type ChangeEffect = 'loosens' | 'tightens' | 'neutral';

export type ChangedPart =
  | 'action'
  | 'title'
  | 'class'
  | 'break_glass'
  | 'retention'
  | 'required'
  | 'required_on_success'
  | 'personal'
  | 'sensitive'
  | 'minimise';

export interface CatalogueChange {
  readonly action: string;
  readonly part: ChangedPart;
  readonly effect: ChangeEffect;
  /** A sentence without its subject: "no longer requires context.ticket". */
  readonly detail: string;
}

export interface CatalogueDiff {
  readonly before: string;
  readonly after: string;
  /** The same content, whatever the layout. */
  readonly isSame: boolean;
  /** The version went up, as it has to when the content changes. */
  readonly isRaised: boolean;
  readonly changes: readonly CatalogueChange[];
}

export function diffCatalogues(before: Catalogue, after: Catalogue): CatalogueDiff {
  const old = rulesByName(before);
  const now = rulesByName(after);
  const changes: CatalogueChange[] = [];
  for (const [name, rule] of old) {
    const next = now.get(name);
    if (next === undefined) changes.push({ action: name, part: 'action', effect: 'tightens', detail: removed(rule) });
    else changes.push(...changesOf(rule, next));
  }
  for (const [name, rule] of now) {
    if (!old.has(name)) changes.push({ action: name, part: 'action', effect: addedEffect(name), detail: added(rule) });
  }
  return {
    before: before.label,
    after: after.label,
    isSame: before.digest === after.digest,
    isRaised: compareVersions(before.version, after.version) < 0,
    changes: changes.sort((a, b) => (a.action < b.action ? -1 : a.action > b.action ? 1 : 0)),
  };
}

function rulesByName({ actions, patterns }: Catalogue): ReadonlyMap<string, ActionRule> {
  return new Map([...actions, ...patterns.map((rule) => [rule.name, rule] as const)]);
}

function removed({ title }: ActionRule): string {
  return `is removed ("${title}"): events about it are refused, unless a pattern takes them`;
}

function added({ title, name }: ActionRule): string {
  return name.includes('*') ? `is added: whatever fits it is taken ("${title}")` : `is added ("${title}")`;
}

/** One more audited action asks for more; a pattern lets through what nobody listed. */
function addedEffect(name: string): ChangeEffect {
  return name.includes('*') ? 'loosens' : 'neutral';
}

function changesOf(before: ActionRule, after: ActionRule): readonly CatalogueChange[] {
  const changes: CatalogueChange[] = [];
  const add = (part: ChangedPart, effect: ChangeEffect, detail: string): void => {
    changes.push({ action: after.name, part, effect, detail });
  };
  if (before.title !== after.title)
    add('title', 'neutral', `is called "${after.title}", not "${before.title}" any more`);
  if (before.class !== after.class) {
    // Scopes, retention and findings go by class, so somebody has to look at it.
    add('class', 'loosens', `is in the class ${after.class}, not ${before.class} any more`);
  }
  if (before.breakGlass !== after.breakGlass) {
    if (after.breakGlass) add('break_glass', 'tightens', 'counts as an override of the rules');
    else add('break_glass', 'loosens', 'no longer counts as an override of the rules');
  }
  if (before.retention !== after.retention) {
    const detail = `has the retention class ${after.retention ?? 'none'}, not ${before.retention ?? 'none'} any more`;
    add('retention', retentionEffect(before.retention, after.retention), detail);
  }
  lists(before.required, after.required, 'requires', (effect, detail) => add('required', effect, detail));
  lists(before.requiredOnSuccess, after.requiredOnSuccess, 'requires on success', (effect, detail) =>
    add('required_on_success', effect, detail),
  );
  lists(before.personal, after.personal, 'marks as personal', (effect, detail) => add('personal', effect, detail));
  lists(before.sensitive, after.sensitive, 'marks as sensitive', (effect, detail) => add('sensitive', effect, detail));
  lists(minimisedPaths(before), minimisedPaths(after), 'minimises', (effect, detail) =>
    add('minimise', effect, detail),
  );
  return changes;
}

function minimisedPaths({ minimise }: ActionRule): readonly string[] {
  return minimise.map(({ steps, how }) => `${steps.join('.')} (${how})`);
}

function lists(
  before: readonly string[],
  after: readonly string[],
  verb: string,
  add: (effect: ChangeEffect, detail: string) => void,
): void {
  for (const item of before) {
    if (!after.includes(item)) add('loosens', `no longer ${verb} ${item}`);
  }
  for (const item of after) {
    if (!before.includes(item)) add('tightens', `now ${verb} ${item}`);
  }
}

/** From the shortest to the longest of the presets (REQUIREMENTS P2): noise 30 days … critical never. */
const BY_LENGTH: readonly RetentionClass[] = ['noise', 'pci', 'soc2', 'operational', 'hipaa', 'sox', 'critical'];

function retentionEffect(before: RetentionClass | null, after: RetentionClass | null): ChangeEffect {
  if (before === null || after === null) return after === null ? 'loosens' : 'tightens';
  return BY_LENGTH.indexOf(after) < BY_LENGTH.indexOf(before) ? 'loosens' : 'tightens';
}

/** Versions are three numbers. */
function compareVersions(a: string, b: string): number {
  const numbers = b.split('.').map(Number);
  for (const [i, part] of a.split('.').map(Number).entries()) {
    const difference = part - (numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
