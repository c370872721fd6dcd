/**
 * The walk over a suspicious value: every string, number and member name meets the rules, and what replaces something
 * is told with its place. Parts in which nothing is replaced stay the very objects that they were.
 */
import type { JsonObject, JsonValue } from '../../../proofs/canonical-json.ts';
import { jsonPointer } from '../../../proofs/strict-json.ts';
import { isCardNumber } from './cards.ts';
import { isPlaceholder, marker, withoutMarkers } from './marker.ts';
import {
  type MemberRule,
  memberRule,
  NAME_MEMBERS,
  plainName,
  ruleOfPath,
  TRACE_ID,
  TRACING_MEMBERS,
  VALUE_MEMBERS,
} from './member-rules.ts';
import type { Suspicion } from './suspicion.ts';
import type { TextRule } from './text-rules.ts';
import type { Redacted, RedactionRule, Replacement } from './types.ts';
import { unmask } from './unmask.ts';

export interface Rules {
  readonly suspects: Suspicion;
  readonly textRules: readonly TextRule[];
  readonly isAllowedCard: (digits: string) => boolean;
  readonly names: NameCache;
}

/** What is known about a member name. */
interface NameFacts {
  readonly rule: MemberRule | undefined;
  readonly isValue: boolean;
  readonly isName: boolean;
  readonly isTracing: boolean;
}

const MAX_CACHED_NAMES = 4_096;

/** Names repeat from event to event; judging one takes a dozen patterns. Bounded: what comes after is not kept. */
export class NameCache {
  readonly #facts = new Map<string, NameFacts>();

  factsOf(name: string): NameFacts {
    const known = this.#facts.get(name);
    if (known !== undefined) return known;
    const plain = plainName(name);
    const facts = {
      rule: memberRule(name),
      isValue: VALUE_MEMBERS.has(plain),
      isName: NAME_MEMBERS.has(plain),
      isTracing: TRACING_MEMBERS.has(plain),
    };
    if (this.#facts.size < MAX_CACHED_NAMES) this.#facts.set(name, facts);
    return facts;
  }
}

export function walk(value: JsonValue, rules: Rules): Redacted<JsonValue> {
  const walker = new Walker(rules);
  return { value: walker.value(value, undefined, undefined), replacements: walker.replacements };
}

/** The text with its secrets replaced, and the rules that did it. */
export function redactText(text: string, rules: readonly TextRule[]): { text: string; by: ReadonlySet<RedactionRule> } {
  const by = new Set<RedactionRule>();
  let current = text;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = applyRules(current, rules, by);
    if (next === current) return { text: current, by };
    current = next;
  }
  by.add('unstable-text');
  return { text: marker('unstable-text'), by };
}

/** A replacement can bring a new match about, rarely twice. A text that never comes to rest is replaced as a whole. */
const MAX_ROUNDS = 8;

function applyRules(text: string, rules: readonly TextRule[], by: Set<RedactionRule>): string {
  const seen = applyOnce(text, rules, by);
  const plain = unmask(seen);
  if (plain === seen) return seen;
  // Only if something was hidden there does the decoded form take the text's place.
  const found = applyOnce(plain, rules, by);
  return found === plain ? seen : found;
}

function applyOnce(text: string, rules: readonly TextRule[], by: Set<RedactionRule>): string {
  let out = text;
  for (const { rule, apply } of rules) {
    const next = apply(out);
    if (next !== out) by.add(rule);
    out = next;
  }
  return out;
}

/** Where the walk is. */
interface Place {
  readonly parent: Place | undefined;
  readonly step: string;
}

class Walker {
  readonly replacements: Replacement[] = [];
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  /** `rule` is the one under whose name the value stands, if any. */
  value(value: JsonValue, rule: MemberRule | undefined, place: Place | undefined): JsonValue {
    if (typeof value === 'string') return this.#string(value, rule, place);
    if (typeof value === 'number') return this.#number(value, rule, place);
    if (typeof value !== 'object' || value === null) return value;
    return isArray(value) ? this.#array(value, rule, place) : this.#object(value, rule, place);
  }

