/**
 * What a bundle brings along about its events: titles of actions out of the catalogue that each event was checked
 * against, and the publication of the rule that it cites. Read only after the claim `related` held: then every one of
 * these entries is in the tree.
 */
import { parse } from 'yaml';
import { hexEncode, utf8Encode } from '../../../proofs/bytes.ts';
import { canonicalJson, type JsonObject, type JsonValue } from '../../../proofs/canonical-json.ts';
import { isObject, memberAt, textAt } from '../../../proofs/fields.ts';
import { sha256 } from '../../../proofs/hash.ts';
import type { CheckedEvent } from '../../../proofs/opened-event.ts';

/** Whether `readRelated` has a use for it. */
export function isOfUse({ event }: CheckedEvent): boolean {
  return event['action'] === PUBLISH_CATALOGUE || event['action'] === PUBLISH_RULE;
}

/** The version of a rule that an event cites, as it was published before the event. */
export interface RuleInForce {
  /** Index of the entry that published it. */
  readonly index: number;
  readonly author?: string;
  readonly approver?: string;
  readonly approval?: string;
  /** Index of the entry that published a later version, still before the event. */
  readonly supersededBy?: number;
}

export interface Related {
  /** What the catalogue in the event's field `log` calls its action. */
  titleOf(event: CheckedEvent): string | undefined;
  ruleOf(event: CheckedEvent): RuleInForce | undefined;
}

export const NOTHING_RELATED: Related = { titleOf: () => undefined, ruleOf: () => undefined };

export function readRelated(entries: readonly CheckedEvent[]): Related {
  /** Titles by the name of the catalogue, `acme@1.4.0+sha256:…`. */
  const titles = new Map<string, ReadonlyMap<string, string>>();
  const rules = new Map<string, RuleInForce[]>();
  const versions = new Map<string, RuleInForce[]>();
  for (const { index, event } of entries) {
    if (event['action'] === PUBLISH_CATALOGUE) {
      const catalogue = readCatalogue(textAt(event, 'context', 'text') ?? '');
      if (catalogue !== undefined) titles.set(catalogue.label, catalogue.titles);
    }
    if (event['action'] === PUBLISH_RULE) readRule(index, event, rules, versions);
  }
  return {
    titleOf: ({ event, fields }) => {
      const [log, action] = [fields.get('log'), textAt(event, 'action')];
      const labels = textAt(log, 'catalogue')?.split(' ') ?? [];
      if (action === undefined) return undefined;
      return labels.map((label) => titles.get(label)?.get(action)).find((title) => title !== undefined);
    },
    ruleOf: ({ index, event }) => {
      const [, id, version] = REFERENCE.exec(textAt(event, 'authorization', 'rule') ?? '') ?? [];
      if (id === undefined || version === undefined) return undefined;
      const published = rules.get(`${id}.${version}`)?.find((rule) => rule.index < index);
      if (published === undefined) return undefined;
      const later = versions.get(id)?.findLast((rule) => rule.index < index && rule.index > published.index);
      return later === undefined ? published : { ...published, supersededBy: later.index };
    },
  };
}

const PUBLISH_CATALOGUE = 'countersign.catalogue.publish';
const PUBLISH_RULE = 'countersign.rule.publish';
/** `policy.access.grant.v3#owner`: part `owner` of version `v3` of the rule `policy.access.grant`. */
const REFERENCE = /^([A-Za-z][A-Za-z0-9_.-]*)\.(v[0-9]+(?:\.[0-9]+)*)(?:#.+)?$/;
/** The catalogue of an entry, which is an event of at most 64 KiB. */
const MAX_CATALOGUE_CHARACTERS = 65_536;

function readCatalogue(
  text: string,
): { readonly label: string; readonly titles: ReadonlyMap<string, string> } | undefined {
  if (text.length > MAX_CATALOGUE_CHARACTERS) return undefined;
  try {
    // Plain YAML: a catalogue has no aliases, and what YAML makes of it is JSON, or canonicalJson refuses it.
    const file: JsonValue = parse(text, { version: '1.2', schema: 'core', uniqueKeys: true, maxAliasCount: 0 });
    if (!isObject(file)) return undefined;
    const [id, version, actions] = [textAt(file, 'catalogue'), textAt(file, 'version'), memberAt(file, 'actions')];
    const digest = hexEncode(sha256(utf8Encode(canonicalJson(file))));
    const titles = Object.entries(isObject(actions) ? actions : {}).flatMap(([action, rule]) => {
      const title = textAt(rule, 'title');
      return title === undefined ? [] : [[action, title] as const];
    });
    return { label: `${id}@${version}+sha256:${digest}`, titles: new Map(titles) };
  } catch {
    return undefined;
  }
}

function readRule(
  index: number,
  event: JsonObject,
  rules: Map<string, RuleInForce[]>,
  versions: Map<string, RuleInForce[]>,
): void {
  const [id, version] = [textAt(event, 'target', 'id'), textAt(event, 'target', 'version')];
  if (id === undefined || version === undefined) return;
  const [author, approver] = [textAt(event, 'context', 'author'), textAt(event, 'authorization', 'approver')];
  const approval = textAt(event, 'authorization', 'ticket');
  const rule: RuleInForce = {
    index,
    ...(author !== undefined && { author }),
    ...(approver !== undefined && { approver }),
    ...(approval !== undefined && { approval }),
  };
  rules.set(`${id}.${version}`, [...(rules.get(`${id}.${version}`) ?? []), rule]);
  versions.set(id, [...(versions.get(id) ?? []), rule]);
}