  #array(items: readonly JsonValue[], rule: MemberRule | undefined, place: Place | undefined): readonly JsonValue[] {
    const out = items.map((item, i) => this.value(item, rule, { parent: place, step: String(i) }));
    return out.some((item, i) => item !== items[i]) ? out : items;
  }

  #object(object: JsonObject, above: MemberRule | undefined, place: Place | undefined): JsonObject {
    const rule = this.#ruleOfPair(object) ?? above;
    const out: [string, JsonValue][] = [];
    const taken = new Set<string>();
    let isChanged = false;
    for (const [name, value] of Object.entries(object)) {
      const outName = this.#name(name, taken, place);
      const { rule: own, isValue } = this.#rules.names.factsOf(outName);
      const inherited = isValue ? rule : above?.isDeep === true ? above : undefined;
      const outValue = this.value(value, own ?? inherited, { parent: place, step: outName });
      if (outName !== name || outValue !== value) isChanged = true;
      out.push([outName, outValue]);
    }
    // fromEntries defines members, also one that is called __proto__.
    return isChanged ? Object.fromEntries(out) : object;
  }

  /** `{"name": "password", "value": …}` and `{"path": "/password", "before": …}`: one member says what the others hold. */
  #ruleOfPair(object: JsonObject): MemberRule | undefined {
    for (const name of Object.keys(object)) {
      if (!this.#rules.names.factsOf(name).isName) continue;
      const value = object[name];
      const rule = typeof value === 'string' ? ruleOfPath(this.#plainPath(value)) : undefined;
      if (rule !== undefined) return rule;
    }
    return undefined;
  }

  /** The path as it will stand in the result, without markers: else a second walk could be led by what the first wrote. */
  #plainPath(text: string): string {
    const kept = this.#rules.suspects(text) ? redactText(text, this.#rules.textRules).text : text;
    return withoutMarkers(kept);
  }

  /** The member's name without secrets; two names that become the same are numbered. */
  #name(name: string, taken: Set<string>, place: Place | undefined): string {
    let outName = name;
    if (this.#rules.suspects(name)) {
      const { text, by } = redactText(name, this.#rules.textRules);
      for (let i = 2; by.size > 0; i++) {
        outName = i === 2 ? text : `${text}#${i - 1}`;
        if (!taken.has(outName)) break;
      }
      for (const rule of by) this.#record(rule, { parent: place, step: outName });
    }
    taken.add(outName);
    return outName;
  }

  #string(text: string, rule: MemberRule | undefined, place: Place | undefined): string {
    const byName = secretByName(text, rule);
    if (byName !== undefined) return this.#replace(byName, place);
    if (!this.#mayHoldSecret(text)) return text;
    if (TRACE_ID.test(text) && place !== undefined && this.#rules.names.factsOf(place.step).isTracing) return text;
    const redacted = redactText(text, this.#rules.textRules);
    // A marker can make a text long enough for its member's rule: better now than the next time.
    const byLength = redacted.by.size > 0 ? secretByName(redacted.text, rule) : undefined;
    if (byLength !== undefined) return this.#replace(byLength, place);
    for (const by of redacted.by) this.#record(by, place);
    return redacted.text;
  }

  /** A text is often suspicious for an encoding alone, behind which there is nothing. */
  #mayHoldSecret(text: string): boolean {
    const { suspects } = this.#rules;
    return suspects(text) && (suspects(text, true) || suspects(unmask(text), true));
  }

  #number(value: number, rule: MemberRule | undefined, place: Place | undefined): number | string {
    const text = String(Math.abs(value));
    if (rule?.isSecret(text, true) === true) return this.#replace(rule.rule, place);
    if (!Number.isSafeInteger(value) || !isCardNumber(text) || this.#rules.isAllowedCard(text)) return value;
    this.#record('card-number', place);
    return marker('card-number', text.slice(-4));
  }

  #replace(rule: RedactionRule, place: Place | undefined): string {
    this.#record(rule, place);
    return marker(rule);
  }

  #record(rule: RedactionRule, place: Place | undefined): void {
    const steps: string[] = [];
    for (let at = place; at !== undefined; at = at.parent) steps.push(at.step);
    this.replacements.push({ pointer: jsonPointer(steps.reverse()), rule });
  }
}

/** The rule by which a text is a secret because of what its member is called. */
function secretByName(text: string, rule: MemberRule | undefined): RedactionRule | undefined {
  return rule?.isSecret(text, false) === true && !isPlaceholder(text) ? rule.rule : undefined;
}

// Array.isArray does not narrow a readonly array type.
function isArray(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value);
}
